"""Generators that yield the futures they wait for: many of them share one thread, which has the database."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, closing, suppress
from typing import Any, TypeVar

T = TypeVar("T")
Waiting = Generator[Future[Any], None, T]


def side_by_side(jobs: Iterable[Waiting[None]]) -> Waiting[None]:
    """Advance each of `jobs` whenever what it waits for is there; the first error ends them all."""
    with ExitStack() as stack:
        waits: dict[Waiting[None], Future[Any] | None] = {
            stack.enter_context(closing(job)): None for job in jobs
        }
        while waits:
            for job, future in list(waits.items()):
                if future is None or future.done():
                    try:
                        waits[job] = next(job)
                    except StopIteration:
                        del waits[job]
            if waits:
                yield _first([future for future in waits.values() if future is not None])


def _first(futures: Collection[Future[Any]]) -> Future[Any]:
    """A future that is done as soon as one of `futures` is."""
    if len(futures) == 1:
        return next(iter(futures))
    first: Future[None] = Future()

    def done(_: Future[Any]) -> None:
        with suppress(InvalidStateError):  # another thread was quicker
            first.set_result(None)

    for future in futures:
        future.add_done_callback(done)
    return first
