"""The life of a finding: one table, from what it was and what was seen to what it is now.

Two axes that never mix: whether the problem is there (seen, proven absent, not seen, or
without meaning any more), and whether somebody accepted it (an exclusion).
Absence resolves a finding only when it was proven; not seeing changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OPEN = "open"
    EXCLUDED = "excluded"
    RESOLVED = "resolved"


class Sight(StrEnum):
    PRESENT = "present"
    """The problem was seen."""
    ABSENT = "absent"
    """It was looked for, and is not there."""
    UNSEEN = "unseen"
    """Nobody could look: the run was cut short, or the group is out of sight."""
    VOID = "void"
    """The question has no meaning any more: group archived, employee offboarded, rule changed."""


class Change(StrEnum):
    OPENED = "opened"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class Transition:
    """The new state (None: there is no such finding) and the change to record (None: nothing happened)."""

    state: State | None
    change: Change | None = None


_NOTHING = Transition(None)
_OPEN, _EXCLUDED, _RESOLVED = Transition(State.OPEN), Transition(State.EXCLUDED), Transition(State.RESOLVED)
_OPENED = Transition(State.OPEN, Change.OPENED)
_REOPENED = Transition(State.OPEN, Change.REOPENED)
_RESOLVES = Transition(State.RESOLVED, Change.RESOLVED)
_EXCLUDES = Transition(State.EXCLUDED, Change.EXCLUDED)

TABLE: dict[tuple[State | None, Sight], tuple[Transition, Transition]] = {
    # (state, sight): (without an exclusion, with one)
    (None, Sight.PRESENT): (_OPENED, _EXCLUDES),
    (None, Sight.ABSENT): (_NOTHING, _NOTHING),
    (None, Sight.UNSEEN): (_NOTHING, _NOTHING),
    (None, Sight.VOID): (_NOTHING, _NOTHING),
    (State.OPEN, Sight.PRESENT): (_OPEN, _EXCLUDES),
    (State.OPEN, Sight.ABSENT): (_RESOLVES, _RESOLVES),
    (State.OPEN, Sight.UNSEEN): (_OPEN, _EXCLUDES),
    (State.OPEN, Sight.VOID): (_RESOLVES, _RESOLVES),
    (State.EXCLUDED, Sight.PRESENT): (_REOPENED, _EXCLUDED),
    (State.EXCLUDED, Sight.ABSENT): (_RESOLVES, _RESOLVES),
    (State.EXCLUDED, Sight.UNSEEN): (_REOPENED, _EXCLUDED),
    (State.EXCLUDED, Sight.VOID): (_RESOLVES, _RESOLVES),
    (State.RESOLVED, Sight.PRESENT): (_REOPENED, _EXCLUDES),
    (State.RESOLVED, Sight.ABSENT): (_RESOLVED, _RESOLVED),
    (State.RESOLVED, Sight.UNSEEN): (_RESOLVED, _RESOLVED),
    (State.RESOLVED, Sight.VOID): (_RESOLVED, _RESOLVED),
}


def transition(state: State | None, sight: Sight, *, excluded: bool) -> Transition:
    """What becomes of a finding. Every combination has an answer."""
    return TABLE[state, sight][excluded]
