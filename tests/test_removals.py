"""Taking a person out of groups: the plan, each step, the way back. Through the wire, on both platforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from pytest_django import Settings

from audits.models import Finding
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat, TelegramUser
from members.models import Employee
from members.operations import lease, runner
from members.operations.models import Operation
from members.operations.plan import Plan
from members.operations.services import plan_again, skipped_of, undo_operation
from members.platforms.types import (
    AdminStatus,
    GroupKind,
    Platform,
    PlatformGroup,
    PlatformUser,
    Privacy,
    Role,
    Standing,
)
from members.policy import EmployeeStatus, FindingKind
from telegram_ops.references import PersonUnclear, Sought
from telegram_ops.removal_plans import RemovalSelection, Way, WhyNot, draw_up
from telegram_ops.removals import plan_removal, unwanted_removals
from telegram_ops.sightings import Found, Look, Place
from tests.audit_world import TINY, Office
from tests.command_line import run
from tests.remediation_world import OPERATOR, carried_out, confirmed, outcomes, planned
from tests.visitors import client_of

SLACK, TELEGRAM = Platform.SLACK, Platform.TELEGRAM
EVERYWHERE = (SLACK, TELEGRAM)


# What is planned, and what is left out


def place(number: int, *, may_remove: bool, kind: GroupKind, standing: Standing | None) -> Place:
    group = PlatformGroup(
        TELEGRAM,
        str(number),
        f"Group {number}",
        kind,
        Privacy.PRIVATE,
        AdminStatus.ADMIN if may_remove else AdminStatus.MEMBER,
        may_remove=may_remove,
    )
    return Place(group, standing, None)


standings = st.builds(
    Standing, st.sampled_from([Role.OWNER, Role.ADMIN, Role.MEMBER]), st.none(), st.booleans()
)
places = st.lists(
    st.tuples(st.booleans(), st.sampled_from([GroupKind.BASIC, GroupKind.SUPERGROUP]), st.none() | standings),
    max_size=8,
)


@given(places, st.sampled_from(Way), st.booleans())
def test_every_group_is_either_planned_or_left_out_for_a_reason(
    drawn: Sequence[Any], way: Way, include_admins: bool
) -> None:
    seen = [
        place(number, may_remove=may, kind=kind, standing=standing)
        for number, (may, kind, standing) in enumerate(drawn, 1)
    ]
    look = Look(TELEGRAM, PlatformUser(TELEGRAM, "900"), own_id="1")
    found = Found(Sought("@una"), (look,), tuple(seen))
    selection = RemovalSelection(("@una",), way=way, include_admins=include_admins)

    plan = draw_up(selection, [found], [], reach=1)

    steps = {step.target.group_id: step for step in plan.steps}
    skipped = {line.target.group_id: line.code for line in plan.skipped}
    assert sorted([*steps, *skipped]) == sorted(each.group.id for each in seen)
    for each in seen:
        step = steps.get(each.group.id)
        if step is None:
            continue
        assert each.group.may_remove
        assert each.role is not Role.OWNER
        if each.standing is not None and each.role is Role.ADMIN:
            assert include_admins
            assert each.standing.editable
        bans = way is Way.BAN and each.group.kind is GroupKind.SUPERGROUP
        assert step.verb == ("ban" if bans else "remove")
    for each in seen:
        if not each.group.may_remove:
            assert skipped[each.group.id] == WhyNot.ASK_THE_OWNER
    assert RemovalSelection.from_parameters(plan.parameters) == selection


# A company


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """After its first audit."""
    office = Office(start_sandbox(build_company(TINY)))
    office.audit_first()
    return office


def chats_of(office: Office, user_id: int) -> dict[str, TelegramChat]:
    account = office.company.telegram_account_id
    return {
        str(chat.id): chat
        for chat in office.company.telegram.chats.values()
        if {account, user_id} <= chat.members.keys() and chat.kind != "broadcast" and not chat.migrated_to
    }


def may_remove(office: Office, chat: TelegramChat) -> bool:
    rights = chat.rights_of(office.company.telegram_account_id)
    return rights is not None and rights.ban_users


def channels_of(office: Office, user_id: str) -> set[str]:
    return {key for key, channel in office.company.slack.channels.items() if user_id in channel.members}


def codes(plan: Plan) -> dict[str, str]:
    return {line.target.group_id: line.code for line in plan.skipped}


def run_to_its_end(operation: Operation) -> Operation:
    return runner.run_operation(confirmed(operation).pk)


class TestRemoving:
    def test_takes_them_out_wherever_we_may_and_back_again(self, office: Office) -> None:
        bo, slack_bo = office.telegram_id("bo"), office.slack_id("bo")
        before, channels = chats_of(office, bo), channels_of(office, slack_bo)
        ours = {key: chat for key, chat in before.items() if may_remove(office, chat)}
        assert {chat.kind for chat in ours.values()} == {"basic", "supergroup"}

        plan = plan_removal(RemovalSelection(("bo",), EVERYWHERE))
        operation = carried_out(plan)

        assert operation.state == "done"
        assert chats_of(office, bo).keys() == before.keys() - ours.keys()
        assert not any(bo in chat.banned for chat in ours.values() if chat.kind == "supergroup")
        for key in before.keys() - ours.keys():
            assert codes(plan)[key] == WhyNot.ASK_THE_OWNER
        left = channels_of(office, slack_bo)
        assert {codes(plan).get(key, "not seen") for key in left} <= {
            WhyNot.GENERAL,
            WhyNot.ASK_THE_OWNER,
            "not seen",
        }
        assert [report.format for report in operation.reports.all()] == ["md", "xlsx"]
        sheet = load_workbook(operation.reports.get(format="xlsx").file.path)["Removals"]
        assert sheet.max_row == 1 + operation.count + len(plan.skipped)
        stored = {line.code for line in skipped_of(operation)}
        assert WhyNot.ASK_THE_OWNER in stored, "what ownership requests go by survives in the record"

        undo = run_to_its_end(undo_operation(operation=operation, actor=OPERATOR))

        assert (undo.kind, undo.state) == ("let_back", "done")
        assert (chats_of(office, bo), channels_of(office, slack_bo)) == (before, channels)

    def test_a_ban_keeps_them_out_of_supergroups_and_is_lifted_by_the_undo(self, office: Office) -> None:
        bo = office.telegram_id("bo")
        before = chats_of(office, bo)
        ours = {key: chat for key, chat in before.items() if may_remove(office, chat)}

        plan = plan_removal(RemovalSelection(("bo",), way=Way.BAN))
        operation = run_to_its_end(planned(plan))

        assert {step.target.group_id: step.verb for step in plan.steps} == {
            key: "ban" if chat.kind == "supergroup" else "remove" for key, chat in ours.items()
        }
        banned = {key for key, chat in ours.items() if chat.kind == "supergroup"}
        assert {key for key in banned if bo in ours[key].banned} == banned
        assert not any(bo in ours[key].ban_ends for key in banned), "for ever"

        undo = run_to_its_end(undo_operation(operation=operation, actor=OPERATOR))

        assert (undo.state, chats_of(office, bo)) == ("done", before)
        assert not any(bo in chat.banned for chat in ours.values())

    def test_admins_go_only_when_that_was_said_and_owners_never(self, office: Office) -> None:
        bo, account = office.telegram_id("bo"), office.company.telegram_account_id
        owned = [chat for chat in chats_of(office, bo).values() if chat.creator == account]
        lesser = next(
            chat
            for chat in chats_of(office, bo).values()
            if account in chat.admins and chat.kind == "supergroup" and bo != chat.creator
        )
        theirs = next(chat for chat in owned if chat.kind == "supergroup")
        led = [chat for chat in owned if chat is not theirs][:3]

        def promote() -> None:
            theirs.creator, theirs.admins[account] = bo, AdminRights()
            for chat in (*led, lesser):
                chat.admins[bo] = AdminRights()

        office.telegram.run(promote)

        shy = plan_removal(RemovalSelection(("bo",)))
        bold = plan_removal(RemovalSelection(("bo",), include_admins=True))

        assert codes(shy)[str(theirs.id)] == codes(bold)[str(theirs.id)] == WhyNot.IS_OWNER
        for chat in led:
            assert codes(shy)[str(chat.id)] == WhyNot.IS_ADMIN
        assert codes(shy)[str(lesser.id)] == WhyNot.IS_ADMIN
        assert codes(bold)[str(lesser.id)] == WhyNot.ADMIN_OF_OTHERS
        operation = run_to_its_end(planned(bold))
        assert operation.state == "done"
        assert not any(bo in chat.members for chat in led)
        assert bo in lesser.members

    def test_nobody_is_called_banned_whom_telegram_did_not_ban(self, office: Office) -> None:
        office.telegram.script.add("EditBanned", RpcFault("USER_NOT_PARTICIPANT"))

        operation = run_to_its_end(planned(plan_removal(RemovalSelection(("bo",), way=Way.BAN))))

        assert operation.state == "partial"
        assert operation.steps.get(state="failed").outcome == "refused"

    def test_each_step_looks_again(self, office: Office) -> None:
        """Who became an admin or owner, left, or whose group moved since the plan was made."""
        bo, account = office.telegram_id("bo"), office.company.telegram_account_id
        ours = [chat for chat in chats_of(office, bo).values() if chat.creator == account]
        supers = [chat for chat in ours if chat.kind == "supergroup"]
        basic = next(chat for chat in ours if chat.kind == "basic")
        promoted, crowned, gone, powerless = supers[:4]
        operation = planned(plan_removal(RemovalSelection(("bo",))))

        def change() -> None:
            promoted.admins[bo] = AdminRights()
            crowned.creator, crowned.admins[account] = bo, AdminRights()
            powerless.creator = None
            basic.migrated_to = supers[5].id

        office.telegram.run(change)
        office.telegram.leave(gone.id, bo)
        operation = run_to_its_end(operation)

        ended = {group_id: outcome for (_, group_id, _), (outcome, _) in outcomes(operation).items()}
        assert ended[str(promoted.id)] == ended[str(crowned.id)] == "changed_meanwhile"
        assert ended[str(gone.id)] == "already_gone"
        assert ended[str(powerless.id)] == "admin_rights_needed"
        assert ended[str(basic.id)] in ("group_not_found", "already_gone")
        assert bo in promoted.members
        assert operation.state == "partial"

    def test_a_leaver_who_is_none_any_more_stays(self, office: Office) -> None:
        Employee.objects.filter(key="bo").update(status=EmployeeStatus.OFFBOARDED)
        plan = plan_removal(RemovalSelection(("bo",)))
        assert unwanted_removals(plan.steps) == {}

        Employee.objects.filter(key="bo").update(status=EmployeeStatus.ACTIVE)
        operation = run_to_its_end(planned(plan))

        assert {outcome for outcome, _ in outcomes(operation).values()} == {"changed_meanwhile"}

    def test_an_account_that_was_entered_wrongly_stays(self, office: Office) -> None:
        plan = plan_removal(RemovalSelection(("bo",)))
        Employee.objects.filter(key="bo").update(telegram_user_id=7_888_000_002)

        operation = run_to_its_end(planned(plan))

        assert {outcome for outcome, _ in outcomes(operation).values()} == {"changed_meanwhile"}
        assert (
            office.telegram_id("bo")
            in office.company.telegram.chats[int(plan.steps[0].target.group_id)].members
        )

    def test_whoever_had_left_before_their_ban_is_not_invited_when_it_is_lifted(self, office: Office) -> None:
        bo = office.telegram_id("bo")
        left = next(
            chat
            for chat in chats_of(office, bo).values()
            if chat.kind == "supergroup" and may_remove(office, chat)
        )
        operation = planned(plan_removal(RemovalSelection(("bo",), way=Way.BAN)))
        office.telegram.leave(left.id, bo)
        operation = run_to_its_end(operation)
        assert bo in left.banned

        undo = undo_operation(operation=operation, actor=OPERATOR)
        again = plan_again(operation=undo, actor=OPERATOR)
        assert again.plan_hash == undo.plan_hash
        undo = run_to_its_end(again)

        assert undo.state == "done"
        assert bo not in left.banned
        assert bo not in left.members

    def test_a_busy_account_is_no_reason_to_wait_for_a_plan(self, office: Office) -> None:
        hold = lease.take_account(TELEGRAM, owner="another-machine:1:audit")
        assert hold is not None
        plan = plan_removal(RemovalSelection(("bo",)), turn_patience=0)

        assert plan.count
        assert "what the audit of" in next(line.reason for line in plan.skipped if line.code == WhyNot.UNREAD)
        lease.release(hold)
        operation = run_to_its_end(planned(plan))
        assert {outcome for outcome, _ in outcomes(operation).values()} <= {"done", "admin_rights_needed"}

    def test_nobody_is_removed_by_a_name_that_moved_on(self, office: Office) -> None:
        world = office.company.telegram
        bo = world.users[office.telegram_id("bo")]
        name = bo.usernames[0]

        def move() -> None:
            bo.usernames[:] = ["bo_renamed"]
            world.add_user(TelegramUser(7_888_000_001, "Una", "Newcomer", [name]))

        office.telegram.run(move)

        with pytest.raises(PersonUnclear, match="may be somebody else's"):
            plan_removal(RemovalSelection((f"@{name}",)))
        plan = plan_removal(RemovalSelection(("bo",)))
        assert {step.target.user_id for step in plan.steps} == {str(bo.id)}


class TestTheCommand:
    def test_only_plans_until_it_may_and_then_verifies(self, office: Office) -> None:
        kim = office.telegram_id("kim")
        target = office.chat(lambda truth, chat: may_remove(office, chat) and chat.kind == "supergroup")
        office.telegram.join(target.id, kim)
        office.audit()
        departed = Finding.objects.filter(kind=FindingKind.DEPARTED_MEMBER_PRESENT, state="open")
        assert departed.filter(group_external_id=str(target.id)).exists()

        dry = run("remove_member", "kim")
        assert (dry.code, dry.document["state"]) == (0, "planned")
        assert kim in target.members

        done = run("remove_member", "kim", "--yes")

        assert (done.code, done.complaint) == (0, "")
        assert kim not in target.members
        assert not departed.filter(group_external_id=str(target.id)).exists()
        assert any("member_removals_kim_" in line for line in done.lines)

    def test_a_file_names_the_groups_and_no_name_is_guessed(self, office: Office, tmp_path: Path) -> None:
        bo = office.telegram_id("bo")
        ours = [chat for chat in chats_of(office, bo).values() if may_remove(office, chat)]
        named, by_id, first, second = ours[:4]

        def rename() -> None:
            first.title = second.title = "Twins Example"

        office.telegram.run(rename)
        file = tmp_path / "groups.txt"
        file.write_text(f"# \n{named.title.upper()}\n{by_id.id}\nTwins Example\n", encoding="utf-8")

        told = run("remove_member", "bo", f"--groups={file}", "--yes")

        assert told.code == 3
        assert "2 groups are called so: write the id" in told.printed
        assert {step["group"] for step in told.document["steps"]} == {str(named.id), str(by_id.id)}
        assert bo in first.members
        assert bo in second.members
        file.write_text("Twins Example\n", encoding="utf-8")
        assert run("remove_member", "bo", f"--groups={file}").code == 2

    def test_more_people_than_the_cap_need_the_typed_count(self, office: Office) -> None:
        refused = run("remove_member", "bo", "cy", "di", "eve", "--yes")

        assert (refused.code, refused.document["state"]) == (2, "refused")
        assert "4 people are more than the 3 allowed at once." in refused.complaint

    def test_what_could_not_be_read_is_no_success(self, office: Office, settings: Settings) -> None:
        office.telegram.script.add("GetCommonChats", RpcFault("FLOOD_WAIT_600"))
        told = run("remove_member", "bo", "--yes", "--platform=all")
        assert (told.code, told.document["state"]) == (3, "done")
        assert "There may be more to do. Telegram asks for a pause of 600 seconds" in told.complaint

        settings.TELEGRAM_SESSION = ""
        told = run("remove_member", "@some_stranger")
        assert told.code == 4
        assert "Nobody is signed in to Telegram" in told.complaint

    def test_says_that_it_does_not_know_somebody(self, office: Office) -> None:
        told = run("remove_member", "@nobody_has_this")

        assert (told.code, told.complaint) == (2, "Nobody on Telegram has the username @nobody_has_this.")


class TestThePages:
    def test_one_form_leads_to_a_plan_that_a_typed_count_confirms(self, office: Office) -> None:
        client = client_of("run_operation", "confirm_removals")
        address = reverse("admin:remove_person")
        assert 'value="kim"' in client.get(address, {"person": "kim"}).content.decode()

        answer = {"plan": "1", "person": "bo", "platforms": ["telegram", "slack"], "way": "ban"}
        response = client.post(address, answer)

        operation = Operation.objects.get()
        page = reverse("admin:operations_operation_change", args=[operation.pk])
        assert response["Location"] == page
        assert operation.parameters["way"] == "ban"
        html = client.get(page).content.decode()
        assert 'name="typed_count"' in html
        assert "Bo Sample is not marked as offboarded" in html
        assert "basic groups know no bans" in html
        confirm = reverse("admin:operations_operation_confirm", args=[operation.pk])
        binding = {"plan_hash": operation.plan_hash, "count": operation.count}
        said = [str(each) for each in get_messages(client.post(confirm, binding).wsgi_request)]
        assert said == [f"Nothing was done. To confirm it, type the count: {operation.count}."]
        client.post(confirm, binding | {"typed_count": operation.count})
        operation.refresh_from_db()
        assert operation.state == "confirmed"
        again = plan_again(operation=operation, actor=OPERATOR)
        assert again.plan_hash == operation.plan_hash

    def test_what_was_chosen_where_they_were_found_is_all_that_is_planned(self, office: Office) -> None:
        client = client_of("run_operation", "find_person")
        bo = office.telegram_id("bo")
        key = next(key for key, chat in chats_of(office, bo).items() if may_remove(office, chat))
        address = reverse("admin:remove_person")
        chosen = {"person": "bo", "groups": [f"telegram:{key}"]}

        form = client.post(address, chosen | {"from": "chosen"}).content.decode()
        assert f'name="groups" value="telegram:{key}"' in form
        everywhere = client.post(address, chosen | {"from": "all"}).content.decode()
        assert 'name="groups"' not in everywhere
        refused = client.post(address, {"person": "bo", "from": "chosen"})
        assert refused["Location"] == f"{reverse('admin:find_person')}?q=bo"
        assert [str(each) for each in get_messages(refused.wsgi_request)] == [
            "No group is chosen: tick some, or remove them from all groups."
        ]
        nowhere = client.post(
            address, {"person": "lou", "plan": "1", "platforms": ["telegram"], "way": "remove"}
        )
        assert nowhere["Location"] == f"{address}?person=lou", "the form still says who it was"
        assert not Operation.objects.exists()
        client.post(address, chosen | {"plan": "1", "platforms": ["telegram"], "way": "remove"})

        assert list(Operation.objects.get().steps.values_list("group_id", flat=True)) == [key]

    def test_whoever_may_not_plan_sees_none_of_it(self, db: None) -> None:
        client = client_of()

        assert client.get(reverse("admin:remove_person")).status_code == 403

    def test_findings_of_those_who_left_become_exactly_their_removal(self, office: Office) -> None:
        client = client_of("run_operation")
        findings = Finding.objects.filter(kind=FindingKind.DEPARTED_MEMBER_PRESENT, state="open")
        chosen = [finding for finding in findings if finding.platform == "telegram"][:2]
        assert chosen
        url = reverse("admin:audits_finding_changelist")
        keys = [finding.pk for finding in chosen]

        client.post(url, {"action": "remove_leavers", "_selected_action": keys})

        operation = Operation.objects.get()
        targets = set(operation.steps.values_list("platform", "group_id", "subject"))
        targets |= {
            (t["platform"], t["group_id"], t["subject"]) for t in (s["target"] for s in operation.skipped)
        }
        assert targets == {(f.platform, f.group_external_id, f.subject) for f in chosen}

    def test_findings_that_are_over_or_of_somebody_who_is_back_remove_nobody(self, office: Office) -> None:
        client = client_of("run_operation")
        findings = Finding.objects.filter(kind=FindingKind.DEPARTED_MEMBER_PRESENT)
        over, *others = findings.order_by("pk")
        Employee.objects.filter(findings__in=others).update(status=EmployeeStatus.ACTIVE)
        Finding.objects.filter(pk=over.pk).update(state="resolved")
        keys = [finding.pk for finding in findings]

        url = reverse("admin:audits_finding_changelist")
        client.post(url, {"action": "remove_leavers", "_selected_action": keys})

        assert not Operation.objects.exists()

    @pytest.mark.parametrize(
        ("page", "action"), [("members_group", "add_missing"), ("members_group", "add_people")]
    )
    def test_a_selection_that_is_gone_means_nothing_and_not_everything(
        self, office: Office, page: str, action: str
    ) -> None:
        client = client_of("run_operation")
        answer = {"plan": "1", "employees": [Employee.objects.get(key="bo").pk]}

        url = reverse(f"admin:{page}_changelist")
        response = client.post(url, {"action": action, "_selected_action": [999_999], **answer})

        assert response.status_code == 302
        assert not Operation.objects.exists()

    def test_marking_somebody_as_offboarded_offers_their_removal(self, db: None) -> None:
        employee = Employee.objects.create(key="zoe", name="Zoe Example")
        client = client_of("run_operation", "change_employee")

        response = client.post(
            reverse("admin:members_employee_changelist"),
            {"action": "mark_offboarded", "_selected_action": [employee.pk]},
        )

        said = " ".join(str(each) for each in get_messages(response.wsgi_request))
        assert "Zoe Example may still be in groups." in said
        assert f"{reverse('admin:remove_person')}?person=zoe" in said
