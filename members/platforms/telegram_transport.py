"""One account's way to Telegram: requests counted, paced, timed, and repeated where that helps.

Telethon speaks the protocol. Its own sleeping, repeating and reconnecting stay off: they cannot
be counted, capped or shown to a person, and one of them never ends (a server that drops the
line at every request). `call` is for what may be repeated without harm, `write` for what may not.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from telethon import TelegramClient, events
from telethon.errors import AuthKeyNotFound, RPCError

from members.platforms.base import CallMeter
from members.platforms.configs import TelegramConfig
from members.platforms.effort import Answers, Effort
from members.platforms.errors import UNREACHABLE, PlatformError, SignedOut, TryLater
from members.platforms.telegram_client import make_client
from members.platforms.telegram_errors import (
    BAD_ANSWER,
    FLOOD_WAITS,
    LOST_CONNECTION,
    UNREADABLE,
    flood_wait,
    in_doubt,
    too_late,
    translate,
    unreachable,
)

T = TypeVar("T")

CONNECTING = "connecting"
"""Stands for the method while Telethon greets the server: with calls that may be limited or cut as well."""

GIVE_UP_SECONDS = 30.0
"""After so long in failed attempts of one call there is no other: a silent server fails slowly."""

FILE_PART = 512 * 1024
"""Bytes: the most that upload.getFile gives at once. https://core.telegram.org/api/files"""

_TELETHON_ERRORS = (RPCError, AuthKeyNotFound, *LOST_CONNECTION, *UNREADABLE)


@dataclass(frozen=True, slots=True)
class FilePart:
    """What to read of which file: from `offset` on, a multiple of `FILE_PART`."""

    location: Any
    offset: int
    dc: int
    """The number of the data centre that has it."""


@dataclass(frozen=True, slots=True)
class Ear:
    """What is pushed to an account, for whoever wants to be told."""

    kinds: tuple[type, ...]
    heard: Callable[[Any | None], None]
    """Called in the event loop with every update of these kinds, and with None when a line has ended."""


class TelegramTransport:
    """Sends raw requests as one account. An async context manager: it keeps one connection open.

    At most `concurrency` requests are under way at a time. A line that breaks is replaced once
    for all of them; when that fails, the transport stays closed and every call says so at once.
    Nothing is pushed to it, unless it has an `ear`.
    """

    def __init__(
        self, config: TelegramConfig, *, meter: CallMeter, concurrency: int = 8, ear: Ear | None = None
    ) -> None:
        self._config = config
        self._ear = ear
        self._meter = meter
        self._gate = FloodGate(meter)
        self._slots = asyncio.Semaphore(concurrency)
        self._answers = Answers()
        self._line: asyncio.Task[_Line] | None = None
        self.signed_out: SignedOut | None = None
        """Why the session is dead, once Telegram has said so."""

    async def __aenter__(self) -> Self:
        self._line = asyncio.create_task(self._open_line())
        try:
            await self._line
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def call(self, request: Any) -> Any:
        """The answer to one TL request. Raises Refused, AccountTrouble, or TryLater at last."""
        return await self._until_answered(request, _name(request))

    async def write(self, request: Any, *, not_after: float = math.inf) -> Any:
        """Like `call`, but for a request that may be carried out once only.

        It goes out until `not_after`, by the clock of the event loop: TryLater is raised instead, at once,
        where a limit or a broken line would have it go out later.

        It is sent again when it was certainly ignored: refused by a rate limit, or never sent because
        the line had ended before. (So does Telethon after a bad salt or message id; it repeats nothing
        else, since a client with auto_reconnect off drops what is pending with its connection.)
        Raises InDoubt when it may have been carried out and no readable answer says so.
        """
        return await self._until_answered(request, _name(request), once=True, not_after=not_after)

    async def file_part(self, part: FilePart) -> bytes:
        """upload.getFile: up to `FILE_PART` bytes, fewer at its end alone. Raises what `call` raises."""
        answer: bytes = await self._until_answered(part, "GetFile")
        return answer

    async def _until_answered(
        self, request: Any, method: str, *, once: bool = False, not_after: float = math.inf
    ) -> Any:
        effort = self._effort(method, seconds=GIVE_UP_SECONDS)
        while True:
            self._gate.require(method, not_after)
            await self._gate.passed(method)
            line = self._current_line()
            open_line = await asyncio.shield(line)
            sent = False
            try:
                async with self._slots:
                    if self._gate.left(method) > 0:
                        continue  # limited while this call queued for its slot
                    self._gate.require(method, not_after)
                    effort.begin()
                    open_line.require_open(method)
                    self._meter.count(method)
                    sent = True
                    answer = await open_line.ask(request, method, seconds=self._config.call_timeout)
                    self._answers.note(method)
                    return answer
            except PlatformError as error:
                if isinstance(error, SignedOut):
                    self.signed_out = error
                if once and sent and _leaves_doubt(error):
                    if error.code == UNREACHABLE:
                        self._replace(line)
                    raise in_doubt(error, method) from None
                if not isinstance(error, TryLater):
                    raise
                self._bear(effort, error, method)
                if error.code == UNREACHABLE:
                    self._replace(line)
                # Any other failure is a server's trouble: Telethon has already paused for 2 seconds.

    def _effort(self, method: str, *, seconds: float) -> Effort:
        config = self._config
        return Effort(
            method, self._answers, attempts=config.attempts, limits=config.flood_waits, seconds=seconds
        )

    def _bear(self, effort: Effort, error: TryLater, method: str) -> None:
        """Make ready for another try after `error`, or raise it."""
        if error.code in FLOOD_WAITS:
            self._gate.shut(method, error.seconds)
            effort.limited(error)
        else:
            effort.failed(error)

    def _current_line(self) -> asyncio.Task[_Line]:
        if self._line is None:
            raise RuntimeError("TelegramTransport is used outside its 'async with' block")
        return self._line

    def _replace(self, broken: asyncio.Task[_Line]) -> None:
        """Open a new line, unless an overlapped call has begun to do so."""
        if self._line is broken:
            self._line = asyncio.create_task(self._open_line(instead_of=broken.result()))

    async def _open_line(self, *, instead_of: _Line | None = None) -> _Line:
        """Connect; Telethon greets the server on the way. Raises what `call` raises."""
        if instead_of is not None:
            await instead_of.close()
        effort = self._effort(CONNECTING, seconds=self._config.connect_timeout)
        while True:
            await self._gate.passed(CONNECTING)
            effort.begin()
            try:
                return await _connect(self._config, self._ear)
            except SignedOut as error:
                self.signed_out = error
                raise
            except TryLater as error:
                self._bear(effort, error, CONNECTING)

    async def _close(self) -> None:
        line, self._line = self._line, None
        if line is None:
            return
        line.cancel()
        await asyncio.wait([line])
        if not line.cancelled() and line.exception() is None:
            await line.result().close()


class _Line:
    """A connected client, and a future that is done when its connection has ended."""

    def __init__(self, client: TelegramClient, ear: Ear | None) -> None:
        self._client = client
        self._ended = asyncio.ensure_future(client.disconnected)
        self._ended.add_done_callback(_see)
        if ear is not None:
            self._ended.add_done_callback(lambda _: ear.heard(None))

    def require_open(self, method: str) -> None:
        """Raises TryLater when the connection has ended already: nothing more can be sent."""
        if self._ended.done():
            raise unreachable(method)

    async def ask(self, request: Any, method: str, *, seconds: float) -> Any:
        work = self._read(request) if isinstance(request, FilePart) else self._client(request)
        # Telethon forgets what it had not sent yet when the connection ends: nobody would ever answer.
        return await within(seconds, work, method, unless=[self._ended])

    async def _read(self, part: FilePart) -> bytes:
        """Telethon goes to the data centre that has the file, and takes our authorization along."""
        parts = self._client.iter_download(
            part.location, offset=part.offset, limit=1, request_size=FILE_PART, dc_id=part.dc
        )
        async with parts:
            async for chunk in parts:
                return bytes(chunk)
        return b""

    async def close(self) -> None:
        await self._client.disconnect()


def _name(request: Any) -> str:
    return type(request).__name__.removesuffix("Request")


def _leaves_doubt(error: PlatformError) -> bool:
    """Whether a request that ended in `error` may have been carried out all the same.

    Telegram does nothing for one that it limits or refuses; about its own errors (500 and
    above) it says nothing of the kind. https://core.telegram.org/api/errors
    """
    return error.code == BAD_ANSWER or (isinstance(error, TryLater) and error.code not in FLOOD_WAITS)


def _see(future: asyncio.Future[Any]) -> None:
    """Take note of the error in `future`, which asyncio would log as lost."""
    if not future.cancelled():
        future.exception()


async def _connect(config: TelegramConfig, ear: Ear | None) -> _Line:
    client = make_client(config, receive_updates=ear is not None)
    if ear is not None:
        client.add_event_handler(_listener(ear), events.Raw(ear.kinds))
    await connect(client, config)
    return _Line(client, ear)


def _listener(ear: Ear) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """The ear as Telethon wants it."""

    async def heard(update: Any) -> None:
        ear.heard(update)

    return heard


async def connect(client: TelegramClient, config: TelegramConfig) -> None:
    """Connect and greet the server. Raises AccountTrouble or TryLater, with the client closed."""
    try:
        await within(config.connect_timeout, client.connect(), CONNECTING)
    except BaseException:
        await client.disconnect()
        with contextlib.suppress(Exception):
            await client.disconnected  # it may hold an error that nobody else sees
        raise


async def within(
    seconds: float, work: Coroutine[Any, Any, T], method: str, *, unless: Iterable[asyncio.Future[Any]] = ()
) -> T:
    """The result of `work`; TryLater when it takes longer, or one of `unless` is done before.

    Telethon's errors become ours, named after `method`.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task, *unless], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() or task.cancelled():  # Telethon cancels what is under way when it hangs up
            raise unreachable(method)
        return task.result()
    except _TELETHON_ERRORS as error:
        raise translate(error, method) from None
    finally:
        if task.cancel():
            await asyncio.wait([task])


class FloodGate:
    """Keeps every call of a limited method waiting. One of them sleeps, so that a wait counts once."""

    def __init__(self, meter: CallMeter) -> None:
        self._meter = meter
        self._opens_at: dict[str, float] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def left(self, method: str) -> float:
        """The seconds until `method` may be called again; not above 0 when it may."""
        return self._opens_at.get(method, -math.inf) - asyncio.get_running_loop().time()

    def shut(self, method: str, seconds: float) -> None:
        """Allow no call of `method` for so long.

        Waits come in whole seconds: when less than one of them is new, it is the same wait,
        told to overlapped calls one after the other.
        """
        if seconds - self.left(method) >= 1:
            self._opens_at[method] = asyncio.get_running_loop().time() + seconds

    def require(self, method: str, not_after: float) -> None:
        """Raises TryLater where `method` cannot be called until `not_after`, by the event loop's clock."""
        left = max(0.0, self.left(method))
        if asyncio.get_running_loop().time() + left <= not_after:
            return
        raise flood_wait(method, float(math.ceil(left))) if left else too_late(method)

    async def passed(self, method: str) -> None:
        """Return when `method` may be called. Raises TryLater when that is beyond the meter's patience."""
        async with self._locks[method]:
            if (left := self.left(method)) > 0:
                seconds = float(math.ceil(left))
                await self._meter.wait(method, seconds, flood_wait(method, seconds))


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of `work`, done side by side. The first error ends the rest, and is raised as it is."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
