"""The steps of one part while an operation runs: claimed, settled, and written down.

Each transaction begins by renewing our lease on the connection, which no other execution can have at
the same time, and changes a step only from the state that we read: nothing is claimed twice and
nothing ends twice, whoever else may believe to hold the operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from members.operations import activity, lease
from members.operations.activity import Event
from members.operations.lease import Hold
from members.operations.models import Operation, Step
from members.operations.parts import Way
from members.operations.states import StepState
from members.platforms.outcomes import Outcome
from members.platforms.writing import Reply

MAX_ATTEMPTS = 3
"""How often a step is tried that comes to no end."""
UNKNOWN = Reply(
    Outcome.UNREACHABLE, "The call was cut off, and whether it was done cannot be read: look, then try again."
)
_AT_ONCE = 500
"""How many rows one query changes: databases limit their parameters."""


class Lost(Exception):
    """Somebody else holds the operation or the connection now: nothing more may be done."""


@dataclass(slots=True)
class Ledger:
    """Reads and writes the steps that go `way`, as long as `hold` is ours."""

    operation: Operation
    way: Way
    hold: Hold
    got_on: bool = False
    """Whether a step came nearer to its end: then this execution has not come to nothing."""

    def in_state(self, state: StepState) -> list[Step]:
        """The steps in `state`, in their order."""
        return list(steps_on(self.operation, self.way).filter(state=state).order_by("position"))

    @transaction.atomic
    def settle(
        self,
        replies: Sequence[tuple[Step, Reply]],
        *,
        verified: bool = False,
        claim: Sequence[Step] = (),
    ) -> None:
        """Write down how the calls for these steps ended, and that the one for `claim` is about to be made.

        Both in one transaction, of which there is thus one for each call. What the platform says it
        did is APPLIED until it was verified. Raises Lost.
        """
        if not replies and not claim:
            return
        self.renew()
        now = timezone.now()
        done = StepState.DONE if verified else StepState.APPLIED
        _change((step, _ending(reply, now, done=done)) for step, reply in replies)
        self._tell([step for step, _ in replies], now)
        begun = {"state": StepState.RUNNING, "started_at": now, "outcome": "", "message": ""}
        _change((step, begun) for step in claim)

    @transaction.atomic
    def put_back(self, batch: Sequence[Step], *, tried: bool, why: Reply | None = None) -> None:
        """Nothing came of the call: the steps are as before it, but for what `why` says. Raises Lost.

        `tried` steps count an attempt, and fail when that was the last one.
        """
        self.renew()
        now = timezone.now()
        exhausted = [step for step in batch if step.attempts + tried >= MAX_ATTEMPTS]
        again = [step for step in batch if step not in exhausted]
        said = {"outcome": why.outcome, "message": why.message} if why is not None else {}
        _change(
            (step, {"state": StepState.PENDING, "attempts": step.attempts + tried} | said) for step in again
        )
        _change((step, _ending(_NO_ANSWER, now)) for step in exhausted)
        self._tell(exhausted, now)

    @transaction.atomic
    def verify(self, applied: Sequence[Step], shown: Sequence[bool | None]) -> None:
        """End the applied steps, by whether reading afterwards showed what was wanted. Raises Lost."""
        self.renew()
        now = timezone.now()
        read = list(zip(applied, shown, strict=True))
        missed = [step for step, is_so in read if is_so is False]
        _change((step, {"state": StepState.DONE}) for step, is_so in read if is_so)
        _change(
            (step, {"state": StepState.DONE, "message": step.message or _UNREAD})
            for step, is_so in read
            if is_so is None
        )
        _change((step, _ending(_NOT_SHOWN, now)) for step in missed)
        self._note_progress()
        self._tell(missed, now)

    def renew(self) -> None:
        """Prolong our hold on the connection. Raises Lost."""
        if not lease.renew(self.hold):
            raise Lost(f"Somebody else uses {self.hold.connection} now.")

    def _tell(self, ended: Sequence[Step], now: datetime) -> None:
        """Put their ends on record."""
        if ended:
            self._note_progress()  # before the record: whoever cancels locks them in this order
        activity.record(events=[_event(step, self.operation.confirmed_by) for step in ended], at=now)

    def _note_progress(self) -> None:
        operation = self.operation
        self.got_on = True
        if operation.attempts > 1:
            Operation.objects.filter(pk=operation.pk, owner=operation.owner).update(attempts=1)
            operation.attempts = 1


def steps_on(operation: Operation, way: Way) -> QuerySet[Step]:
    """The operation's steps that go this way."""
    return Step.objects.filter(operation=operation, platform=way.platform, connection=way.connection)


def close(steps: QuerySet[Step], *, actor: str, why: str = "") -> None:
    """Bring to their end those of `steps` that are not: an operation, or a platform's part of it, is over.

    `why` is for those that were not begun; without it they keep what they say, of a rate limit for
    example. Call it in a transaction that holds the operation.
    """
    now = timezone.now()
    pending = steps.filter(state=StepState.PENDING)
    if why:
        pending.update(outcome="", message=why)
    pending.update(state=StepState.NOT_TRIED)
    steps.filter(state=StepState.APPLIED, message="").update(message=_UNREAD)
    steps.filter(state=StepState.APPLIED).update(state=StepState.DONE)
    doubtful = list(steps.filter(state=StepState.RUNNING).order_by("position"))
    _change((step, _ending(UNKNOWN, now)) for step in doubtful)
    activity.record(events=[_event(step, actor) for step in doubtful], at=now)


_NO_ANSWER = Reply(
    Outcome.UNREACHABLE,
    f"Tried {MAX_ATTEMPTS} times without an answer: see whether the platform is up, then try again.",
)
_NOT_SHOWN = Reply(
    Outcome.NOT_VERIFIED, "The platform said it was done, but reading afterwards did not show it. Try again."
)
_UNREAD = "The platform said so; it was not read afterwards."
_NOTHING_TO_DO = (Outcome.ALREADY_THERE, Outcome.ALREADY_GONE, Outcome.CHANGED_MEANWHILE)


def _ending(reply: Reply, now: datetime, *, done: StepState = StepState.DONE) -> dict[str, Any]:
    state = StepState.FAILED
    if reply.outcome is Outcome.DONE:
        state = done
    elif reply.outcome in _NOTHING_TO_DO:
        state = StepState.SKIPPED
    told = {"before": dict(reply.before), "after": dict(reply.after)}
    ended = {"state": state, "outcome": reply.outcome, "message": reply.message, "finished_at": now}
    return ended | {name: values for name, values in told.items() if values}


def _change(changes: Iterable[tuple[Step, Mapping[str, Any]]]) -> None:
    """Give each step its new values: one query for all that change alike. Raises Lost."""
    alike: dict[tuple[str, str], tuple[Mapping[str, Any], list[Step]]] = {}
    for step, values in changes:
        alike.setdefault((step.state, repr(values)), (values, []))[1].append(step)
    for (was, _), (same, steps) in alike.items():
        for at in range(0, len(steps), _AT_ONCE):
            keys = [step.pk for step in steps[at : at + _AT_ONCE]]
            if Step.objects.filter(pk__in=keys, state=was).update(**same) != len(keys):
                raise Lost("A step was changed by somebody else.")
        for step in steps:
            for name, value in same.items():
                setattr(step, name, value)


def _event(step: Step, actor: str) -> Event:
    return Event(
        actor=actor,
        action=f"step.{step.verb}",
        operation_id=step.operation_id,
        platform=step.platform,
        group_id=step.group_id,
        group_name=step.group_name,
        subject=step.subject,
        outcome=step.outcome,
        detail=step.message,
    )
