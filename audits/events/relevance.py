"""Whether an event is worth a look at its group, and when. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from members.platforms.live import GroupEvent, Happening

QUIET = timedelta(seconds=1)
"""A burst has ended when nothing more of it came for so long: it is looked at once."""
LONGEST_BURST = timedelta(seconds=5)
"""A group in which things go on and on is looked at all the same."""
STRANGERS_PAUSE = timedelta(minutes=1)
"""How often the comings and goings of people who are not ours are worth a look at the same group: findings
never hang on them, only the number of members does."""

_ENDS = frozenset({Happening.LEFT, Happening.ARCHIVED, Happening.GONE})
_MOVES = frozenset({Happening.JOINED, Happening.LEFT})


@dataclass(frozen=True, slots=True)
class Familiarity:
    """What is known of a group before it is looked at."""

    stored: bool = False
    """An audit has stored it."""
    in_scope: bool = False
    looked_at: datetime | None = None
    """When an event last brought about a look at it."""


def due_at(
    event: GroupEvent,
    group: Familiarity,
    ours: Collection[str],
    *,
    now: datetime,
    since: datetime | None = None,
) -> datetime | None:
    """When to look at the group; None: not because of this.

    `ours` are the user ids of our people there; `since` is when the burst began that this event goes on with.
    """
    if event.what is Happening.MISSED:
        return None
    due = min(now + QUIET, (since or now) + LONGEST_BURST)
    if not _tells(event, group, ours):
        return None
    if event.what in _MOVES and group.in_scope and not _concerns(event, ours) and group.looked_at is not None:
        return max(due, group.looked_at + STRANGERS_PAUSE)
    return due


def together(waiting: datetime, due: datetime, *, now: datetime) -> datetime:
    """When to look at a group that waits for a look already: a burst puts it off, what can wait does not."""
    return due if due <= now + QUIET else min(waiting, due)


def _tells(event: GroupEvent, group: Familiarity, ours: Collection[str]) -> bool:
    """Whether an audit of the group could say something else than before."""
    if group.in_scope:
        return True
    if event.what in _MOVES and (group.stored or group.looked_at is not None):
        return _concerns(event, ours)  # scope may hang on one of us
    return group.stored or event.what not in _ENDS


def _concerns(event: GroupEvent, ours: Collection[str]) -> bool:
    return not set(event.people).isdisjoint(ours)
