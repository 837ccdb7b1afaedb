"""A connection → what it shows: a part of an audit, watched by a `Watch` of its own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from audits.look import Look
from audits.observation import PlatformObservation, Trouble
from audits.progress import Progress, Stage
from audits.watch import Assignment, Watch
from members.platforms.base import CallMeter, PlatformReader, why_waiting
from members.platforms.errors import AccountTrouble, NotSignedIn, PlatformError, SignedOut
from members.platforms.types import Platform


class Connection(Protocol):
    """A way to one platform, opened once per run."""

    platform: Platform
    key: str
    """Which of our workspaces or accounts it is; empty for the usual one."""
    label: str
    """What people call it; empty for the usual one."""

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformReader]:
        """A reader inside `async with`; never touches the database.

        This call, and entering, may raise any PlatformError.
        """

    def keep_books(self) -> None:
        """Store what the reader learnt for the next one. Call it outside the event loop."""


async def observe(connection: Connection, assignment: Assignment, progress: Progress) -> PlatformObservation:
    """Look through one connection: a part of an audit. Platform errors become part of the observation."""
    platform = connection.platform
    meter = CallMeter(
        patience=assignment.patience,
        on_wait=lambda *pause: progress.held_up(why_waiting(*pause)),
    )
    assignment = assignment.through(connection.key, platform)
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
    progress.enter(Stage.DONE)
    return replace(watch.observation(meter), connection=connection.key, label=connection.label)
