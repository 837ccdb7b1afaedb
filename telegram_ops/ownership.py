"""Asking for groups that belong to somebody else: plan, check again, and write down who was asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from members.models import Group
from members.operations import kinds
from members.operations.account_connection import AccountConnection
from members.operations.connections import account_on
from members.operations.kinds import Connection, Kind, Link
from members.operations.messages import Letter, MessageExecutor
from members.operations.models import Operation
from members.operations.plan import Cap, Plan, PlannedStep, Skipped, Target, Unit
from members.operations.services import OperationRefused, skipped_of
from members.platforms.outcomes import Outcome
from members.platforms.types import AdminStatus, Platform
from telegram_ops.administrators import (
    IN_A_PAGE,
    TURN_PATIENCE,
    Reading,
    people_of,
    read_administrators,
    stale_of,
)
from telegram_ops.gateway import account_in_use
from telegram_ops.ownership_files import try_to_store_report
from telegram_ops.ownership_models import OPEN, GroupAdministrators, OwnershipTemplate
from telegram_ops.ownership_plans import (
    KIND,
    Author,
    GroupToAsk,
    OwnershipSelection,
    WhyNot,
    draw_up,
    may_more,
    topics_of,
)
from telegram_ops.ownership_requests import asked_before, being_asked, keep_requests, sent_lately, settle
from telegram_ops.ownership_texts import BUILT_IN, REMINDER, REQUEST, Template
from telegram_ops.removal_plans import FOR_THE_OWNER
from telegram_ops.removal_plans import WhyNot as WhyNotRemoved
from telegram_ops.rename_plans import KIND as RENAME_KIND
from telegram_ops.rename_plans import Candidate, groups_called

POWERLESS = (AdminStatus.MEMBER, AdminStatus.UNKNOWN)
NAMED = 5
"""How many groups a warning names."""


def plan_requests(
    selection: OwnershipSelection, *, seconds: float = IN_A_PAGE, turn_patience: float = TURN_PATIENCE
) -> Plan:
    """A message to each person who runs one of the groups, after reading who that is.

    `skipped` says of every other group why, with a `WhyNot`; where the time was not enough the next plan
    goes on. Raises OperationRefused when there is no such template.
    """
    template = template_called(selection.template or (REMINDER if selection.remind else REQUEST))
    settle()
    groups, lost = chosen_groups(selection)
    reading = read_administrators(worth_reading(groups), seconds=seconds, turn_patience=turn_patience)
    return _drawn_up(selection, template, groups, lost, reading)


def plan_again(parameters: Mapping[str, Any]) -> Plan:
    """The same, of the groups as they are now. Raises OperationRefused."""
    return plan_requests(OwnershipSelection.from_parameters(parameters))


def left_to_read(selection: OwnershipSelection) -> list[Group]:
    """The groups of which a plan would have to read who runs them."""
    groups, _ = chosen_groups(selection)
    return stale_of(worth_reading(groups))


def worth_reading(groups: Iterable[Group]) -> list[Group]:
    """Those for which somebody could be asked by the account in use."""
    return [
        group
        for group in groups
        if _is_seen(group) and group.admin_status != AdminStatus.OWNER and not group.connection
    ]


def chosen_groups(selection: OwnershipSelection) -> tuple[list[Group], dict[str, str]]:
    """The groups that are meant, and the words that lead to no one group, with the reason."""
    everybody = Group.objects.filter(platform=Platform.TELEGRAM)
    if selection.groups or selection.names:
        rows = list(everybody)
        candidates = [Candidate(Platform.TELEGRAM, row.external_id, row.name) for row in rows]
        found, lost = groups_called(selection.names, candidates)
        ids = {*selection.groups, *(group.id for group in found)}
        return [row for row in rows if row.external_id in ids], lost
    if selection.remind:
        return list(everybody.filter(ownership_requests__state__in=OPEN).distinct()), {}
    return list(groups_without_rights()), {}


def groups_without_rights() -> QuerySet[Group]:
    """All Telegram groups in scope that our account sees and in which it is no admin."""
    return Group.objects.filter(
        platform=Platform.TELEGRAM,
        in_scope=True,
        visible=True,
        archived=False,
        admin_status__in=POWERLESS,
    )


def words_left_out(plan: Plan) -> tuple[Skipped, ...]:
    """The names that were written down and lead to no group, or to several."""
    return tuple(line for line in plan.skipped if line.code == WhyNot.NO_SUCH_GROUP)


def template_called(key: str) -> Template:
    """The template as somebody edited it, or as it is built in. Raises OperationRefused."""
    row = OwnershipTemplate.objects.filter(key=key).first()
    if row is not None:
        return as_template(row)
    for template in BUILT_IN:
        if template.key == key:
            return template
    known = sorted({*OwnershipTemplate.objects.values_list("key", flat=True), *(t.key for t in BUILT_IN)})
    raise OperationRefused(f"There is no template {key!r}. There are: {', '.join(known)}.")


def as_template(row: OwnershipTemplate) -> Template:
    """The row as plain data."""
    return Template(row.key, row.name, row.text, row.sender, tuple(row.rights))


def author_of(template: Template) -> Author:
    """In whose name it is written: the account in use, else the one that read last who runs a group."""
    account = account_in_use()
    name = username = ""
    if account is not None:
        name, username = account.name, f"@{account.username}" if account.username else account.name
    if not username:
        row = GroupAdministrators.objects.order_by("-read_at").first()
        name, username = (row.account_name, row.account) if row is not None else ("", "this account")
    return Author(template, username, name or username, timezone.now(), remind_after())


def remind_after() -> timedelta:
    """How long nobody is reminded."""
    return timedelta(days=settings.OWNERSHIP_REMINDER_DAYS)


def unwanted_requests(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """Which of the messages (by index) are not to be sent any more, and why: asked right before each."""
    asked, sent = asked_before(), sent_lately()
    ids = {topic.id for step in steps for topic in topics_of(step.arguments)}
    stored = Group.objects.filter(platform=Platform.TELEGRAM, external_id__in=ids)
    status = dict(stored.values_list("external_id", "admin_status"))
    unwanted = {}
    for at, step in enumerate(steps):
        for topic in topics_of(step.arguments):
            pair = topic.id, step.target.user_id
            last = asked.get(pair)
            if pair in sent or (last.at.isoformat() if last else "") != topic.asked:
                unwanted[at] = f"{topic.name}: they have been asked for it meanwhile. Plan again."
            elif may_more(AdminStatus(status.get(topic.id, AdminStatus.UNKNOWN)), topic.status) or (
                last is not None and not last.open
            ):
                unwanted[at] = f"{topic.name}: that is settled by now. Plan again."
    return unwanted


def warnings_about(steps: Sequence[PlannedStep]) -> list[str]:
    """Where somebody else than the owner is asked, and why; one sentence for each reason."""
    by_reason: dict[str, list[str]] = {}
    for step in steps:
        for topic in topics_of(step.arguments):
            if topic.why:
                by_reason.setdefault(topic.why, []).append(topic.name)
    return [f"{why} An admin is asked instead: {_listed(names)}." for why, names in by_reason.items()]


def groups_to_ask_for(operation: Operation) -> tuple[str, ...]:
    """The ids of the Telegram groups in which an operation lacks a right that their owners could give."""
    left_out = [line for line in skipped_of(operation) if line.target.platform is Platform.TELEGRAM]
    codes = FOR_THE_OWNER | {WhyNotRemoved.IS_OWNER}
    ids = {line.target.group_id for line in left_out if line.code in codes}
    if operation.kind == RENAME_KIND:
        named = [line.target.group_id for line in left_out]
        powerless = Group.objects.filter(
            platform=Platform.TELEGRAM, external_id__in=named, may_rename=False, visible=True
        )
        ids |= set(powerless.values_list("external_id", flat=True))
    failed = operation.steps.filter(platform=Platform.TELEGRAM, outcome=Outcome.ADMIN_RIGHTS_NEEDED)
    ids |= set(failed.values_list("group_id", flat=True))
    return tuple(sorted(ids - {""}))


def way_to_owners(operation_id: int) -> list[Link]:
    """For the page of an operation that lacks rights: where to ask for them."""
    operation = Operation.objects.get(pk=operation_id)
    count = len(groups_to_ask_for(operation))
    if operation.kind == KIND or not count:
        return []
    label = "ask the owner of 1 group" if count == 1 else f"ask the owners of {count:,} groups"
    url = reverse("admin:telegram_ops_ownershiprequest_ask")
    return [Link("Where we have no right", label, f"{url}?operation={operation_id}")]


def register_kind() -> None:
    """Make it known. Called once, when the apps are ready."""
    kinds.register(
        Kind(
            name=KIND,
            label="Request ownership",
            done_word="sent",
            fulfilled_outcome=Outcome.ALREADY_THERE,
            cap=lambda: Cap(Unit.PEOPLE, count=settings.OPERATION_CAP_MESSAGED_PEOPLE),
            connect=_connect,
            plan_again=plan_again,
            unwanted=unwanted_requests,
            describe=lambda arguments: Letter.of(arguments).preview(),
            warn=warnings_about,
            finished=_conclude,
            see_also=_ways_to_copy,
        )
    )


def _conclude(operation_id: int) -> None:
    operation = Operation.objects.get(pk=operation_id)
    keep_requests(operation)
    try_to_store_report(operation)


def _ways_to_copy(operation_id: int) -> list[Link]:
    if not Operation.objects.filter(pk=operation_id, count__gt=0).exists():
        return []
    url = reverse("admin:telegram_ops_ownershiprequest_messages", args=[operation_id])
    return [Link("To send by hand", "copy the messages", url)]


def _connect(platform: Platform, connection: str) -> Connection:
    """The usernames of those who run groups are a way to whom the account never met."""
    people = (each for row in GroupAdministrators.objects.all() for each in people_of(row))
    usernames = {each.user.id: each.user.username for each in people if each.user.username}
    return AccountConnection(account_on(platform, connection), MessageExecutor, usernames=usernames)


def _drawn_up(
    selection: OwnershipSelection,
    template: Template,
    groups: Sequence[Group],
    lost: Mapping[str, str],
    reading: Reading,
) -> Plan:
    rows = {row.group_id: row for row in GroupAdministrators.objects.filter(group__in=groups)}
    stale = {group.pk for group in stale_of(groups)}
    trouble = f"{reading.error} " if reading.error is not None else ""
    unread = f"{trouble}Nobody has read yet who runs it: look at a new plan, which goes on reading."
    asked = asked_before()
    return draw_up(
        [_as_group_to_ask(group, rows.get(group.pk), group.pk in stale, unread) for group in groups],
        asked,
        being_asked(),
        author_of(template),
        selection=selection,
        skipped=[
            Skipped(Target(Platform.TELEGRAM, "", word), reason, WhyNot.NO_SUCH_GROUP)
            for word, reason in lost.items()
        ],
    )


def _as_group_to_ask(
    group: Group, row: GroupAdministrators | None, is_stale: bool, unread: str
) -> GroupToAsk:
    told = row is not None and not is_stale and not row.trouble
    if group.connection:
        told, is_stale, unread = False, True, _THROUGH_ANOTHER
    return GroupToAsk(
        group.external_id,
        group.name,
        AdminStatus(group.admin_status),
        visible=_is_seen(group),
        people=people_of(row) if row is not None and told else None,
        trouble=row.trouble if row is not None and not is_stale and row.trouble else unread,
    )


_THROUGH_ANOTHER = (
    "It is reached through another account than the one in use: ask its owner by hand, in that one's name."
)


def _is_seen(group: Group) -> bool:
    return group.visible and not group.archived


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
