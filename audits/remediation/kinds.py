"""The kinds of operations that change who is in the groups, as the engine learns them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.urls import reverse

from audits import services, tasks
from audits.additions.report import try_to_store_reports
from audits.models import Trigger as AuditTrigger
from audits.remediation import invitations, missing, pairs, people
from audits.remediation.automatic import describe_end
from audits.remediation.invitations import doubts_about, plan_invitations, unwanted_invitations
from audits.remediation.pairs import plan_removals, plan_returns, undo_additions, undo_removals
from audits.remediation.recheck import (
    unwanted_additions,
    unwanted_missing,
    unwanted_removals,
    unwanted_returns,
)
from audits.remediation.selections import MissingSelection, PairSelection, PeopleSelection, where_of
from audits.remediation.verification import survey, verification_of
from members.operations import kinds
from members.operations.account_connection import AccountConnection
from members.operations.connections import account_on
from members.operations.kinds import Connection, Kind, Link
from members.operations.membership import MembershipExecutor
from members.operations.messages import Letter, MessageExecutor
from members.operations.models import Operation, Trigger
from members.operations.notices import note
from members.operations.plan import Cap, Plan, Unit
from members.operations.states import StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform
from members.services import usernames_by_id
from telegram_ops import removal_plans, removals, rename_plans, renames
from telegram_ops.ownership import way_to_owners
from telegram_ops.removal_reports import REMOVAL_REPORT
from telegram_ops.rename_reports import RENAME_REPORT


def register_kinds() -> None:
    """Make them known. Called once, when the apps are ready."""
    verified = partial(Kind, survey=survey, finished=follow, see_also=checked_by)
    addition = partial(
        verified,
        done_word="added",
        fulfilled_outcome=Outcome.ALREADY_THERE,
        cap=Cap,
        connect=_for_additions,
        undo=undo_additions,
    )
    kinds.register(
        addition(
            name=missing.KIND,
            label="Add missing members",
            plan_again=lambda parameters: missing.plan_missing(MissingSelection.from_parameters(parameters)),
            unwanted=unwanted_missing,
        )
    )
    kinds.register(
        addition(
            name=people.KIND,
            label="Add people",
            plan_again=lambda parameters: people.plan_people(PeopleSelection.from_parameters(parameters)),
            unwanted=unwanted_additions,
            asked_for=lambda parameters: where_of(parameters).phrase,
        )
    )
    kinds.register(
        addition(
            name=pairs.BRING_BACK_KIND,
            label="Bring people back",
            plan_again=lambda parameters: plan_returns(PairSelection.from_parameters(parameters)),
            unwanted=unwanted_returns,
        )
    )
    kinds.register(
        Kind(
            name=invitations.KIND,
            label="Send invite links",
            done_word="sent",
            fulfilled_outcome=Outcome.ALREADY_THERE,
            cap=cap_of_messages,
            connect=_for_messages,
            plan_again=_plan_invitations_again,
            unwanted=unwanted_invitations,
            describe=lambda arguments: Letter.of(arguments).preview(),
            warn=doubts_about,
            finished=_note_in_report,
        )
    )
    kinds.register(
        verified(
            name=pairs.REMOVE_KIND,
            label="Remove people",
            done_word="removed",
            fulfilled_outcome=Outcome.ALREADY_GONE,
            cap=cap_of_removals,
            connect=removals.connect,
            plan_again=lambda parameters: plan_removals(PairSelection.from_parameters(parameters)),
            unwanted=unwanted_removals,
            undo=undo_removals,
            destructive=True,
            finished=_follow_removals,
        )
    )

    kinds.register(
        Kind(
            name=rename_plans.KIND,
            label="Rename groups",
            done_word="renamed",
            fulfilled_outcome=Outcome.ALREADY_THERE,
            cap=renames.cap_of_renames,
            connect=renames.connect,
            plan_again=renames.plan_again,
            unwanted=renames.unwanted_renames,
            undo=renames.undo_renames,
            describe=renames.describe_rename,
            warn=renames.warnings_about,
            pace=renames.pace_of_renames,
            finished=_follow_renames,
            see_also=checked_by,
        )
    )

    removal = partial(
        Kind,
        plan_again=removals.plan_removal_again,
        connect=removals.connect,
        survey=survey,
        see_also=checked_by,
        finished=_follow_removals,
    )
    kinds.register(
        removal(
            name=removal_plans.KIND,
            label="Remove from groups",
            done_word="taken out",
            fulfilled_outcome=Outcome.ALREADY_GONE,
            cap=removals.cap_of_removal,
            unwanted=removals.unwanted_removals,
            undo=removals.undo_removal,
            describe=removals.describe_removal,
            warn=removals.warnings_about,
            destructive=True,
            count_is_typed=True,
        )
    )
    kinds.register(
        removal(
            name=removals.LET_BACK_KIND,
            label="Let people back in",
            done_word="let back in",
            fulfilled_outcome=Outcome.ALREADY_THERE,
            cap=Cap,
            plan_again=removals.plan_let_back_again,
            unwanted=lambda steps: {},
            undo=removals.undo_let_back,
            warn=removals.warnings_about_returns,
        )
    )


def _follow_removals(operation_id: int) -> None:
    """The report is written, and an audit ends the findings of those who left."""
    REMOVAL_REPORT.try_to_store(Operation.objects.get(pk=operation_id))
    follow(operation_id)


def _follow_renames(operation_id: int) -> None:
    """The stored groups follow at once, the report is written, and an audit ends their findings."""
    operation = Operation.objects.get(pk=operation_id)
    renames.keep_names(operation)
    RENAME_REPORT.try_to_store(operation)
    follow(operation_id)


def cap_of_removals() -> Cap:
    """However many groups they are removed from, it is people who are gone."""
    return Cap(Unit.PEOPLE, count=settings.OPERATION_CAP_REMOVED_PEOPLE)


def cap_of_messages() -> Cap:
    """Telegram limits accounts that write to many who do not know them."""
    return Cap(Unit.PEOPLE, count=settings.OPERATION_CAP_MESSAGED_PEOPLE)


def follow(operation_id: int) -> None:
    """After an operation's end: the audit that verifies it, its report, notice where nobody watched."""
    operation = Operation.objects.get(pk=operation_id)
    tried = operation.steps.exclude(state=StepState.NOT_TRIED)
    run = verification_of(operation.pk)  # a process that died may have been here
    if run is None and tried.exists():
        run = services.request_audit(
            platforms=[Platform(name) for name in operation.platforms],
            trigger=AuditTrigger.EVENT,
            operation_id=operation.pk,
        )
    try_to_store_reports(operation)
    if run is not None and not run.finished:
        tasks.enqueue(run.pk)
    if operation.trigger in (Trigger.SCHEDULE, Trigger.EVENT):
        note(describe_end(operation), actor=operation.planned_by, operation_id=operation.pk)


def checked_by(operation_id: int) -> list[Link]:
    """For an operation's page: the audit that verifies it, and where to ask for the rights that it lacks."""
    ways = way_to_owners(operation_id)
    run = verification_of(operation_id)
    if run is None:
        return ways
    url = reverse("admin:audits_auditrun_change", args=[run.pk])
    return [Link("Checked by", f"{run} ({run.get_state_display().lower()})", url), *ways]


def _plan_invitations_again(parameters: Mapping[str, Any]) -> Plan:
    return plan_invitations(Operation.objects.get(pk=parameters["operation"]))


def _note_in_report(operation_id: int) -> None:
    """The report of the addition says who was sent a link instead."""
    invitation = Operation.objects.get(pk=operation_id)
    try_to_store_reports(Operation.objects.get(pk=invitation.parameters["operation"]))


def _for_messages(platform: Platform, connection: str) -> Connection:
    usernames = usernames_by_id(platform, connection)
    return AccountConnection(account_on(platform, connection), MessageExecutor, usernames=usernames)


def _for_additions(platform: Platform, connection: str) -> Connection:
    account, usernames = account_on(platform, connection), usernames_by_id(platform, connection)
    most = account.largest_invitation
    return AccountConnection(account, MembershipExecutor, batch_size=most, usernames=usernames)
