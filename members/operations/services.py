"""What people and schedules do with operations: plan, confirm, cancel, try again, undo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from members.clock import SharedNow, shared_now
from members.operations import activity, kinds
from members.operations.activity import Event
from members.operations.display import kind_label
from members.operations.drafts import Draft, draft_of
from members.operations.kinds import Kind
from members.operations.lineage import undoings_of, undone_by
from members.operations.models import Operation, Relation, Step, Trigger
from members.operations.plan import Plan, PlannedStep, Skipped, Target
from members.operations.states import OperationState, StepState
from members.platforms.types import Platform

_BATCH = 500
_REASONS = 3
"""How many reasons one line names."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and how it came to it."""

    name: str
    trigger: Trigger = Trigger.PERSON
    may_override_cap: bool = False
    identity: str = ""
    """Who it is whatever they are called (`identity_of`); "" where no more than the name is known."""


HOUSEKEEPING = Actor("housekeeping", Trigger.SCHEDULE)
"""Does what happens because time has passed."""


def actor_of(user: AbstractBaseUser | AnonymousUser) -> Actor:
    """Somebody who is signed in, with the rights they have."""
    return Actor(
        user.get_username(),
        may_override_cap=isinstance(user, PermissionsMixin) and user.has_perm("operations.override_cap"),
        identity=identity_of(user),
    )


def identity_of(user: AbstractBaseUser | AnonymousUser) -> str:
    """Which account it is, however often it is renamed."""
    return f"user:{user.pk}"


def is_planner(actor: Actor, operation: Operation) -> bool:
    """Whether the same person planned it; by their names where one of them is known by no more than that."""
    if actor.identity and operation.planner:
        return actor.identity == operation.planner
    return actor.name == operation.planned_by


class OperationRefused(Exception):
    """What was asked for is not to be done: one line, what happened and what to do."""


class PlanOutdated(OperationRefused):
    """The plan is not what was confirmed, or too old: plan again (`plan_again`)."""


@transaction.atomic
def plan_operation(
    *, plan: Plan, actor: Actor, parent: Operation | None = None, relation: Relation | None = None
) -> Operation:
    """Store a plan that nobody has confirmed, as a new one, for whoever decides on it at once."""
    return _store(draft_of(plan, actor, parent, relation), actor)


@transaction.atomic
def propose_operation(
    *, plan: Plan, actor: Actor, parent: Operation | None = None, relation: Relation | None = None
) -> Operation:
    """Store a plan that waits for a person: a dry run.

    Where the same plan of theirs waits already, it is that one, and may be confirmed for as long as a new
    one: nobody is asked twice. Whoever confirms at once takes `plan_operation`: of two at the same time on
    one plan, the second would be refused.
    """
    draft = draft_of(plan, actor, parent, relation)
    now = draft.operation.planned_at
    for waiting in draft.alike().filter(state=OperationState.PLANNED, expires_at__gt=now):
        if draft.tells_the_same_as(waiting) and _renew(waiting, draft):
            detail = f"{plan.count} steps, plan {plan.hash}, planned again and the same"
            _note(waiting, actor, "operation.renewed", detail=detail)
            return waiting
    return _store(draft, actor)


@transaction.atomic
def confirm_operation(
    *, operation_id: int, plan_hash: str, count: int, actor: Actor, typed_count: int | None = None
) -> Operation:
    """Allow exactly this plan to be done, once.

    `typed_count` is what a person with the right to override typed for a plan above its cap. Raises
    PlanOutdated when the plan is another or too old, OperationRefused when the actor may not.
    """
    now = shared_now()
    operation = Operation.objects.select_for_update().get(pk=operation_id)
    if operation.state == OperationState.PLANNED and operation.expires_at <= now:
        raise PlanOutdated("The plan is too old to be confirmed. Look at a new one.")
    if operation.state == OperationState.EXPIRED:
        raise PlanOutdated("The plan is too old to be confirmed. Look at a new one.")
    if operation.state != OperationState.PLANNED:
        raise OperationRefused(f"{operation} is {operation.get_state_display().lower()} already.")
    if (operation.plan_hash, operation.count) != (plan_hash, count):
        raise PlanOutdated("The plan is not the one that was shown. Look at the new one.")
    if not operation.count:
        raise OperationRefused("There is nothing to do.")
    kind = _kind_of(operation)
    if (undone := undone_by(operation)) is not None:
        _check_undone_once(undone)
    if operation.over_cap:
        _check_override(operation, actor, typed_count)
    if kind.destructive and settings.REQUIRE_SECOND_PERSON and is_planner(actor, operation):
        raise OperationRefused(f"{kind.label}: somebody else than {actor.name} has to confirm this plan.")
    Operation.objects.filter(pk=operation.pk).update(
        state=OperationState.CONFIRMED, confirmed_by=actor.name, confirmed_at=now, resume_at=now
    )
    operation.refresh_from_db()
    detail = f"{count} steps, plan {plan_hash}"
    if operation.over_cap:
        detail += f", allowed above the cap: {operation.over_cap}"
    _note(operation, actor, "operation.confirmed", detail=detail)
    return operation


def plan_again(*, operation: Operation, actor: Actor) -> Operation:
    """A new plan for what `operation` was asked for, of the world as it is now.

    Raises OperationRefused when there is nothing to do any more.
    """
    plan = _kind_of(operation).plan_again(operation.parameters)
    if not plan.count:
        raise OperationRefused(f"There is nothing to do any more.{_left_out(plan)}")
    with transaction.atomic():
        if _drop(operation.pk, OperationState.EXPIRED):
            _note(operation, actor, "operation.expired", detail="replaced by a new plan")
        return propose_operation(plan=plan, actor=actor, parent=operation, relation=Relation.REPLAN)


def expire_plans() -> None:
    """End the plans whose time to be confirmed has passed."""
    late = Q(expires_at__lte=SharedNow())
    for operation in Operation.objects.filter(late, state=OperationState.PLANNED).only("pk"):
        with transaction.atomic():
            if _drop(operation.pk, OperationState.EXPIRED, only=late):  # not what was renewed meanwhile
                _note(operation, HOUSEKEEPING, "operation.expired", detail="not confirmed in time")


@transaction.atomic
def refuse_operation(*, operation: Operation, actor: Actor) -> Operation:
    """End a plan that is above its cap, with nothing done."""
    dropped = _drop(operation.pk, OperationState.REFUSED, message=operation.over_cap)
    operation.refresh_from_db()
    if not dropped:
        raise OperationRefused(f"{operation} is {operation.get_state_display().lower()} already.")
    _note(operation, actor, "operation.refused", detail=operation.over_cap)
    refused = _kind_of(operation).refused
    if refused is not None:
        refused(operation.pk)
    return operation


@transaction.atomic
def cancel_operation(*, operation_id: int, actor: Actor) -> Operation:
    """Drop a plan, or stop what has begun: between two calls, keeping what was done.

    What has begun is brought to its end by an execution, also when it waits: that settles what is in
    doubt, and what follows an end (reports, audits) follows this one too. Raises OperationRefused when
    it is at its end already.
    """
    now = timezone.now()
    operation = Operation.objects.select_for_update().get(pk=operation_id)
    same = Operation.objects.filter(pk=operation.pk)
    match OperationState(operation.state):
        case OperationState.PLANNED | OperationState.CONFIRMED:
            operation.steps.update(state=StepState.NOT_TRIED)
            same.update(
                state=OperationState.CANCELLED, cancel_requested=True, finished_at=now, resume_at=None
            )
        case OperationState.RUNNING:
            same.update(cancel_requested=True)
        case OperationState.WAITING:
            same.update(cancel_requested=True, resume_at=SharedNow())
        case state:
            raise OperationRefused(f"{operation} is {state} already.")
    operation.refresh_from_db()
    _note(operation, actor, "operation.cancelled")
    return operation


@transaction.atomic
def resume_now(*, operation_id: int, actor: Actor) -> Operation:
    """Have a waiting operation go on at once. Raises OperationRefused when it does not wait."""
    operation = Operation.objects.select_for_update().get(pk=operation_id)
    if operation.state != OperationState.WAITING:
        raise OperationRefused(f"{operation} does not wait.")
    now = shared_now()
    operation.resume_at = now
    operation.parts = {name: part | {"until": now.isoformat()} for name, part in operation.parts.items()}
    operation.save(update_fields=["resume_at", "parts"])
    _note(operation, actor, "operation.resumed")
    return operation


def retry_operation(*, operation: Operation, actor: Actor) -> Operation:
    """A new plan of the steps that failed or were not tried. Raises OperationRefused when there are none."""
    _kind_of(operation)
    left = operation.steps.filter(state__in=(StepState.FAILED, StepState.NOT_TRIED))
    steps = tuple(planned(step) for step in left.order_by("position"))
    _need(operation, steps, "to try again")
    plan = Plan(operation.kind, steps, parameters=operation.parameters, reach=operation.reach)
    return propose_operation(plan=plan, actor=actor, parent=operation, relation=Relation.RETRY)


def undo_operation(*, operation: Operation, actor: Actor) -> Operation:
    """A new plan that takes back what was really done. Raises OperationRefused when there is nothing."""
    kind = _kind_of(operation)
    if kind.undo is None:
        raise OperationRefused(f"{kind.label} cannot be undone.")
    done = operation.steps.filter(state=StepState.DONE).order_by("position")
    steps = tuple(planned(step) for step in done)
    _need(operation, steps, "to undo")
    plan = _through_the_same(kind.undo(steps), steps)
    if not plan.count:
        raise OperationRefused(f"{operation} has nothing to undo any more.{_left_out(plan)}")
    return propose_operation(plan=plan, actor=actor, parent=operation, relation=Relation.UNDO)


def _through_the_same(plan: Plan, done: Sequence[PlannedStep]) -> Plan:
    """The plan, with what was done through a further account taken back through it: no audit may know the
    group."""
    ways = {step.target: step.connection for step in done if step.connection}
    if not ways:
        return plan
    steps = (
        step if step.connection is not None else replace(step, connection=ways.get(step.target))
        for step in plan.steps
    )
    return replace(plan, steps=tuple(steps))


def planned(step: Step) -> PlannedStep:
    """The step as it was planned."""
    target = Target(
        platform=Platform(step.platform),
        group_id=step.group_id,
        group_name=step.group_name,
        subject=step.subject,
        subject_name=step.subject_name,
        user_id=step.user_id,
    )
    return PlannedStep(step.verb, target, step.arguments, step.after, step.connection or None)


def warnings_of(operation: Operation) -> Sequence[str]:
    """What may be wrong with a plan that can be done all the same, one sentence each."""
    try:
        warn = kinds.get(operation.kind).warn
    except LookupError:
        return ()
    return warn([planned(step) for step in operation.steps.order_by("position")]) if warn is not None else ()


def skipped_of(operation: Operation) -> list[Skipped]:
    """What the plan left out, and why."""
    return [
        Skipped(
            Target(**line["target"] | {"platform": Platform(line["target"]["platform"])}),
            line["reason"],
            line.get("code", ""),
        )
        for line in operation.skipped
    ]


def _store(draft: Draft, actor: Actor) -> Operation:
    operation = draft.operation
    operation.save(force_insert=True)
    Step.objects.bulk_create(draft.steps, batch_size=_BATCH)
    detail = f"{operation.count} steps, plan {operation.plan_hash}"
    if operation.parent is not None:
        relation = operation.get_relation_display().lower() or "follow-up"
        detail += f", {relation} of operation {operation.parent.pk}"
    _note(operation, actor, "operation.planned", detail=detail)
    return operation


def _renew(waiting: Operation, draft: Draft) -> bool:
    """Have it wait as long as a new one would; False where it does not wait any more."""
    now, until = draft.operation.planned_at, draft.operation.expires_at
    same = Operation.objects.filter(pk=waiting.pk, state=OperationState.PLANNED, expires_at__gt=now)
    waiting.expires_at = until
    return bool(same.update(expires_at=until))


def _kind_of(operation: Operation) -> Kind:
    try:
        return kinds.get(operation.kind)
    except LookupError:
        label = kind_label(operation.kind)
        raise OperationRefused(f"{label}: this release cannot do that any more.") from None


def _left_out(plan: Plan) -> str:
    """Why a plan came out empty, the most frequent reasons: " Left out: It is archived (3)."; or ""."""
    reasons = Counter(line.reason.rstrip(".") for line in plan.skipped).most_common(_REASONS)
    return f" Left out: {'; '.join(f'{reason} ({count})' for reason, count in reasons)}." if reasons else ""


def _drop(operation_id: int, state: OperationState, *, message: str = "", only: Q | None = None) -> bool:
    """End a plan that nobody confirmed; False where it is none any more, or not one of those meant."""
    same = Operation.objects.filter(only or Q(), pk=operation_id, state=OperationState.PLANNED)
    if not same.update(state=state, finished_at=timezone.now(), message=message):
        return False
    Step.objects.filter(operation=operation_id).update(state=StepState.NOT_TRIED)
    return True


def _check_undone_once(undone: Operation) -> None:
    """A second undo would take out whoever came back since the first."""
    Operation.objects.select_for_update().get(pk=undone.pk)
    for other in undoings_of(undone):
        if other.confirmed_at is not None and other.state != OperationState.FAILED:
            raise OperationRefused(f"{undone} is undone by {other} already: try the rest of that one again.")


def _check_override(operation: Operation, actor: Actor, typed_count: int | None) -> None:
    if not actor.may_override_cap:
        raise OperationRefused(f"{operation.over_cap} Somebody who may override that has to confirm it.")
    if typed_count != operation.count:
        raise OperationRefused(
            f"{operation.over_cap} To do it all the same, type the count: {operation.count}."
        )


def _need(operation: Operation, steps: Sequence[PlannedStep], what: str) -> None:
    if not OperationState(operation.state).finished:
        raise OperationRefused(f"{operation} is not at its end yet.")
    if not steps:
        raise OperationRefused(f"{operation} has nothing {what}.")


def _note(operation: Operation, actor: Actor, action: str, *, detail: str = "") -> None:
    event = Event(actor=actor.name, action=action, operation_id=operation.pk, detail=detail)
    activity.record(events=[event], at=timezone.now())
    log.info(action, operation=operation.pk, actor=actor.name)
