"""Pages that an event loop fetches while the thread with the database deals with the one before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from members.operations.loop import BackgroundLoop
from members.operations.waiting import Waiting

T = TypeVar("T")


class Pages(Generic[T]):
    """A context manager around an asynchronous generator; leaving it ends what is under way."""

    def __init__(self, source: AsyncGenerator[T, None], loop: BackgroundLoop) -> None:
        self._source, self._loop = source, loop
        self._asked: Future[T | None] | None = None
        self._fetching: asyncio.Task[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what is under way."""
        self._loop.submit(self._close()).result()

    def ask(self) -> None:
        """Begin to fetch the next page."""
        if self._asked is None:
            self._asked = self._loop.submit(self._fetch())

    def next(self) -> Waiting[T | None]:
        """The next page; None after the last one. Raises what the source raises."""
        self.ask()
        asked = self._asked
        assert asked is not None  # noqa: S101 - `ask` sees to it
        yield asked
        self._asked = None
        return asked.result()

    async def _fetch(self) -> T | None:
        self._fetching = asyncio.current_task()
        return await anext(self._source, None)

    async def _close(self) -> None:
        """A generator can only be closed once nobody waits in it any more."""
        if self._fetching is not None and not self._fetching.done():
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        await self._source.aclose()
