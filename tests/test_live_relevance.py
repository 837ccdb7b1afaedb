"""Which events are worth a look at their group, and when."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.events.relevance import (
    LONGEST_BURST,
    QUIET,
    STRANGERS_PAUSE,
    Familiarity,
    due_at,
    together,
)
from members.platforms.live import GroupEvent, Happening
from members.platforms.types import Platform
from tests.worlds import NOW

UNKNOWN = Familiarity()
IN_SCOPE = Familiarity(stored=True, in_scope=True)
OUT_OF_SCOPE = Familiarity(stored=True)
LOOKED_AT = Familiarity(stored=True, in_scope=True, looked_at=NOW - timedelta(seconds=20))
SEEN_TO_BE_NONE_OF_OURS = Familiarity(looked_at=NOW - timedelta(days=3))


def due(what: Happening, group: Familiarity, *people: str, since: datetime | None = None) -> datetime | None:
    event = GroupEvent(Platform.SLACK, "C1", what, people=people)
    return due_at(event, group, {"BO"}, now=NOW, since=since)


@pytest.mark.parametrize(
    ("what", "group", "people", "expected"),
    [
        (Happening.JOINED, IN_SCOPE, ["STRANGER"], QUIET),
        (Happening.JOINED, UNKNOWN, ["STRANGER"], QUIET),
        (Happening.JOINED, LOOKED_AT, ["BO"], QUIET),
        (Happening.LEFT, LOOKED_AT, ["STRANGER"], STRANGERS_PAUSE - timedelta(seconds=20)),
        (Happening.RENAMED, LOOKED_AT, [], QUIET),
        (Happening.JOINED, OUT_OF_SCOPE, ["BO"], QUIET),
        (Happening.JOINED, OUT_OF_SCOPE, ["STRANGER"], None),
        (Happening.JOINED, SEEN_TO_BE_NONE_OF_OURS, ["STRANGER"], None),
        (Happening.RENAMED, SEEN_TO_BE_NONE_OF_OURS, [], QUIET),
        (Happening.RENAMED, OUT_OF_SCOPE, [], QUIET),
        (Happening.ARCHIVED, UNKNOWN, [], None),
        (Happening.MISSED, IN_SCOPE, [], None),
    ],
)
def test_a_look_is_made_where_an_audit_could_say_something_else(
    what: Happening, group: Familiarity, people: list[str], expected: timedelta | None
) -> None:
    assert due(what, group, *people) == (None if expected is None else NOW + expected)


@given(st.lists(st.floats(0, 3), min_size=1, max_size=40))
def test_a_burst_is_looked_at_once_it_is_quiet_and_never_later_than_the_longest(pauses: list[float]) -> None:
    now = began = NOW + timedelta(seconds=pauses[0])
    event = GroupEvent(Platform.SLACK, "C1", Happening.JOINED, people=("BO",))
    waiting = due_at(event, IN_SCOPE, {"BO"}, now=now)
    for pause in pauses[1:]:
        assert waiting is not None
        assert now < waiting <= min(now + QUIET, began + LONGEST_BURST)
        now += timedelta(seconds=pause)
        if now >= waiting:
            return  # the look is made
        fresh = due_at(event, IN_SCOPE, {"BO"}, now=now, since=began)
        assert fresh is not None
        waiting = together(waiting, fresh, now=now)


def test_what_can_wait_puts_nothing_off() -> None:
    soon, later = NOW + QUIET / 2, NOW + STRANGERS_PAUSE
    assert together(soon, later, now=NOW) == soon
    assert together(later, NOW + QUIET, now=NOW) == NOW + QUIET
