"""What plans by itself: rules that add by themselves, for new groups and on a schedule."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audits.latest import first_results
from audits.models import AuditRun
from audits.remediation import missing
from audits.remediation.facts import GroupKey
from audits.remediation.missing import plan_missing
from audits.remediation.selections import MissingSelection
from members.models import MembershipRule
from members.notices.kinds import NoticeKind
from members.operations.models import ActivityEvent, Operation, Trigger
from members.operations.notices import ACTION, notify
from members.operations.plan import Cap, Plan
from members.operations.services import Actor, confirm_operation, plan_operation, planned
from members.operations.states import UNDER_WAY, OperationState, StepState
from members.platforms.types import Platform
from members.policy import Level

NEW_GROUPS = Actor("auto-add", Trigger.EVENT)
SCHEDULE = Actor("schedule", Trigger.SCHEDULE)


def automatic_cap() -> Cap:
    """How many additions may go ahead that nobody looked at; a larger plan waits for a person."""
    return Cap(count=settings.OPERATION_CAP_AUTOMATIC_ADDITIONS)


def add_to_new_groups(run: AuditRun) -> Operation | None:
    """Plan the additions that rules ask for in groups which `run` recorded as the first audit ever.

    Confirms what is under the cap and gives notice; it is taken up by whoever looks for work next. None
    when there is nothing to do. The first audit of a platform finds nothing new: all of it is. Called again
    for the same run, it does only what is left of that: nothing is planned twice.
    """
    if not _any_rule_adds():
        return None
    with transaction.atomic():
        AuditRun.objects.select_for_update().get(pk=run.pk)  # who follows up the same run waits here
        operation = _planned_after(run)
        groups = () if operation is not None else _new_groups(run)
        if groups:
            operation = _go_ahead(MissingSelection(run=run.pk, groups=groups, automatic=True), NEW_GROUPS)
    if operation is not None and not _told(operation):
        count = len(operation.parameters["groups"])
        _tell(operation, "a new group" if count == 1 else f"{count} new groups", NEW_GROUPS)
    return operation


def add_missing(platforms: Collection[Platform]) -> Operation | None:
    """Plan all the additions that rules ask for, as the latest audits saw it; the rest is as above.

    None also while an earlier one is not at its end, or still waits to be confirmed.
    """
    if not _any_rule_adds() or _under_way():
        return None
    selection = MissingSelection(platforms=tuple(platforms), automatic=True)
    operation = _go_ahead(selection, SCHEDULE)
    if operation is not None:
        _tell(operation, " and ".join(platform.label for platform in platforms), SCHEDULE)
    return operation


def describe_end(operation: Operation) -> str:
    """What came of an operation that nobody asked for: one line."""
    done = operation.steps.filter(state=StepState.DONE).count()
    state = OperationState(operation.state)
    return f"{operation} ({_people(operation.count)} to add, planned by itself) is {state}: {done} added."


@transaction.atomic
def _go_ahead(selection: MissingSelection, actor: Actor) -> Operation | None:
    """Plan it and, under the cap, confirm it; both or neither. None when there is nothing to do."""
    plan = plan_missing(selection)
    if not plan.count:
        return None
    operation = plan_operation(plan=plan, actor=actor)
    if _too_large(operation):
        return operation
    return confirm_operation(
        operation_id=operation.pk, plan_hash=operation.plan_hash, count=operation.count, actor=actor
    )


def _too_large(operation: Operation) -> str:
    """Why it has to wait for a person."""
    steps = tuple(planned(step) for step in operation.steps.all())
    return operation.over_cap or automatic_cap().exceeded_by(Plan(operation.kind, steps))


def _tell(operation: Operation, where: str, actor: Actor) -> None:
    are = "is" if operation.count == 1 else "are"
    what = f"{operation} adds {_people(operation.count)} who {are} missing in {where}"
    kind = NoticeKind.DONE_BY_ITSELF
    if reason := _too_large(operation):
        what += f", when somebody confirms it: {reason}"
        kind = NoticeKind.OPERATION_WAITING
    notify(what, kind=kind, actor=actor.name, operation_id=operation.pk)


def _planned_after(run: AuditRun) -> Operation | None:
    """What was planned for the new groups of `run` already."""
    return Operation.objects.filter(kind=missing.KIND, trigger=Trigger.EVENT, parameters__run=run.pk).first()


def _told(operation: Operation) -> bool:
    return ActivityEvent.objects.filter(action=ACTION, operation_id=operation.pk).exists()


def _new_groups(run: AuditRun) -> tuple[GroupKey, ...]:
    """The groups that no run before this one recorded, on the platforms that had been recorded before."""
    keys = first_results(run).order_by("pk").values_list("group__platform", "group__external_id")
    return tuple((Platform(platform), group_id) for platform, group_id in keys)


def _any_rule_adds() -> bool:
    return MembershipRule.objects.filter(auto_add=True, level=Level.REQUIRED).exists()


def _under_way() -> bool:
    waiting = Q(state=OperationState.PLANNED, expires_at__gt=timezone.now())
    scheduled = Operation.objects.filter(kind=missing.KIND, trigger=Trigger.SCHEDULE)
    return scheduled.filter(waiting | Q(state__in=UNDER_WAY)).exists()


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} people"
