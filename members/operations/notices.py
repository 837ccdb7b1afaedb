"""Telling people what was done, or is to be done, without anybody having asked: in the record and unasked."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from members.notices.kinds import NoticeKind
from members.notices.services import write
from members.operations import activity, kinds
from members.operations.activity import Event
from members.operations.display import kind_label
from members.operations.models import Operation, Step
from members.operations.states import OperationState, StepState

ACTION = "operation.notice"
LONG_WAIT = 600.0
"""Seconds; an operation that has to wait for longer is told of, once."""


@transaction.atomic
def notify(text: str, *, kind: NoticeKind, actor: str, operation_id: int | None = None) -> None:
    """Write `text` into the record, and tell it to whoever wants notices of this kind."""
    note(text, actor=actor, operation_id=operation_id)
    write(kind=kind, text=text, path=page_of(operation_id) if operation_id is not None else "")


def note(text: str, *, actor: str, operation_id: int | None = None) -> None:
    """Write `text` into the record alone."""
    event = Event(actor, ACTION, operation_id, detail=text)
    activity.record(events=[event], at=timezone.now())


def page_of(operation_id: int) -> str:
    """The operation's page in the admin."""
    return reverse("admin:operations_operation_change", args=[operation_id])


def tell_end(operation: Operation, state: OperationState, message: str) -> None:
    """That an operation is at its end, and how it went. Call it in the transaction that ends it."""
    steps = Step.objects.filter(operation=operation)
    done, failed = (steps.filter(state=each).count() for each in (StepState.DONE, StepState.FAILED))
    lines = [
        f"{_name(operation)} is {state}: {done:,} of {operation.count:,} {_done_word(operation)}"
        + (f", {failed:,} failed." if failed else "."),
        *message.splitlines()[:3],
    ]
    if failed or state is not OperationState.DONE:
        lines.append("Open it to see why; from there what failed can be tried again.")
    write(
        kind=NoticeKind.OPERATION_FINISHED,
        text="\n".join(lines),
        path=page_of(operation.pk),
        once=f"operation {operation.pk} finished",
    )


def tell_wait(operation: Operation, seconds: float, message: str) -> None:
    """That an operation waits for long, once. Call it in the transaction that lets go of it."""
    if seconds < LONG_WAIT:
        return
    minutes = round(seconds / 60)
    why = message.partition("\n")[0]
    write(
        kind=NoticeKind.OPERATION_WAITING,
        text=f"{_name(operation)} waits for about {minutes} minutes, then goes on by itself.\n{why}".rstrip(),
        path=page_of(operation.pk),
        once=f"operation {operation.pk} waits",
    )


def _name(operation: Operation) -> str:
    return f"{operation}, “{kind_label(operation.kind)}” planned by {operation.planned_by},"


def _done_word(operation: Operation) -> str:
    try:
        return kinds.get(operation.kind).done_word
    except LookupError:
        return "done"
