"""The life of a finding: every cell of the table, said in words."""

from __future__ import annotations

import itertools

import pytest

from audits.lifecycle import TABLE, Change, Sight, State, transition

STATES = [None, *State]

# was, seen, accepted → is now, and what the run records
CELLS = [
    (None, Sight.PRESENT, False, State.OPEN, Change.OPENED),
    (None, Sight.PRESENT, True, State.EXCLUDED, Change.EXCLUDED),
    (None, Sight.ABSENT, False, None, None),
    (None, Sight.ABSENT, True, None, None),
    (None, Sight.UNSEEN, False, None, None),
    (None, Sight.UNSEEN, True, None, None),
    (None, Sight.VOID, False, None, None),
    (None, Sight.VOID, True, None, None),
    (State.OPEN, Sight.PRESENT, False, State.OPEN, None),
    (State.OPEN, Sight.PRESENT, True, State.EXCLUDED, Change.EXCLUDED),
    (State.OPEN, Sight.ABSENT, False, State.RESOLVED, Change.RESOLVED),
    (State.OPEN, Sight.ABSENT, True, State.RESOLVED, Change.RESOLVED),
    (State.OPEN, Sight.UNSEEN, False, State.OPEN, None),
    (State.OPEN, Sight.UNSEEN, True, State.EXCLUDED, Change.EXCLUDED),
    (State.OPEN, Sight.VOID, False, State.RESOLVED, Change.RESOLVED),
    (State.OPEN, Sight.VOID, True, State.RESOLVED, Change.RESOLVED),
    (State.EXCLUDED, Sight.PRESENT, False, State.OPEN, Change.REOPENED),
    (State.EXCLUDED, Sight.PRESENT, True, State.EXCLUDED, None),
    (State.EXCLUDED, Sight.ABSENT, False, State.RESOLVED, Change.RESOLVED),
    (State.EXCLUDED, Sight.ABSENT, True, State.RESOLVED, Change.RESOLVED),
    (State.EXCLUDED, Sight.UNSEEN, False, State.OPEN, Change.REOPENED),
    (State.EXCLUDED, Sight.UNSEEN, True, State.EXCLUDED, None),
    (State.EXCLUDED, Sight.VOID, False, State.RESOLVED, Change.RESOLVED),
    (State.EXCLUDED, Sight.VOID, True, State.RESOLVED, Change.RESOLVED),
    (State.RESOLVED, Sight.PRESENT, False, State.OPEN, Change.REOPENED),
    (State.RESOLVED, Sight.PRESENT, True, State.EXCLUDED, Change.EXCLUDED),
    (State.RESOLVED, Sight.ABSENT, False, State.RESOLVED, None),
    (State.RESOLVED, Sight.ABSENT, True, State.RESOLVED, None),
    (State.RESOLVED, Sight.UNSEEN, False, State.RESOLVED, None),
    (State.RESOLVED, Sight.UNSEEN, True, State.RESOLVED, None),
    (State.RESOLVED, Sight.VOID, False, State.RESOLVED, None),
    (State.RESOLVED, Sight.VOID, True, State.RESOLVED, None),
]


@pytest.mark.parametrize(("was", "sight", "excluded", "becomes", "change"), CELLS)
def test_every_cell(
    was: State | None, sight: Sight, excluded: bool, becomes: State | None, change: Change | None
) -> None:
    outcome = transition(was, sight, excluded=excluded)
    assert (outcome.state, outcome.change) == (becomes, change)


def test_no_combination_is_left_out() -> None:
    assert set(TABLE) == set(itertools.product(STATES, Sight))
    assert {cell[:3] for cell in CELLS} == set(itertools.product(STATES, Sight, [False, True]))


@pytest.mark.parametrize("excluded", [False, True])
def test_not_seeing_never_resolves(excluded: bool) -> None:
    for state in (State.OPEN, State.EXCLUDED):
        assert transition(state, Sight.UNSEEN, excluded=excluded).state is not State.RESOLVED


@pytest.mark.parametrize(
    ("state", "sight", "excluded"), list(itertools.product(STATES, Sight, [False, True]))
)
def test_a_second_equal_look_changes_nothing(state: State | None, sight: Sight, excluded: bool) -> None:
    once = transition(state, sight, excluded=excluded)
    again = transition(once.state, sight, excluded=excluded)
    assert (again.state, again.change) == (once.state, None)
