"""The sandbox's Slack: a world behind HTTP on 127.0.0.1, with limits, latency and scripted faults."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Collection, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from groupadmin.sandbox.control import CallLog, Script, WriteLog
from groupadmin.sandbox.slack import events
from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.faults import Effect, rate_limited
from groupadmin.sandbox.slack.limits import RateLimiter
from groupadmin.sandbox.slack.methods import METHODS, Method, files, uploads
from groupadmin.sandbox.slack.methods.messages import next_ts
from groupadmin.sandbox.slack.sockets import SocketMode
from groupadmin.sandbox.slack.wire import (
    API_PATH,
    NO_METHOD,
    HttpServer,
    Request,
    Response,
    json_response,
)
from groupadmin.sandbox.slack.world import SlackChannel, SlackToken, SlackUser, SlackWorld

FILES = "files"
"""The name under which calls and scripts know a request for what a file holds."""
CONNECTIONS_OPEN = "apps.connections.open"
UPLOAD = "upload"
"""The same for the bytes of a file that is sent."""


class SlackSandbox:
    """Serves `world` until stopped; a context manager.

    `neighbours` are other workspaces at the same address, as they are at Slack's: the token says which one is
    meant. Files and Socket Mode are those of `world` alone.
    `speed`: None switches rate limits off, 1 is Slack's own pace, 60 makes a minute last a second.
    `latency`: seconds that every call takes. `page_cap`: pages never hold more. `empty_pages`: an
    empty page with a live cursor comes before every page (of the named methods, when given names).
    All four may be changed at any time. `port` 0 takes a free one.

    `script` holds the faults to come, `calls` counts every call that arrived (also those answered
    429, which `throttled` counts alone), `writes` records those that write (into `write_log`, if one is
    given), `bugs` the tracebacks of the sandbox's own mistakes.
    Whoever changes the world while calls are under way holds `lock`.
    """

    def __init__(
        self,
        world: SlackWorld,
        *,
        neighbours: Sequence[SlackWorld] = (),
        speed: float | None = None,
        latency: float = 0.0,
        page_cap: int | None = None,
        empty_pages: bool | Collection[str] = False,
        port: int = 0,
        write_log: WriteLog | None = None,
    ) -> None:
        self.world = world
        self.neighbours = neighbours
        self.speed = speed
        self.latency = latency
        self.page_cap = page_cap
        self.empty_pages = empty_pages
        self.port = port
        self.script = Script()
        self.calls = CallLog()
        self.throttled = CallLog()
        self.writes = write_log or WriteLog()
        self.bugs: list[str] = []
        self.lock = threading.RLock()
        self.sockets = SocketMode(world)
        self._limiter = RateLimiter()
        self._server: HttpServer | None = None

    @property
    def api_url(self) -> str:
        """What `slack_sdk` calls `base_url`; known once the server has started."""
        return f"http://127.0.0.1:{self.port}{API_PATH}"

    def start(self) -> SlackSandbox:
        self._server = HttpServer(self.port, self._respond, self.bugs.append)
        self.port = self._server.port
        self.world.base_url = f"http://127.0.0.1:{self.port}"
        self._server.start()
        return self

    def stop(self) -> None:
        """Close the port and every open connection; `start` opens the same port again."""
        if self._server is not None:
            self.sockets.stop()
            self._server.close()
            self._server = None

    def __enter__(self) -> SlackSandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # What other people do, told to the apps that may hear of it

    def join(self, channel_id: str, user_id: str, *, by: str | None = None) -> None:
        with self.lock:
            channel = self.world.channels[channel_id]
            channel.members[user_id] = None
            self.sockets.publish(events.joined(channel, self.world.users[user_id], by))

    def leave(self, channel_id: str, user_id: str) -> None:
        with self.lock:
            channel = self.world.channels[channel_id]
            self.sockets.publish(events.left(channel, self.world.users[user_id]))
            channel.members.pop(user_id)

    def create(self, channel: SlackChannel) -> None:
        """Only public channels are told of; whoever is in a private one hears that somebody joined it."""
        with self.lock:
            self.world.add_channel(channel)
            if not channel.is_private:
                self.sockets.publish(events.created(channel))
            for user_id in channel.members:
                self.sockets.publish(events.joined(channel, self.world.users[user_id]))

    def rename(self, channel_id: str, name: str) -> None:
        with self.lock:
            channel = self.world.channels[channel_id]
            channel.previous_names.append(channel.name)
            channel.name = name
            self.sockets.publish(events.renamed(channel))

    def archive(self, channel_id: str, *, by: str) -> None:
        with self.lock:
            channel = self.world.channels[channel_id]
            channel.is_archived = True
            self.sockets.publish(events.archived(channel, by))

    def post(self, channel_id: str, user_id: str, text: str) -> str:
        """Somebody writes; returns the `ts` of the message."""
        with self.lock:
            channel = self.world.channels[channel_id]
            message = {"type": "message", "user": user_id, "text": text, "ts": next_ts(channel)}
            channel.messages.append(message)
            self.sockets.publish(events.said(channel, message))
            return str(message["ts"])

    def _respond(self, request: Request) -> Response:
        if request.method == NO_METHOD:
            if request.path.startswith(uploads.UPLOAD_PATH):
                request = replace(request, method=UPLOAD)
            elif request.path.startswith(files.FILES_PATH):
                request = replace(request, method=FILES, arguments={"path": request.path})
            else:
                return _SIGN_IN_PAGE if request.path == files.SIGN_IN_PATH else _NOT_FOUND
        self.calls.record(request.method)
        if self.latency:
            time.sleep(self.latency)
        try:
            effect: Effect | None = self.script.take(request.method, request.arguments)
            return self._perform(request) if effect is None else effect.respond(request, self._perform)
        except Exception as error:  # whatever it is, it is ours and must be seen
            self.bugs.append(traceback.format_exc())
            return json_response({"ok": False, "error": "sandbox_bug", "detail": repr(error)})

    def _perform(self, request: Request) -> Response:
        """The ordinary answer, with its consequences."""
        if request.method == FILES:
            return self._file(request)
        if request.method == UPLOAD:
            with self.lock:
                taken = uploads.take_in(self.world, request.path, request.body)
            return Response(b"OK" if taken else b"", status=200 if taken else 400, content_type="text/plain")
        headers: dict[str, str] = {}
        try:
            if request.method == CONNECTIONS_OPEN:
                return json_response({"ok": True, **self.sockets.open(request.token)})
            method = METHODS.get(request.method)
            if method is None:
                raise Failure("unknown_method", req_method=request.method)
            world, token, caller = self._authenticate(request.token)
            headers["X-OAuth-Scopes"] = ",".join(sorted(token.scopes))
            retry_after = self._retry_after(world, request, method)
            if retry_after is not None:
                self.throttled.record(request.method)
                return rate_limited(retry_after)
            call = Call(
                method=request.method,
                world=world,
                token=token,
                caller=caller,
                arguments=_arguments(request, method),
                page_cap=self.page_cap,
                empty_pages=self._has_empty_pages(request.method),
            )
            with self.lock:
                body = {"ok": True, **self._run(method, call)}
                for event in call.events if world is self.world else ():
                    self.sockets.publish(event)
        except Failure as failure:
            body = failure.body
        return json_response(body, headers=headers)

    def _file(self, request: Request) -> Response:
        """What a file holds, for who may have it; the way to the sign-in page for everybody else."""
        try:
            _, token, caller = self._authenticate(request.token)
        except Failure:
            return _to_sign_in(self.world.base_url)
        if files.SCOPE not in token.scopes:
            return _to_sign_in(self.world.base_url)
        with self.lock:
            path = request.path.removeprefix(files.FILES_PATH)
            file = files.content_at(self.world, path, caller.id)
        if file is None or file.mode not in ("hosted", "snippet"):
            return Response(b"", status=404, content_type="text/html")
        return Response(file.content, content_type=file.mimetype)

    def _run(self, method: Method, call: Call) -> dict[str, Any]:
        """The method's body, or Failure; what it wrote, or was asked to write, is on record either way."""
        try:
            return method.run(call)
        finally:
            if method.subjects is not None:
                subjects = method.subjects(call)
                target = call.text("channel") or ",".join(subjects)
                self.writes.record("slack", call.method, target, subjects, call.changed)

    def _authenticate(self, token_text: str | None) -> tuple[SlackWorld, SlackToken, SlackUser]:
        if not token_text:
            raise Failure("not_authed")
        worlds = (self.world, *self.neighbours)
        world = next((each for each in worlds if token_text in each.tokens), None)
        if world is None:
            raise Failure("invalid_auth")
        token = world.tokens[token_text]
        if token.revoked:
            raise Failure("token_revoked")
        caller = world.users[token.user_id]
        if caller.deleted:
            raise Failure("account_inactive")
        return world, token, caller

    def _has_empty_pages(self, method: str) -> bool:
        return self.empty_pages if isinstance(self.empty_pages, bool) else method in self.empty_pages

    def _retry_after(self, world: SlackWorld, request: Request, method: Method) -> int | None:
        if self.speed is None:
            return None
        part = str(request.arguments.get(method.rate.per, "")) if method.rate.per else ""
        return self._limiter.retry_after((world.team_id, request.method, part), method.rate, speed=self.speed)


_NOT_FOUND = Response(b"Not found", status=404, content_type="text/plain")
_SIGN_IN_PAGE = Response(
    b"<!DOCTYPE html><title>Sign in | Slack</title>", content_type="text/html; charset=utf-8"
)


def _to_sign_in(base_url: str) -> Response:
    return Response(b"", status=302, headers={"Location": f"{base_url}{files.SIGN_IN_PATH}"})


def _arguments(request: Request, method: Method) -> dict[str, Any]:
    ignored = frozenset() if method.json_input else request.from_json
    return {name: value for name, value in request.arguments.items() if name not in ignored}
