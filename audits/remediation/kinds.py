"""The kinds of operations that change who is in the groups, as the engine learns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.urls import reverse

from audits import services, tasks
from audits.additions.report import try_to_store_reports
from audits.models import Trigger as AuditTrigger
from audits.remediation import missing, pairs, people
from audits.remediation.automatic import describe_end
from audits.remediation.notices import notify
from audits.remediation.pairs import plan_additions, plan_removals, undo_additions, undo_removals
from audits.remediation.recheck import unwanted_additions, unwanted_missing, unwanted_removals
from audits.remediation.selections import MissingSelection, PairSelection, PeopleSelection
from audits.remediation.verification import survey, verification_of
from members.models import Employee
from members.operations import kinds
from members.operations.connections import account_on
from members.operations.kinds import Connection, Kind, Link
from members.operations.membership import MembershipConnection
from members.operations.models import Operation, Trigger
from members.operations.plan import Cap, Plan, Unit
from members.operations.states import StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform


def register_kinds() -> None:
    """Make them known. Called once, when the apps are ready."""
    kinds.register(
        Kind(
            name=missing.KIND,
            label="Add missing members",
            done_word="added",
            fulfilled_outcome=Outcome.ALREADY_THERE,
            cap=Cap,
            connect=_for_additions,
            plan_again=lambda parameters: missing.plan_missing(MissingSelection.from_parameters(parameters)),
            unwanted=unwanted_missing,
            undo=undo_additions,
            survey=survey,
            finished=follow,
            see_also=checked_by,
        )
    )
    kinds.register(
        Kind(
            name=people.KIND,
            label="Add people",
            done_word="added",
            fulfilled_outcome=Outcome.ALREADY_THERE,
            cap=Cap,
            connect=_for_additions,
            plan_again=_plan_people_again,
            unwanted=unwanted_additions,
            undo=undo_additions,
            survey=survey,
            finished=follow,
            see_also=checked_by,
        )
    )
    kinds.register(
        Kind(
            name=pairs.KIND,
            label="Remove people",
            done_word="removed",
            fulfilled_outcome=Outcome.ALREADY_GONE,
            cap=cap_of_removals,
            connect=_for_removals,
            plan_again=lambda parameters: plan_removals(PairSelection.from_parameters(parameters)),
            unwanted=unwanted_removals,
            undo=undo_removals,
            survey=survey,
            finished=follow,
            see_also=checked_by,
            destructive=True,
        )
    )


def cap_of_removals() -> Cap:
    """However many groups they are removed from, it is people who are gone."""
    return Cap(Unit.PEOPLE, count=settings.OPERATION_CAP_REMOVED_PEOPLE)


def follow(operation_id: int) -> None:
    """After an operation's end: its report, the audit that verifies it, notice where nobody watched."""
    operation = Operation.objects.get(pk=operation_id)
    try_to_store_reports(operation)
    tried = operation.steps.exclude(state=StepState.NOT_TRIED)
    if tried.exists() and verification_of(operation.pk) is None:  # a process that died may have been here
        run = services.request_audit(
            platforms=[Platform(name) for name in operation.platforms],
            trigger=AuditTrigger.EVENT,
            operation_id=operation.pk,
        )
        tasks.enqueue(run.pk)
    if operation.trigger in (Trigger.SCHEDULE, Trigger.EVENT):
        notify(describe_end(operation), actor=operation.planned_by, operation_id=operation.pk)


def checked_by(operation_id: int) -> list[Link]:
    """The audit that verifies an operation, for the operation's page."""
    run = verification_of(operation_id)
    if run is None:
        return []
    url = reverse("admin:audits_auditrun_change", args=[run.pk])
    return [Link("Checked by", f"{run} ({run.get_state_display().lower()})", url)]


def _plan_people_again(parameters: Mapping[str, Any]) -> Plan:
    if "targets" in parameters:
        return plan_additions(PairSelection.from_parameters(parameters))
    return people.plan_people(PeopleSelection.from_parameters(parameters))


def _for_additions(platform: Platform) -> Connection:
    account = account_on(platform)
    usernames = _usernames(platform)
    return MembershipConnection(account, batch_size=account.largest_invitation, usernames=usernames)


def _for_removals(platform: Platform) -> Connection:
    return MembershipConnection(account_on(platform), batch_size=1, usernames=_usernames(platform))


def _usernames(platform: Platform) -> dict[str, str]:
    """The employees' usernames by their ids."""
    columns = f"{platform}_user_id", f"{platform}_username"
    rows = Employee.objects.exclude(**{columns[0]: None}).exclude(**{columns[1]: ""}).values_list(*columns)
    return {str(user_id): username for user_id, username in rows}
