"""What plans by itself: rules that add by themselves, for new groups and on a schedule."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from audits.latest import speaking_runs
from audits.models import AuditRun, GroupResult
from audits.remediation import missing
from audits.remediation.facts import GroupKey
from audits.remediation.missing import plan_missing
from audits.remediation.notices import notify
from audits.remediation.selections import MissingSelection
from members.models import MembershipRule
from members.operations.models import Operation, Trigger
from members.operations.plan import Cap
from members.operations.services import Actor, confirm_operation, plan_operation
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
    when there is nothing to do. The first audit of a platform finds nothing new: all of it is.
    """
    groups = _new_groups(run) if _any_rule_adds() else ()
    if not groups:
        return None
    what = "a new group" if len(groups) == 1 else f"{len(groups)} new groups"
    return _go_ahead(MissingSelection(groups=tuple(groups), automatic=True), NEW_GROUPS, what)


def add_missing(platforms: Collection[Platform]) -> Operation | None:
    """Plan all the additions that rules ask for, as the latest audits saw it; the rest is as above.

    None also while an earlier one is not at its end, or still waits to be confirmed.
    """
    if not _any_rule_adds() or _under_way():
        return None
    selection = MissingSelection(platforms=tuple(platforms), automatic=True)
    return _go_ahead(selection, SCHEDULE, " and ".join(platform.label for platform in platforms))


def describe_end(operation: Operation) -> str:
    """What came of an operation that nobody asked for: one line."""
    done = operation.steps.filter(state=StepState.DONE).count()
    state = OperationState(operation.state)
    return f"{operation} ({_people(operation.count)} to add, planned by itself) is {state}: {done} added."


def _go_ahead(selection: MissingSelection, actor: Actor, where: str) -> Operation | None:
    plan = plan_missing(selection)
    if not plan.count:
        return None
    operation = plan_operation(plan=plan, actor=actor)
    too_large = operation.over_cap or automatic_cap().exceeded_by(plan)
    what = (
        f"{operation} adds {_people(plan.count)} who {'is' if plan.count == 1 else 'are'} missing in {where}"
    )
    if too_large:
        what += f", when somebody confirms it: {too_large}"
    else:
        operation = confirm_operation(
            operation_id=operation.pk, plan_hash=operation.plan_hash, count=operation.count, actor=actor
        )
    notify(what, actor=actor.name, operation_id=operation.pk)
    return operation


def _new_groups(run: AuditRun) -> list[GroupKey]:
    earlier = Exists(GroupResult.objects.filter(group=OuterRef("group")).exclude(run=run))
    results = GroupResult.objects.filter(
        ~earlier, run=run, group__platform__in=speaking_runs(before=run), group__in_scope=True
    )
    keys = results.order_by("pk").values_list("group__platform", "group__external_id")
    return [(Platform(platform), group_id) for platform, group_id in keys]


def _any_rule_adds() -> bool:
    return MembershipRule.objects.filter(auto_add=True, level=Level.REQUIRED).exists()


def _under_way() -> bool:
    waiting = Q(state=OperationState.PLANNED, expires_at__gt=timezone.now())
    scheduled = Operation.objects.filter(kind=missing.KIND, trigger=Trigger.SCHEDULE)
    return scheduled.filter(waiting | Q(state__in=UNDER_WAY)).exists()


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} people"
