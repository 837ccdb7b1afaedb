"""The tracker of what people were asked for: every change of a request, by name and on record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from members.models import Group
from members.operations import activity
from members.operations.activity import Event
from members.operations.models import Operation, Step
from members.operations.states import UNDER_WAY, StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import AdminStatus, Platform
from telegram_ops.ownership_models import OPEN, OwnershipRequest, RequestState
from telegram_ops.ownership_plans import KIND, Asked, Pair, may_more, topics_of

AUDIT = "audit"
"""Who acts when an audit sees that a request was fulfilled."""

_SENT = Q(state__in=(StepState.DONE, StepState.APPLIED)) | Q(
    state=StepState.SKIPPED, outcome=Outcome.ALREADY_THERE
)


def asked_before() -> dict[Pair, Asked]:
    """Whom we have asked for what, by group id and user id. One query."""
    rows = OwnershipRequest.objects.select_related("group")
    return {
        (row.group.external_id, str(row.user_id)): Asked(
            row.asked_at, row.is_open, row.state == RequestState.REFUSED
        )
        for row in rows
    }


def being_asked() -> dict[Pair, int]:
    """The same of operations that have begun and not ended, with their numbers. One query."""
    steps = Step.objects.filter(operation__kind=KIND, operation__state__in=UNDER_WAY)
    return {
        (topic.id, step.user_id): step.operation_id for step in steps for topic in topics_of(step.arguments)
    }


def sent_lately() -> dict[Pair, str]:
    """What operations have sent that have not ended, and so are in no request yet; and when. One query."""
    steps = Step.objects.filter(_SENT, operation__kind=KIND, operation__state__in=UNDER_WAY)
    return {
        (topic.id, step.user_id): step.finished_at.isoformat() if step.finished_at else ""
        for step in steps
        for topic in topics_of(step.arguments)
    }


def keep_requests(operation: Operation) -> None:
    """Write down whom an operation that has ended has asked for what. Doing it twice changes nothing."""
    for step in operation.steps.filter(_SENT).order_by("position"):
        _keep(
            step,
            at=step.finished_at or timezone.now(),
            actor=operation.confirmed_by,
            operation_id=operation.pk,
        )


def note_by_hand(*, step: Step, actor: str) -> int:
    """Somebody has sent a planned message themselves. Returns for how many groups that is news."""
    return _keep(step, at=timezone.now(), actor=actor, operation_id=None)


@transaction.atomic
def _keep(step: Step, *, at: datetime, actor: str, operation_id: int | None) -> int:
    topics = {topic.id: topic for topic in topics_of(step.arguments)}
    groups = Group.objects.filter(platform=Platform.TELEGRAM, external_id__in=topics)
    known = {
        row.group_id: row
        for row in OwnershipRequest.objects.select_for_update().filter(group__in=groups, user_id=step.user_id)
    }
    events = []
    for group in groups:
        row, topic = known.get(group.pk), topics[group.external_id]
        if row is None:
            OwnershipRequest.objects.create(
                group=group,
                user_id=int(step.user_id),
                user_name=step.subject_name[:200],
                username=step.arguments["username"][:64],
                is_owner=topic.theirs,
                admin_status_before=topic.status,
                requested_at=at,
                requested_by=actor,
                operation_id=operation_id,
            )
            events.append(_event("requested", group, step.user_id, actor, operation_id, step.subject_name))
        elif step.arguments["remind"] and row.is_open and row.asked_at.isoformat() == topic.asked:
            row.state, row.reminded_at, row.operation_id = RequestState.REMINDED, at, operation_id
            row.save(update_fields=["state", "reminded_at", "operation_id"])
            events.append(_event("reminded", group, step.user_id, actor, operation_id, step.subject_name))
    activity.record(events=events, at=timezone.now())
    return len(events)


def mark_refused(*, requests: QuerySet[OwnershipRequest], actor: str) -> int:
    """They said no. Returns how many were open."""
    return _change(requests.filter(state__in=OPEN), RequestState.REFUSED, "refused", actor)


def reopen(*, requests: QuerySet[OwnershipRequest], actor: str) -> int:
    """It is not settled after all. Returns how many were."""
    return _change(requests.exclude(state__in=OPEN), RequestState.REQUESTED, "reopened", actor)


@transaction.atomic
def write_note(*, request: OwnershipRequest, note: str, actor: str) -> None:
    OwnershipRequest.objects.filter(pk=request.pk).update(note=note)
    event = _event("noted", request.group, request.user_id, actor, None, note[:200])
    activity.record(events=[event], at=timezone.now())


@transaction.atomic
def settle() -> int:
    """End the requests that were fulfilled: our account may do more there than when somebody was asked.

    Called when an audit has recorded what it saw. Returns how many that are.
    """
    waiting = OwnershipRequest.objects.select_for_update(of=("self",)).exclude(state=RequestState.DONE)
    fulfilled = [
        row.pk
        for row in waiting.select_related("group")
        if may_more(AdminStatus(row.group.admin_status), AdminStatus(row.admin_status_before))
    ]
    return _change(OwnershipRequest.objects.filter(pk__in=fulfilled), RequestState.DONE, "done", AUDIT)


@transaction.atomic
def follow_migrations(moved: Mapping[str, str]) -> None:
    """Requests for a basic group go on for the supergroup it became (old id → new id)."""
    rows = OwnershipRequest.objects.filter(group__platform=Platform.TELEGRAM, group__external_id__in=moved)
    for row in rows.select_related("group"):
        new = Group.objects.filter(platform=Platform.TELEGRAM, external_id=moved[row.group.external_id])
        heir = new.exclude(ownership_requests__user_id=row.user_id).first()
        if heir is not None:
            OwnershipRequest.objects.filter(pk=row.pk).update(group=heir)


@transaction.atomic
def _change(rows: QuerySet[OwnershipRequest], state: RequestState, action: str, actor: str) -> int:
    changed: Sequence[OwnershipRequest] = list(rows.select_related("group"))
    now = timezone.now()
    ended = None if state in OPEN else now
    OwnershipRequest.objects.filter(pk__in=[row.pk for row in changed]).update(state=state, closed_at=ended)
    activity.record(events=list(_events(action, changed, actor)), at=now)
    return len(changed)


def _events(action: str, rows: Iterable[OwnershipRequest], actor: str) -> Iterable[Event]:
    for row in rows:
        yield _event(action, row.group, row.user_id, actor, row.operation_id, row.user_name)


def _event(
    action: str, group: Group, user_id: int | str, actor: str, operation_id: int | None, detail: str
) -> Event:
    return Event(
        actor=actor,
        action=f"ownership.{action}",
        operation_id=operation_id,
        platform=Platform.TELEGRAM,
        group_id=group.external_id,
        group_name=group.name,
        subject=str(user_id),
        detail=detail,
    )
