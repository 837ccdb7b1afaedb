"""Socket Mode: docs.slack.dev/apis/events-api/using-socket-mode.

A WebSocket says hello, brings one envelope for each event, and is warned before it ends. An event goes to one
of the app's connections, and again when nobody acknowledges it in time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.events import SlackEvent, payload
from groupadmin.sandbox.slack.world import SlackAppToken, SlackWorld

MOST_CONNECTIONS = 10
_PATIENCE = 10.0


@dataclass(eq=False)
class _Connection:
    app: SlackAppToken
    socket: web.WebSocketResponse
    awaited: dict[str, asyncio.Event] = field(default_factory=dict)


class SocketMode:
    """Serves the WebSockets of all apps from a thread of its own, from the first one that is asked for.

    `ack_seconds`: how long an envelope may go unacknowledged. `retry_pauses`: seconds until each further
    attempt. `acknowledged` has the event ids that were, in order; `sent` counts the envelopes.
    """

    def __init__(
        self,
        world: SlackWorld,
        *,
        ack_seconds: float = 3.0,
        retry_pauses: Sequence[float] = (0.0, 60.0, 300.0),
    ) -> None:
        self.world = world
        self.ack_seconds = ack_seconds
        self.retry_pauses = retry_pauses
        self.acknowledged: list[str] = []
        self.sent = 0
        self.muted = False
        """Whether events get lost on their way, as they may."""
        self._tickets: dict[str, SlackAppToken] = {}
        self._connections: list[_Connection] = []
        self._turn = itertools.count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stopping = asyncio.Event()
        self._port = 0

    def _start(self) -> None:
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="slack-sockets", daemon=True
        )
        self._thread.start()
        started.result(_PATIENCE)

    def stop(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_PATIENCE)
        self._loop = self._thread = None

    def open(self, token: str | None) -> dict[str, Any]:
        """apps.connections.open: an address that is good for one connection."""
        if not token:
            raise Failure("not_authed")
        app = self.world.app_tokens.get(token)
        if app is None:
            raise Failure("not_allowed_token_type" if token in self.world.tokens else "invalid_auth")
        if app.revoked:
            raise Failure("token_revoked")
        if not app.socket_mode:
            raise Failure("forbidden_team")
        with self._starting:
            if self._loop is None:
                self._start()
        ticket = secrets.token_hex(16)
        self._tickets[ticket] = app
        return {"url": f"ws://127.0.0.1:{self._port}/link/?ticket={ticket}&app_id={app.app_id}"}

    def publish(self, event: SlackEvent) -> None:
        """Tell the apps that may hear of it."""
        if self.muted:
            return
        for app in self.world.app_tokens.values():
            scopes = self._scopes_of(app)
            if event.is_heard_by(app, scopes):
                self._run(self._deliver(app, payload(event, app)))

    def publish_payload(self, body: Mapping[str, Any]) -> None:
        """Tell every app this, whatever it is."""
        for app in self.world.app_tokens.values():
            self._run(self._deliver(app, body))

    @property
    def connections(self) -> int:
        return len(self._connections)

    def say(self, text: str) -> None:
        """Send this frame on every connection, whatever it is."""

        async def send() -> None:
            for connection in self._connections:
                await connection.socket.send_str(text)

        self._run(send()).result(_PATIENCE)

    def warn(
        self, reason: str = "warning", *, close_after: float | None = 0.2, oldest: int | None = None
    ) -> None:
        """Say on every connection, or the `oldest` so many, that it is about to end, and end it."""

        async def warn(connection: _Connection) -> None:
            host = {"host": "applink-sandbox"}
            await connection.socket.send_json({"type": "disconnect", "reason": reason, "debug_info": host})
            if close_after is not None:
                await asyncio.sleep(close_after)
                await connection.socket.close()

        for connection in self._connections[:oldest]:
            self._run(warn(connection))

    def drop(self) -> None:
        """Cut every connection without a word."""

        async def drop() -> None:
            for connection in list(self._connections):
                transport = connection.socket._req.transport if connection.socket._req else None
                if transport is not None:
                    transport.abort()

        self._run(drop()).result(_PATIENCE)

    def _scopes_of(self, app: SlackAppToken) -> frozenset[str]:
        """Those that the user who installed the app granted it."""
        scopes = (t.scopes for t in self.world.tokens.values() if t.user_id == app.user_id and not t.revoked)
        return frozenset[str]().union(*scopes)

    def _run(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        if self._loop is None:
            work.close()
            done: Future[None] = Future()
            done.set_result(None)
            return done
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _serve(self, started: Future[None]) -> None:
        self._stopping, self._loop = asyncio.Event(), asyncio.get_running_loop()
        app = web.Application()
        app.router.add_get("/link/", self._link)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = runner.addresses[0][1]
        started.set_result(None)
        await self._stopping.wait()
        for connection in list(self._connections):
            await connection.socket.close()
        await runner.cleanup()

    async def _link(self, request: web.Request) -> web.StreamResponse:
        app = self._tickets.pop(request.query.get("ticket", ""), None)
        if app is None:
            return web.Response(status=403)
        socket = web.WebSocketResponse(heartbeat=5.0)
        await socket.prepare(request)
        mine = [each for each in self._connections if each.app is app]
        if len(mine) >= MOST_CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await socket.close()
            return socket
        connection = _Connection(app, socket)
        self._connections.append(connection)
        try:
            await socket.send_json(_hello(app, len(mine) + 1))
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    _take_acknowledgement(connection, message.data)
        finally:
            self._connections.remove(connection)
        return socket

    async def _deliver(self, app: SlackAppToken, body: Mapping[str, Any]) -> None:
        reason = ""
        for attempt, pause in enumerate((0.0, *self.retry_pauses)):
            await asyncio.sleep(pause)
            mine = [each for each in self._connections if each.app is app and not each.socket.closed]
            if not mine:
                continue
            connection = mine[next(self._turn) % len(mine)]
            if await self._send(connection, body, attempt, reason):
                self.acknowledged.append(str(body.get("event_id", "")))
                return
            reason = "timeout"

    async def _send(
        self, connection: _Connection, body: Mapping[str, Any], attempt: int, reason: str
    ) -> bool:
        """Whether it was acknowledged in time."""
        envelope_id = secrets.token_hex(16)
        done = connection.awaited[envelope_id] = asyncio.Event()
        self.sent += 1
        try:
            await connection.socket.send_json(
                {
                    "envelope_id": envelope_id,
                    "type": "events_api",
                    "accepts_response_payload": False,
                    "payload": dict(body),
                    "retry_attempt": attempt,
                    "retry_reason": reason,
                }
            )
            await asyncio.wait_for(done.wait(), self.ack_seconds)
        except (TimeoutError, ConnectionError):
            return False
        finally:
            connection.awaited.pop(envelope_id, None)
        return True


def _hello(app: SlackAppToken, number: int) -> dict[str, Any]:
    return {
        "type": "hello",
        "num_connections": number,
        "connection_info": {"app_id": app.app_id},
        "debug_info": {"host": "applink-sandbox", "build_number": 1, "approximate_connection_time": 18060},
    }


def _take_acknowledgement(connection: _Connection, text: str) -> None:
    try:
        told = json.loads(text)
    except ValueError:
        return
    awaited = connection.awaited.get(str(told.get("envelope_id"))) if isinstance(told, dict) else None
    if awaited is not None:
        awaited.set()
