"""What burns a whitelist entry: a join request, a voluntary leave, removal by hand; and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitelist.burning import (
    Cause,
    CommunityEvent,
    JoinRequested,
    MembershipChanged,
    Reading,
    RemovedByHand,
    burn_cause,
    left_unseen,
)

ADA, OURS, ADMIN = 7, 1, 2
ids = st.frozensets(st.integers(1, 30))


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (JoinRequested(ADA), Cause.JOIN_REQUEST),
        (RemovedByHand(ADA), Cause.MANUAL),
        (MembershipChanged(ADA, ADA, was_present=True, is_present=False), Cause.LEFT),
        (MembershipChanged(ADA, OURS, was_present=True, is_present=False), None),
        (MembershipChanged(ADA, OURS, was_present=False, is_present=False), None),
        (MembershipChanged(ADA, ADMIN, was_present=True, is_present=False), None),
        (MembershipChanged(ADA, None, was_present=True, is_present=False), None),
        (MembershipChanged(ADA, ADA, was_present=False, is_present=True), None),
        (MembershipChanged(ADA, ADMIN, was_present=True, is_present=True), None),
    ],
    ids=[
        "asks to join",
        "is removed from the whitelist by hand",
        "leaves",
        "is banned by us",
        "is unbanned by us",
        "is removed by an admin",
        "is gone, and Telegram does not say by whose doing",
        "joins",
        "is restricted by an admin",
    ],
)
def test_what_burns(event: CommunityEvent, cause: Cause | None) -> None:
    assert burn_cause(event) is cause


class TestWhoLeftWhileNobodyListened:
    def test_they_are_missing_from_a_whole_list(self) -> None:
        reading = Reading(frozenset({1, 2, 4}), expected=3)
        assert left_unseen({1, 2, 3}, reading) == {3}

    @pytest.mark.parametrize(
        "reading",
        [
            Reading(frozenset({1, 2}), expected=3),
            Reading(frozenset({1, 2}), expected=None),
            Reading(frozenset(), expected=0),
        ],
        ids=["fewer than Telegram counts", "Telegram told no count", "nobody at all"],
    )
    def test_a_list_that_may_be_incomplete_proves_nothing(self, reading: Reading) -> None:
        assert left_unseen({1, 2, 3}, reading) == frozenset()

    def test_whom_we_took_out_did_not_leave(self) -> None:
        assert left_unseen({1, 2, 3}, Reading(frozenset({1}), expected=1), removed={2}) == {3}

    @given(before=ids, present=ids, expected=st.none() | st.integers(0, 40), removed=ids, there=ids)
    def test_nobody_who_may_still_be_there_is_taken_for_gone(
        self,
        before: frozenset[int],
        present: frozenset[int],
        expected: int | None,
        removed: frozenset[int],
        there: frozenset[int],
    ) -> None:
        left = left_unseen(before, Reading(present, expected), removed=removed, still_there=there)
        assert left <= before
        assert not left & (present | removed | there)
        assert not left or (expected is not None and len(present) >= expected)
