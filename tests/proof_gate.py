"""A port in front of a server, where the network goes away in the ways that networks do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

HOST = "127.0.0.1"
_PATIENCE = 10.0


class Gate:
    """Passes everything on to `port` until told otherwise; a context manager. Its own port stays the same."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gate", daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._silent = False
        self._cuts = 0
        self.port = 0

    def refuse(self) -> None:
        """Nobody answers any more: connections break, and new ones are refused."""
        self._run(self._close())

    def fall_silent(self) -> None:
        """Connections stand and are taken, and nothing comes back, whatever was under way."""
        self._silent = True

    def cut(self, times: int) -> None:
        """So many of the next answers end in their middle, and with them the connection."""
        self._cuts = times

    def reopen(self) -> None:
        """All is well again; what was silent is not heard of any more."""
        self._run(self._close())
        self._silent, self._cuts = False, 0
        self._run(self._listen())

    def __enter__(self) -> Gate:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._run(_cancel_the_rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        future: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.result(_PATIENCE)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        self._open.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            behind_reader, behind_writer = await asyncio.open_connection(HOST, self._behind)
        except OSError:
            writer.transport.abort()
            return
        self._open.add(behind_writer)
        asking = asyncio.ensure_future(self._pass(reader, behind_writer, lambda chunk: chunk))
        answering = asyncio.ensure_future(self._pass(behind_reader, writer, self._as_answered))
        await asyncio.wait([asking, answering], return_when=asyncio.FIRST_COMPLETED)
        for each in (writer, behind_writer):
            each.transport.abort()
            self._open.discard(each)
        await asyncio.gather(asking, answering, return_exceptions=True)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        """Until one side ends, or an answer was cut."""
        while chunk := await reader.read(1 << 16):
            passed = change(chunk)
            writer.write(passed)
            await writer.drain()
            if len(passed) < len(chunk) and not self._silent:
                return

    def _as_answered(self, chunk: bytes) -> bytes:
        if self._silent:
            return b""
        if self._cuts > 0:
            self._cuts -= 1
            return chunk[: len(chunk) // 2]
        return chunk


async def _cancel_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
