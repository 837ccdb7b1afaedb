"""Platforms → Observation: all of them side by side, each watched by a `Watch` of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from audits.look import Look
from audits.observation import Observation, PlatformObservation, Trouble
from audits.progress import Progress, Stage
from audits.watch import Assignment, Watch
from members.platforms.base import CallMeter, PlatformReader, why_waiting
from members.platforms.errors import AccountTrouble, NotSignedIn, PlatformError, SignedOut
from members.platforms.types import Platform


class Connection(Protocol):
    """A way to one platform, opened once per run."""

    platform: Platform

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformReader]:
        """A reader inside `async with`; never touches the database.

        This call, and entering, may raise any PlatformError.
        """

    def keep_books(self) -> None:
        """Store what the reader learnt for the next one. Call it outside the event loop."""


async def observe(
    connections: Sequence[Connection], assignment: Assignment, progress: Progress
) -> Observation:
    """Look at all platforms side by side. Platform errors become part of the observation."""
    platforms = await asyncio.gather(
        *(_observe_platform(connection, assignment, progress) for connection in connections)
    )
    return Observation(platforms=tuple(platforms), deep=assignment.deep)


async def _observe_platform(
    connection: Connection, assignment: Assignment, progress: Progress
) -> PlatformObservation:
    platform = connection.platform
    meter = CallMeter(
        patience=assignment.patience,
        on_wait=lambda *pause: progress.held_up(platform, why_waiting(*pause)),
    )
    known = {group.id: group for group in assignment.known if group.platform is platform}
    watch = (Look if assignment.groups else Watch)(platform, assignment, known, progress)
    try:
        async with connection.open(meter) as reader:
            await watch.run(reader)
    except PlatformError as error:
        watch.trouble = Trouble(
            error.code,
            str(error),
            account=isinstance(error, AccountTrouble),
            sign_in=isinstance(error, SignedOut | NotSignedIn),
        )
        watch.leave_doubts_open()
    progress.enter(platform, Stage.DONE)
    return watch.observation(meter)
