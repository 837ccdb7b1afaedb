"""Slack's Socket Mode: what the Events API tells, over WebSockets that we open.

docs.slack.dev/apis/events-api/using-socket-mode: a connection lives for hours at most. Slack says some
seconds before that it ends one; then the next is opened before the old one is let go, and each of both may
bring events. What is not acknowledged within three seconds is sent again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from members.platforms.base import CallMeter
from members.platforms.configs import SlackConfig
from members.platforms.errors import (
    AccountTrouble,
    NotConfigured,
    PlatformError,
    Refused,
    TryLater,
    Unreachable,
)
from members.platforms.slack_errors import OUTAGE_PAUSE, one_line
from members.platforms.slack_transport import SlackTransport, proxy_for

OPEN = "apps.connections.open"
GREETING_SECONDS = 10.0
"""Slack says hello at once; a line on which it does not is of no use."""
PING_SECONDS = 10.0
"""How often a silent line is asked whether it still is one."""
LINGER_SECONDS = 30.0
"""How long a line that Slack is about to end is still listened to, beside the one that takes its place."""
LARGEST_MESSAGE = 4 * 1024 * 1024
"""In bytes. Slack's are far smaller."""

LINK_DISABLED = "link_disabled"
"""Slack's reason for ending every line: Socket Mode was switched off."""
TOO_MANY = "too_many_websockets"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One payload, to be acknowledged once it is safe with us."""

    id: str
    payload: Mapping[str, Any] = field(repr=False)
    event_id: str
    """The same when Slack sends the event again; "" where there is none."""
    line: _Line = field(repr=False, compare=False)


class SlackSocket:
    """One app's events. Use it in an `async with` block, once; entering waits for Slack's hello.

    `config.token` is an app-level token (xapp-…). Raises NotConfigured without one, AccountTrouble where
    Slack does not accept it, and TryLater when Slack cannot be reached.
    """

    def __init__(self, config: SlackConfig, *, meter: CallMeter | None = None) -> None:
        if not config.token.strip():
            raise NotConfigured(
                "Slack's live events are not configured: set SLACK_APP_TOKEN to an app-level token (xapp-…)",
                code="SLACK_APP_TOKEN",
            )
        self._config = config
        self._web = SlackTransport(config, meter=meter or CallMeter())
        self._http: aiohttp.ClientSession | None = None
        self._lines: set[_Line] = set()
        self._renewal: asyncio.Task[None] | None = None
        self._envelopes: list[Envelope] = []
        self._something = asyncio.Event()
        self._trouble: PlatformError | None = None

    async def __aenter__(self) -> Self:
        await self._web.__aenter__()
        self._http = aiohttp.ClientSession()
        try:
            await self._open_line()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])
        await asyncio.gather(*(line.close() for line in self._lines))
        if self._http is not None:
            await self._http.close()
        await self._web.__aexit__(kind, error, trace)

    async def next(self, seconds: float) -> list[Envelope]:
        """What came in, or nothing after so long. Raises PlatformError when no line is left."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._something.wait(), seconds)
        self._something.clear()
        if not self._envelopes and not self._lines and (self._renewal is None or self._renewal.done()):
            raise self._trouble or _unreachable("closed the connection")
        envelopes, self._envelopes = self._envelopes, []
        return envelopes

    async def acknowledge(self, envelope: Envelope) -> None:
        """Tell Slack that it is safe. Where its line has ended meanwhile nothing is told: it comes again."""
        await envelope.line.say({"envelope_id": envelope.id})

    async def _open_line(self) -> None:
        url = await self._address()
        if self._http is None:
            raise RuntimeError("SlackSocket is used outside its 'async with' block")
        try:
            with self._web.outages(OPEN):
                socket = await self._http.ws_connect(
                    url,
                    heartbeat=PING_SECONDS,
                    max_msg_size=LARGEST_MESSAGE,
                    proxy=proxy_for(url.replace("ws", "http", 1)),
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                )
        except TryLater:  # what aiohttp says of it may hold the address
            raise _unreachable("opened no WebSocket") from None
        line = _Line(socket, self._heard, self._ended)
        self._lines.add(line)
        try:
            await asyncio.wait_for(line.greeted.wait(), GREETING_SECONDS)
        except TimeoutError:
            await line.close()
            raise _unreachable("did not greet us") from None
        if not line.is_open:
            raise self._trouble or _unreachable("closed the connection")

    async def _address(self) -> str:
        """Where the next line is to be opened: the address is a permission of its own, and not for logs."""
        try:
            answer = await self._web.call(OPEN)
        except (AccountTrouble, Refused) as error:
            raise AccountTrouble(
                f"Slack does not accept SLACK_APP_TOKEN ({error.code}): it takes an app-level token (xapp-…) "
                "with the scope connections:write, and Socket Mode switched on for the app",
                code=error.code,
            ) from None
        url = answer.get("url")
        secure = urlsplit(self._config.api_url).scheme == "https"
        if not isinstance(url, str) or not url.startswith("wss://" if secure else ("ws://", "wss://")):
            raise _unreachable("named no address for a WebSocket")
        return url

    def _heard(self, line: _Line, message: Mapping[str, Any]) -> None:
        match message.get("type"):
            case "hello":
                line.greeted.set()
            case "disconnect":
                self._dismissed(line, one_line(message.get("reason")))
            case _:
                self._take(line, message)

    def _take(self, line: _Line, message: Mapping[str, Any]) -> None:
        """Envelopes of every kind are taken: what nobody acknowledges is sent again and again."""
        envelope_id, payload = message.get("envelope_id"), message.get("payload")
        if not isinstance(envelope_id, str):
            return
        body = payload if isinstance(payload, Mapping) else {}
        event_id = body.get("event_id")
        self._envelopes.append(
            Envelope(envelope_id, body, event_id if isinstance(event_id, str) else "", line)
        )
        self._something.set()

    def _dismissed(self, line: _Line, reason: str) -> None:
        """Slack is about to end the line, or all of them."""
        if reason == LINK_DISABLED:
            self._trouble = AccountTrouble(
                "Socket Mode is switched off for the Slack app: switch it on at api.slack.com/apps",
                code=LINK_DISABLED,
            )
        elif reason == TOO_MANY:
            self._trouble = _unreachable("has too many connections of this app open")
        elif not line.is_replaced and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(self._renew(line))

    async def _renew(self, old: _Line) -> None:
        try:
            await self._open_line()
        except PlatformError as error:
            self._trouble = error
            self._something.set()
        else:
            old.is_replaced = True
            old.close_in(LINGER_SECONDS)

    def _ended(self, line: _Line) -> None:
        self._lines.discard(line)
        self._something.set()


class _Line:
    """One WebSocket, read until it ends."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        heard: Callable[[_Line, Mapping[str, Any]], None],
        ended: Callable[[_Line], None],
    ) -> None:
        self.greeted = asyncio.Event()
        """Set by Slack's hello, and by the line's end."""
        self.is_replaced = False
        """Slack says twice that it ends a line (`warning`, `refresh_requested`): one new line is enough."""
        self._socket = socket
        self._heard = heard
        self._ended = ended
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(self._over)

    @property
    def is_open(self) -> bool:
        return not self._reading.done()

    async def say(self, message: Mapping[str, Any]) -> None:
        with suppress(ConnectionError, aiohttp.ClientError):
            if not self._socket.closed:
                await self._socket.send_json(message)

    def close_in(self, seconds: float) -> None:
        handle = asyncio.get_running_loop().call_later(seconds, self._reading.cancel)
        self._reading.add_done_callback(lambda _: handle.cancel())

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])

    def _over(self, _: asyncio.Task[None]) -> None:
        self.greeted.set()
        self._ended(self)

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT and (told := _json_object(message.data)):
                    self._heard(self, told)
        finally:
            await self._socket.close()


def _json_object(text: str) -> dict[str, Any]:
    """{} for whatever is none: a strange frame must not end the line."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _unreachable(what: str) -> Unreachable:
    return Unreachable(f"Slack {what} (Socket Mode): try again", code="unreachable", seconds=OUTAGE_PAUSE)
