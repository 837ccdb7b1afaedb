"""How operations and their steps live, as plain data."""

from __future__ import annotations

from enum import StrEnum


class OperationState(StrEnum):
    PLANNED = "planned"
    CONFIRMED = "confirmed"
    RUNNING = "running"
    WAITING = "waiting"
    """Until `resume_at`: for a rate limit, for the account, or for its next slice."""
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUSED = "refused"
    """Larger than its kind's cap, and nobody overrode it: nothing was done."""

    @property
    def under_way(self) -> bool:
        """Confirmed, and not at its end."""
        return self in UNDER_WAY

    @property
    def finished(self) -> bool:
        """At its end, and some of it may have been done."""
        return self in FINISHED


UNDER_WAY = frozenset({OperationState.CONFIRMED, OperationState.RUNNING, OperationState.WAITING})
FINISHED = frozenset(
    {OperationState.DONE, OperationState.PARTIAL, OperationState.FAILED, OperationState.CANCELLED}
)


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    """Its call is under way, or was when the process died: then only the platform knows."""
    APPLIED = "applied"
    """The platform said yes; not verified yet."""
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Nothing had to be done any more, or it was not wanted any more; the outcome tells which."""
    NOT_TRIED = "not_tried"
    """The operation came to its end before its turn."""


BEGUN = frozenset({StepState.RUNNING, StepState.APPLIED})
"""The states of a step whose call was made, or may have been, and that is not at its end."""
LEFT = BEGUN | {StepState.PENDING}
"""The states of a step that is not at its end."""


def conclusion(states: frozenset[StepState] | set[StepState]) -> OperationState:
    """What an operation whose steps ended in `states` came to."""
    good = {StepState.DONE, StepState.SKIPPED}
    if states <= good:
        return OperationState.DONE
    return OperationState.PARTIAL if states & good else OperationState.FAILED
