"""Who holds an operation: one execution claims it, gives it back, brings it to its end, or dies with it.

Every change here is conditional on the execution still holding it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from members.clock import SharedNow, shared_now
from members.operations import activity, kinds, ledger, notices
from members.operations.activity import Event
from members.operations.ledger import Lost
from members.operations.models import Operation, Step
from members.operations.owner import is_dead, new_owner
from members.operations.services import expire_plans
from members.operations.states import FINISHED, OperationState, StepState, conclusion

log = structlog.get_logger(__name__)

ORPHANED_AFTER = timedelta(seconds=40)
"""A running operation whose heart has not beaten for this long has lost its process."""
MAX_ATTEMPTS = 4
"""How many executions in a row may die or crash; and, on each platform, find it out of reach."""
CRASH_PAUSE = 10.0
"""Seconds until the second execution after one that crashed; doubled for each one more."""
FOLLOW_UP_TIME = timedelta(minutes=10)
"""What follows an operation's end (reports, audits, notices) is taken for lost after so long."""
FOLLOW_UP_TRIED_FOR = timedelta(days=1)
"""How long a database that refuses it is waited for."""


class OperationBusy(Exception):
    """The operation cannot be run now: somebody runs it, it has to wait, or it is at its end."""


def claim(operation_id: int) -> Operation:
    """Make an operation that is due this execution's own. Raises OperationBusy."""
    now = timezone.now()
    taken = _runnable().filter(pk=operation_id)
    if not taken.update(
        state=OperationState.RUNNING,
        owner=new_owner(),
        heartbeat_at=SharedNow(),
        attempts=F("attempts") + 1,
        resume_at=None,
        message="",
    ):
        raise OperationBusy(f"Operation {operation_id} cannot be run now.")
    Operation.objects.filter(pk=operation_id, started_at=None).update(started_at=now)
    return Operation.objects.get(pk=operation_id)


def give_back(operation: Operation, message: str = "") -> None:
    """An execution came to nothing: another one shall try later, unless this was one too many."""
    if operation.attempts >= MAX_ATTEMPTS:
        end(operation, message)
    else:
        seconds = CRASH_PAUSE * 2 ** (operation.attempts - 1)
        pause(operation, seconds, message, cancelled=operation.cancel_requested)


@transaction.atomic
def pause(
    operation: Operation, seconds: float, message: str = "", *, cancelled: bool = False, **changes: Any
) -> None:
    """Let go of the operation for so long. One that was cancelled meanwhile goes on at once: to its end.

    `cancelled` says that it was so before this execution. Raises Lost.
    """
    waiting = changes | {
        "state": OperationState.WAITING,
        "owner": "",
        "message": _messages(operation, message),
    }
    held = held_by(operation)
    later = SharedNow() + timedelta(seconds=seconds)
    if not (
        held.filter(cancel_requested=cancelled).update(resume_at=later, **waiting)
        or held.update(resume_at=SharedNow(), **waiting)
    ):
        raise Lost(f"{operation} was taken over.")
    notices.tell_wait(operation, seconds, waiting["message"])


@transaction.atomic
def end(operation: Operation, message: str = "") -> None:
    """Bring the operation to its end; it stays ours until what follows has been told."""
    held = held_by(operation).select_for_update().first()
    if held is None:
        raise Lost(f"{operation} was taken over.")
    steps = Step.objects.filter(operation=operation)
    ledger.close(steps, actor=operation.confirmed_by)
    states = {StepState(state) for state in steps.values_list("state", flat=True).distinct()}
    cancelled = held.cancel_requested and StepState.NOT_TRIED in states
    state = OperationState.CANCELLED if cancelled else conclusion(states)
    now = timezone.now()
    message = _messages(operation, message)
    held_by(operation).update(state=state, finished_at=now, resume_at=None, message=message)
    event = Event(operation.confirmed_by, "operation.finished", operation.pk, outcome=state)
    activity.record(events=[event], at=now)
    notices.tell_end(operation, state, message)


def _messages(operation: Operation, message: str) -> str:
    """What stopped the parts, and the whole: each once, a line each."""
    lines = [part["message"] for part in operation.parts.values()] + [message]
    return "\n".join(dict.fromkeys(filter(None, lines)))


def follow_up(operation: Operation) -> None:
    """Let the kind do what follows an end, and let go.

    Its trouble is its own: the operation has ended. Only what the database refuses is tried again later.
    """
    ended = Operation.objects.filter(pk=operation.pk, owner=operation.owner, state__in=FINISHED)
    stored = ended.first()
    if stored is None:
        return
    try:
        finished = kinds.get(operation.kind).finished
        if finished is not None:
            finished(operation.pk)
    except (OperationalError, InterfaceError) as error:  # the operation stays ours, and is found as lost
        log.error("operation.follow_up_postponed", operation=operation.pk, error=str(error))
        if stored.finished_at is None or timezone.now() - stored.finished_at < FOLLOW_UP_TRIED_FOR:
            return
    except Exception:
        log.exception("operation.follow_up_failed", operation=operation.pk)
    ended.update(owner="")


def let_go(operation: Operation) -> None:
    """Somebody else goes on at once, if only to settle what is in doubt."""
    held_by(operation).update(state=OperationState.WAITING, owner="", resume_at=SharedNow())


def recover_operations() -> list[int]:
    """Take up what dead processes left behind, and end what is past its time.

    Returns the ids of all that can be run now, in order.
    """
    now = shared_now()
    expire_plans()
    for operation in Operation.objects.filter(state=OperationState.RUNNING):
        if _is_lost(operation, now - ORPHANED_AFTER):
            _take_back(operation)
    for operation in Operation.objects.filter(state__in=FINISHED).exclude(owner=""):
        if _is_lost(operation, now - FOLLOW_UP_TIME) and _adopt(operation):
            follow_up(operation)
    return list(_runnable().order_by("pk").values_list("pk", flat=True))


def held_by(operation: Operation) -> QuerySet[Operation]:
    """The operation's row, as long as the execution that `operation` names holds it."""
    return Operation.objects.filter(pk=operation.pk, owner=operation.owner, state=OperationState.RUNNING)


def _runnable() -> QuerySet[Operation]:
    return Operation.objects.filter(
        Q(state=OperationState.CONFIRMED) | Q(state=OperationState.WAITING, resume_at__lte=SharedNow())
    )


def _is_lost(operation: Operation, silent_since: datetime) -> bool:
    """Whether the execution that holds the operation is dead, or gave no sign of life for too long."""
    beat = operation.heartbeat_at
    return beat is None or beat < silent_since or is_dead(operation.owner)


def _adopt(operation: Operation) -> bool:
    """Make it ours, if nothing was heard of it meanwhile."""
    same = Operation.objects.filter(
        pk=operation.pk, state=operation.state, owner=operation.owner, heartbeat_at=operation.heartbeat_at
    )
    operation.owner = new_owner()
    return bool(same.update(owner=operation.owner, heartbeat_at=SharedNow()))


def _take_back(operation: Operation) -> None:
    if not _adopt(operation):
        return
    log.warning("operation.orphaned", operation=operation.pk, attempts=operation.attempts)
    if operation.attempts < MAX_ATTEMPTS:
        let_go(operation)
    else:
        end(operation, f"Given up: {operation.attempts} executions in a row came to nothing.")
        follow_up(operation)
