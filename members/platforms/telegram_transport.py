"""One account's way to Telegram: requests counted, paced, timed, and repeated where that helps.

Telethon speaks the protocol. Its own sleeping, repeating and reconnecting stay off: they cannot
be counted, capped or shown to a person, and one of them never ends (a server that drops the
line at every request). Only for calls that may be repeated without harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import defaultdict
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from telethon import TelegramClient
from telethon.errors import AuthKeyNotFound, RPCError

from members.platforms.base import CallMeter
from members.platforms.errors import TryLater
from members.platforms.telegram_client import TelegramConfig, make_client
from members.platforms.telegram_errors import (
    FLOOD_WAITS,
    LOST_CONNECTION,
    UNREACHABLE,
    UNREADABLE,
    flood_wait,
    translate,
    unreachable,
)

T = TypeVar("T")

_TELETHON_ERRORS = (RPCError, AuthKeyNotFound, *LOST_CONNECTION, *UNREADABLE)


class TelegramTransport:
    """Sends raw requests as one account. An async context manager: it keeps one connection open.

    At most `concurrency` requests are under way at a time. A line that breaks is replaced once
    for all of them; when that fails, the transport stays closed and every call says so at once.
    """

    def __init__(self, config: TelegramConfig, *, meter: CallMeter, concurrency: int = 8) -> None:
        self._config = config
        self._meter = meter
        self._gate = FloodGate(meter)
        self._slots = asyncio.Semaphore(concurrency)
        self._connection: asyncio.Task[TelegramClient] | None = None

    async def __aenter__(self) -> Self:
        self._connection = asyncio.create_task(_connect(self._config))
        try:
            await self._connection
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
        method = type(request).__name__.removesuffix("Request")
        attempt = 0
        while True:
            await self._gate.passed(method)
            connection = self._current()
            client = await asyncio.shield(connection)
            try:
                async with self._slots:
                    if self._gate.left(method) > 0:
                        continue  # limited while this call queued for its slot
                    return await self._send(client, method, request)
            except TryLater as error:
                attempt += 1
                if error.code in FLOOD_WAITS:
                    self._gate.shut(method, error.seconds)
                elif error.code == UNREACHABLE:
                    self._replace(connection)
                # Any other is a server's trouble: Telethon has already paused for 2 seconds.
                if attempt >= self._config.attempts:
                    raise

    async def _send(self, client: TelegramClient, method: str, request: Any) -> Any:
        self._meter.count(method)
        try:
            async with asyncio.timeout(self._config.call_timeout):
                return await client(request)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Nobody cancelled us: Telethon cancels what is under way when its line closes.
            raise unreachable(method) from None
        except _TELETHON_ERRORS as error:
            raise translate(error, method) from None

    def _current(self) -> asyncio.Task[TelegramClient]:
        if self._connection is None:
            raise RuntimeError("TelegramTransport is used outside its 'async with' block")
        return self._connection

    def _replace(self, broken: asyncio.Task[TelegramClient]) -> None:
        """Start a new connection, unless an overlapped call has done so already."""
        if self._connection is broken:
            self._connection = asyncio.create_task(_reconnect(broken.result(), self._config))

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.cancel()
        await asyncio.wait([connection])
        if not connection.cancelled() and connection.exception() is None:
            await _disconnect(connection.result())


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
        """Allow no call of `method` for so long. Waits come in whole seconds: when less than one

        is new, this is the same wait, told to overlapped calls one after the other.
        """
        if seconds - self.left(method) >= 1:
            self._opens_at[method] = asyncio.get_running_loop().time() + seconds

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


async def _connect(config: TelegramConfig) -> TelegramClient:
    """A connected client; Telethon greets the server on the way. Raises what `call` raises."""
    client = make_client(config)
    try:
        async with asyncio.timeout(config.connect_timeout):
            await client.connect()
    except asyncio.CancelledError:
        await _disconnect(client)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise unreachable("connecting") from None
    except _TELETHON_ERRORS as error:
        await _disconnect(client)
        raise translate(error, "connecting") from None
    return client


async def _reconnect(broken: TelegramClient, config: TelegramConfig) -> TelegramClient:
    await _disconnect(broken)
    return await _connect(config)


async def _disconnect(client: TelegramClient) -> None:
    with contextlib.suppress(Exception):
        await client.disconnect()
        await client.disconnected  # collects the error of a line that broke, or asyncio logs it as lost
