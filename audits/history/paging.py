"""Pages that an event loop fetches while the thread with the database deals with the one before."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from concurrent.futures import Future
from types import TracebackType
from typing import Generic, Self, TypeVar

from members.operations.loop import BackgroundLoop
from members.operations.waiting import Waiting

T = TypeVar("T")


class Pages(Generic[T]):
    """A context manager around an asynchronous generator; leaving it ends what is under way."""

    def __init__(self, source: AsyncGenerator[T, None], loop: BackgroundLoop) -> None:
        self._source, self._loop = source, loop
        self._asked: Future[T | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.submit(self._close()).result()

    def ask(self) -> None:
        """Begin to fetch the next page."""
        if self._asked is None:
            self._asked = self._loop.submit(anext(self._source, None))

    def next(self) -> Waiting[T | None]:
        """The next page; None after the last one. Raises what the source raises."""
        self.ask()
        asked = self._asked
        assert asked is not None  # noqa: S101 - `ask` sees to it
        yield asked
        self._asked = None
        return asked.result()

    async def _close(self) -> None:
        if self._asked is not None:
            self._asked.cancel()
        await self._source.aclose()
