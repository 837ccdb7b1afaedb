"""Bad days of the Telegram desk, through the wire: refusals, lost rights, long floods, groups that move."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from audits.remediation.people import plan_people
from audits.remediation.selections import PeopleSelection
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.world import TelegramChat
from members.models import Group
from members.operations import runner
from members.operations.models import Operation
from members.operations.plan import Plan
from members.platforms.types import Platform
from telegram_ops.ownership import groups_to_ask_for
from telegram_ops.removal_plans import RemovalSelection
from telegram_ops.removals import plan_removal
from telegram_ops.rename_selections import RenameSelection, Way
from telegram_ops.renames import plan_renames
from tests.audit_world import TINY, Office
from tests.remediation_world import confirmed, planned

THREE_HOURS = 3 * 3600


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """After its first audit."""
    office = Office(start_sandbox(build_company(TINY)))
    office.audit_first()
    return office


def ours(office: Office, kind: str) -> list[TelegramChat]:
    """The groups that belong to our account, with Bo in them."""
    account, bo = office.company.telegram_account_id, office.telegram_id("bo")
    chats = office.company.telegram.chats.values()
    return [
        chat
        for chat in chats
        if chat.creator == account and chat.kind == kind and bo in chat.members and not chat.migrated_to
    ]


def without_bo(*chats: TelegramChat) -> Plan:
    """A few groups are enough: each kick has a pause."""
    groups = tuple((Platform.TELEGRAM, str(chat.id)) for chat in chats)
    return plan_removal(RemovalSelection(("bo",), groups=groups))


def begun(plan: Plan) -> Operation:
    """One slice of it."""
    return runner.run_operation(confirmed(planned(plan)).pk)


def told(operation: Operation) -> dict[str, tuple[str, str]]:
    """Outcome and message by group."""
    return {step.group_id: (step.outcome, step.message) for step in operation.steps.all()}


def test_a_basic_group_that_telegram_refuses_costs_no_other_group(office: Office) -> None:
    for chat in ours(office, "supergroup")[:2]:
        chat.kind = "basic"
    unread, refused, gone, last = ours(office, "basic")
    plan = without_bo(unread, refused, gone, last)
    for method, chat, fault in (
        ("GetFullChat", unread, "CHAT_ID_INVALID"),
        ("DeleteChatUser", refused, "CHAT_ADMIN_REQUIRED"),
        ("DeleteChatUser", gone, "USER_NOT_PARTICIPANT"),
    ):
        office.telegram.script.add(
            method, RpcFault(fault), times=None, when=lambda fields, id=chat.id: fields["chat_id"] == id
        )
    operation = begun(plan)

    ended = told(operation)
    assert [ended[str(chat.id)][0] for chat in (unread, refused, gone, last)] == [
        "group_not_found",
        "admin_rights_needed",
        "already_gone",
        "done",
    ]
    assert operation.state == "partial"
    assert office.telegram_id("bo") in unread.members


def test_a_right_that_is_lost_half_way_is_told_and_asked_for(office: Office) -> None:
    basic = ours(office, "basic")[0]
    plan = without_bo(*ours(office, "supergroup")[:4], basic)
    groups = [step.target.group_id for step in plan.steps]
    first, second, *rest = (group for group in groups if group != str(basic.id))
    office.telegram.script.add("EditBanned", RpcFault("CHAT_ADMIN_REQUIRED"), skip=3, times=None)
    operation = begun(plan)

    ended = told(operation)
    assert ended[first] == ("done", "")
    assert ended[second][0] == "done"
    assert "a ban keeps them from coming back until" in ended[second][1], "it went between ban and unban"
    assert {ended[group][0] for group in rest} == {"admin_rights_needed"}
    assert ended[str(basic.id)] == ("done", "")
    assert operation.state == "partial"
    assert set(rest) <= set(groups_to_ask_for(operation))


def test_a_flood_of_three_hours_gives_the_worker_back_and_nothing_is_done_twice(office: Office) -> None:
    plan = without_bo(*ours(office, "supergroup")[:3])
    office.telegram.script.add("EditBanned", RpcFault(f"FLOOD_WAIT_{THREE_HOURS}"), skip=2)
    operation = begun(plan)

    assert (operation.state, operation.owner) == ("waiting", "")
    assert operation.resume_at is not None
    assert abs((operation.resume_at - timezone.now()).total_seconds() - THREE_HOURS) < 60
    asked = office.telegram.calls.total
    assert runner.recover_operations() == []
    assert office.telegram.calls.total == asked, "nobody knocks before it is time"

    waited = {name: part | {"until": timezone.now().isoformat()} for name, part in operation.parts.items()}
    Operation.objects.filter(pk=operation.pk).update(resume_at=timezone.now(), parts=waited)
    operation = runner.run_operation(operation.pk)
    assert operation.state == "done"
    kicks = [write for write in office.telegram.writes.effects() if "view_messages" in write.subject]
    assert len(kicks) == len({(write.target, write.subject) for write in kicks})


def test_a_basic_group_that_moved_since_the_plan_is_left_alone_by_everything(office: Office) -> None:
    moving, new = ours(office, "basic")[0], ours(office, "supergroup")[0]
    key = Platform.TELEGRAM, str(moving.id)
    Group.objects.filter(external_id=str(moving.id)).update(may_invite=True)
    eve = office.telegram_id("eve")
    moving.members.pop(eve, None)
    office.audit("--platform=telegram")
    plans = [
        plan_people(PeopleSelection(("eve",), groups=(key,))),
        plan_renames(RenameSelection(Way.MAPPING, mapping={f"telegram:{moving.id}": "Renamed Example"})),
        plan_removal(RemovalSelection(("bo",), groups=(key,))),
    ]
    assert [plan.count for plan in plans] == [1, 1, 1]

    office.telegram.run(lambda: setattr(moving, "migrated_to", new.id))
    for plan in plans:
        (ended,) = told(begun(plan)).values()
        assert ended[0] == "group_not_found", plan.kind
        assert ended[1].startswith("The group has become a supergroup"), plan.kind
    assert office.telegram.writes.effects() == []
