"""When notices that wait may go out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
MAX_ATTEMPTS = 12
"""Some eight hours of trying; after that somebody has to look."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A part of every day; one that begins later than it ends goes on past midnight."""

    begin: time
    end: time
    zone: ZoneInfo

    def hold_at(self, moment: datetime) -> bool:
        """Whether `moment` (aware) lies in them."""
        clock = moment.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end


def may_go(
    now: datetime, *, last: datetime | None, window: timedelta, quiet: QuietHours | None, urgent: bool
) -> bool:
    """Whether what waits of one kind may go out now, as one message.

    The first of a kind goes at once; what comes within `window` of the `last` message goes together.
    """
    if urgent:
        return True
    if quiet is not None and quiet.hold_at(now):
        return False
    return last is None or now - last >= window


def pause_after(attempts: int) -> timedelta:
    """How long to leave a message alone after its so-manieth failed attempt (1 is the first)."""
    doublings = min(max(attempts, 1) - 1, 10)
    return min(FIRST_PAUSE * 2**doublings, LONGEST_PAUSE)
