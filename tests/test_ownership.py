"""Groups that belong to somebody else: who is asked, once, in which words, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from pytest_django import Settings

from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat
from members.models import Group
from members.operations import runner
from members.operations.models import ActivityEvent, Operation
from members.operations.plan import Plan
from members.platforms.types import Administrator, AdminStatus, Platform, PlatformUser, Role
from telegram_ops.ownership import plan_requests
from telegram_ops.ownership_models import OwnershipRequest, OwnershipTemplate
from telegram_ops.ownership_plans import (
    Asked,
    Author,
    GroupToAsk,
    OwnershipSelection,
    WhyNot,
    draw_up,
    topics_of,
    whom_to_ask,
)
from telegram_ops.ownership_texts import BUILT_IN, Template, fits, problems_of
from telegram_ops.removal_plans import RemovalSelection
from telegram_ops.removals import plan_removal
from tests.audit_world import TINY, Office
from tests.command_line import run
from tests.remediation_world import confirmed, planned
from tests.visitors import client_of

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
AUTHOR = Author(BUILT_IN[0], "@ada", "Ada Example", NOW, timedelta(days=7))


# Whom to ask, and for what


def runs(user_id: int, role: Role = Role.OWNER, **fields: Any) -> Administrator:
    user = {"active": fields.pop("active", True), "is_bot": fields.pop("is_bot", False)}
    return Administrator(
        PlatformUser(Platform.TELEGRAM, str(user_id), name=f"Person {user_id}", **user), role, **fields
    )


def group(number: int, *people: Administrator, **fields: Any) -> GroupToAsk:
    return GroupToAsk(str(number), f"Group {number}", AdminStatus.MEMBER, people=people, **fields)


def test_the_owner_is_asked_else_the_admin_of_longest_standing_who_can_help() -> None:
    late = runs(2, Role.ADMIN, may_add_admins=True, since=NOW)
    early = runs(3, Role.ADMIN, may_add_admins=True, since=NOW - timedelta(days=9))
    others = (late, early, runs(4, Role.ADMIN), runs(5, Role.ADMIN, may_add_admins=True, is_bot=True))

    assert whom_to_ask([runs(1), *others]) == (runs(1), "")
    assert whom_to_ask([runs(1, active=False), *others]) == (early, "The owner's account was deleted.")
    person, why = whom_to_ask(others)
    assert (person, "shows no owner" in why) == (early, True)
    person, why = whom_to_ask([runs(4, Role.ADMIN)])
    assert (person, "ask in the group itself" in why) == (None, True)


people = st.lists(
    st.builds(
        runs,
        st.integers(1, 4),
        st.sampled_from([Role.OWNER, Role.ADMIN]),
        active=st.booleans(),
        may_add_admins=st.booleans(),
    ),
    max_size=3,
)
pasts = st.none() | st.builds(
    Asked, st.integers(0, 30).map(lambda days: NOW - timedelta(days=days, hours=1)), st.booleans()
)


@given(st.lists(st.tuples(people, pasts), max_size=6), st.booleans())
def test_each_person_reads_one_message_and_nobody_is_asked_twice(
    drawn: Sequence[tuple[list[Administrator], Asked | None]], remind: bool
) -> None:
    groups = [group(number, *theirs) for number, (theirs, _) in enumerate(drawn)]
    asked = {
        (each.id, person.user.id): past
        for each, (_, past) in zip(groups, drawn, strict=True)
        if past is not None and (person := whom_to_ask(each.people or ())[0]) is not None
    }
    selection = OwnershipSelection(remind=remind)

    plan = draw_up(groups, asked, {}, AUTHOR, selection=selection)

    assert len({step.target.user_id for step in plan.steps}) == plan.count
    inside = [(topic.id, step) for step in plan.steps for topic in topics_of(step.arguments)]
    assert sorted([*(key for key, _ in inside), *(line.target.group_id for line in plan.skipped)]) == sorted(
        each.id for each in groups
    )
    for group_id, step in inside:
        past = asked.get((group_id, step.target.user_id))
        assert f"• Group {group_id}" in step.arguments["text"]
        if remind:
            assert past is not None
            assert past.open
            assert past.at + AUTHOR.remind_after <= NOW
        else:
            assert past is None
    assert OwnershipSelection.from_parameters(plan.parameters) == selection


def test_a_message_takes_as_many_groups_as_have_room() -> None:
    groups = [
        GroupToAsk(str(number), f"{number} {'x' * 120}", AdminStatus.MEMBER, people=(runs(1),))
        for number in range(60)
    ]

    plan = draw_up(groups, {}, {}, AUTHOR, selection=OwnershipSelection())

    (step,) = plan.steps
    assert fits(step.arguments["text"])
    assert len(topics_of(step.arguments)) + len(plan.skipped) == len(groups)
    assert {line.code for line in plan.skipped} == {WhyNot.FULL}


def test_a_text_is_filled_in_once_and_refused_where_nobody_could() -> None:
    template = Template("odd", "Odd", "{groups} for {account}. {owner}, {rights}", rights=("ban_users",))
    strange = [GroupToAsk("7", "{owner} & {x}", AdminStatus.MEMBER, people=(runs(1),))]
    author = Author(template, "@ada", "Ada Example", NOW, timedelta(days=7))

    (step,) = draw_up(strange, {}, {}, author, selection=OwnershipSelection()).steps

    assert step.arguments["text"] == "• {owner} & {x} for @ada. Person 1, Ban Users"
    assert all(problems_of(built_in.text) == [] for built_in in BUILT_IN)
    unknown, groupless = problems_of("Dear {ownr}, hello.")
    assert "Nothing is known that {ownr} could stand for." in unknown
    assert "Say with {groups} where the groups shall stand" in groupless


# A company


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """After its first audit."""
    office = Office(start_sandbox(build_company(TINY)))
    office.audit_first("--platform=telegram")
    return office


def in_scope(office: Office, kind: str) -> list[TelegramChat]:
    """The chats of this kind that the audit saw in scope."""
    stored = Group.objects.filter(platform="telegram", in_scope=True, visible=True).order_by("pk")
    chats = [office.company.telegram.chats[int(key)] for key in stored.values_list("external_id", flat=True)]
    return [chat for chat in chats if chat.kind == kind and chat.migrated_from is None]


@pytest.fixture
def chats(office: Office) -> list[TelegramChat]:
    """Four supergroups of others. Olga, a customer, owns the first three; the fourth shows no owner."""
    staff = {member.telegram_account.id for member in office.company.staff.values()}
    chats = in_scope(office, "supergroup")[:4]
    olga = next(user_id for user_id in chats[0].members if user_id not in staff)
    user = office.company.telegram.users[olga]
    user.first_name, user.last_name, user.usernames[:] = "Olga", "Example", ["olga_ex"]
    for number, chat in enumerate(chats):
        chat.members.setdefault(olga, 1_700_000_000)
        chat.title, chat.creator, chat.admins = f"Foreign {number}", olga if number < 3 else None, {}
    office.audit_first("--platform=telegram")
    return chats


def basic_group_of(office: Office, user_id: int) -> TelegramChat:
    """A basic group that belongs to them, as an audit knows."""
    basic = in_scope(office, "basic")[0]
    basic.members.setdefault(user_id, 1_700_000_000)
    basic.creator, basic.admins = user_id, {}
    office.audit_first("--platform=telegram")
    return basic


def ids(chats: Sequence[TelegramChat]) -> tuple[str, ...]:
    return tuple(str(chat.id) for chat in chats)


def ask(chats: Sequence[TelegramChat], **options: Any) -> Plan:
    return plan_requests(OwnershipSelection(groups=ids(chats), **options))


def sent(plan: Plan) -> Operation:
    return runner.run_operation(confirmed(planned(plan)).pk)


def codes(plan: Plan) -> dict[str, str]:
    return {line.target.group_id: line.code for line in plan.skipped}


def received(office: Office, user_id: int) -> list[str]:
    """What our account wrote to somebody."""
    account = office.company.telegram_account_id
    return [
        message.text
        for conversation in office.company.telegram.conversations_of(user_id)
        for message in conversation.messages
        if message.sender == account and message.text
    ]


def states() -> dict[str, str]:
    return dict(OwnershipRequest.objects.values_list("group__name", "state"))


class TestAsking:
    def test_one_message_for_all_groups_of_an_owner_and_an_audit_that_ends_it(
        self, office: Office, chats: list[TelegramChat]
    ) -> None:
        office.telegram.calls.clear()
        plan = ask(chats)

        assert office.telegram.calls.counts()["GetParticipants"] == 4
        assert codes(plan) == {str(chats[3].id): WhyNot.NOBODY}
        (step,) = plan.steps
        olga = int(step.target.user_id)
        text = step.arguments["text"]
        assert all(f"• Foreign {number}" in text for number in range(3))
        assert "Hello Olga Example" in text
        assert "Manage group → Administrators" in text
        account = office.company.telegram.users[office.company.telegram_account_id]
        assert f"@{account.usernames[0]}" in text
        office.telegram.calls.clear()
        assert ask(chats).hash == plan.hash, "a second look the same day"
        assert office.telegram.calls.total == 0

        operation = sent(plan)

        assert (operation.state, received(office, olga)) == ("done", [text])
        assert states() == {f"Foreign {number}": "requested" for number in range(3)}
        assert ActivityEvent.objects.filter(action="ownership.requested").count() == 3
        again = ask(chats)
        assert again.count == 0
        assert [codes(again)[key] for key in ids(chats[:3])] == [WhyNot.ASKED] * 3

        ours = office.company.telegram_account_id
        chats[0].admins[ours] = AdminRights()
        chats[1].creator = ours
        office.audit("--platform=telegram")

        assert states() == {"Foreign 0": "done", "Foreign 1": "done", "Foreign 2": "requested"}

    def test_reminds_once_it_is_due_and_only_whom_it_concerns_still(
        self, office: Office, chats: list[TelegramChat]
    ) -> None:
        operation = sent(ask(chats))
        olga = int(operation.steps.get().user_id)
        assert set(codes(ask(chats, remind=True)).values()) == {WhyNot.TOO_EARLY, WhyNot.NOBODY}

        OwnershipRequest.objects.update(requested_at=timezone.now() - timedelta(days=8))
        OwnershipRequest.objects.filter(group__name="Foreign 1").update(state="refused")
        reminder = ask(chats, remind=True)

        (step,) = reminder.steps
        assert [topic.name for topic in topics_of(step.arguments)] == ["Foreign 0", "Foreign 2"]
        assert codes(reminder)[str(chats[1].id)] == WhyNot.REFUSED
        first = confirmed(planned(reminder))
        second = confirmed(planned(reminder))
        runner.run_operation(first.pk)
        late = runner.run_operation(second.pk)
        assert len(received(office, olga)) == 2
        assert states() == {"Foreign 0": "reminded", "Foreign 1": "refused", "Foreign 2": "reminded"}
        assert late.steps.get().outcome == "changed_meanwhile", "two people planned the same"

    def test_says_why_the_owner_is_not_asked(self, office: Office, chats: list[TelegramChat]) -> None:
        """Anonymous, deleted, or shown by a basic group; an admin who may add admins is asked instead."""
        olga = chats[0].creator
        assert olga is not None
        helper, plain = [user_id for user_id in chats[0].members if user_id != olga][-2:]

        def change() -> None:
            chats[0].anonymous.add(olga)
            chats[1].creator = helper
            office.company.telegram.users[helper].deleted = True
            for chat in chats[:2]:
                chat.members |= dict.fromkeys((helper, plain), 1_700_000_000)
                chat.admins = {plain: AdminRights(add_admins=True)}

        office.telegram.run(change)

        plan = ask(chats[:2])

        (step,) = plan.steps
        assert step.target.user_id == str(plain)
        why = {topic.name: topic.why for topic in topics_of(step.arguments)}
        assert "stay anonymous" in why["Foreign 0"]
        assert why["Foreign 1"] == "The owner's account was deleted."
        assert "you are an admin there" in step.arguments["text"]

        basic = basic_group_of(office, olga)
        (letter,) = ask([basic]).steps
        assert letter.target.user_id == str(olga)

    def test_a_flood_costs_nothing_that_was_read_before(
        self, office: Office, chats: list[TelegramChat]
    ) -> None:
        office.telegram.script.add("GetParticipants", RpcFault("FLOOD_WAIT_600"), skip=2, times=None)

        plan = ask(chats)

        unread = [key for key, code in codes(plan).items() if code == WhyNot.UNREAD]
        assert unread
        office.telegram.script.clear()
        office.telegram.calls.clear()
        whole = ask(chats)
        assert WhyNot.UNREAD not in codes(whole).values()
        assert office.telegram.calls.counts()["GetParticipants"] == len(unread) < 4

    def test_nobody_signed_in_is_no_plan(self, office: Office, settings: Settings) -> None:
        settings.TELEGRAM_SESSION = ""

        told = run("request_ownership", "--all")

        assert (told.code, "Nobody is signed in to Telegram" in told.complaint) == (4, True)

    def test_a_group_that_became_a_supergroup_keeps_its_request(
        self, office: Office, chats: list[TelegramChat]
    ) -> None:
        olga = chats[0].creator
        assert olga is not None
        basic = basic_group_of(office, olga)
        sent(ask([basic]))
        assert OwnershipRequest.objects.get().group.external_id == str(basic.id)

        def upgrade() -> None:
            basic.migrated_to, chats[3].migrated_from = chats[3].id, basic.id
            chats[3].creator = office.company.telegram_account_id

        office.telegram.run(upgrade)
        office.audit_first("--platform=telegram")

        request = OwnershipRequest.objects.get()
        assert (request.group.external_id, request.state) == (str(chats[3].id), "done")


class TestTheCommand:
    def test_plans_prints_sends_and_leaves_files(
        self, office: Office, chats: list[TelegramChat], tmp_path: Path
    ) -> None:
        names = [chat.title for chat in chats[:2]]
        dry = run("request_ownership", *names)
        assert (dry.code, dry.document["count"]) == (0, 1)
        texts = run("request_ownership", *names, "--print", "--template=admin")
        assert "--- Olga Example @olga_ex" in texts.printed
        assert "allow: Change Group Info, Ban Users, Add Members." in texts.printed
        assert not OwnershipRequest.objects.exists()

        file = tmp_path / "plan.xlsx"
        done = run("request_ownership", *names, "--yes", f"--xlsx={file}")

        assert (done.code, done.document["state"]) == (0, "done")
        book = load_workbook(file)
        assert [row[0] for row in book["Groups"].iter_rows(min_row=2, values_only=True)] == names
        assert states() == dict.fromkeys(names, "requested")
        everywhere = run("request_ownership", "--all")
        assert {line["group"] for line in everywhere.document["skipped"]} >= set(ids(chats[:2]))

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ([], "Name groups, or a file with --groups, or say --all."),
            (["--all", "--template=nonsense"], "There is no template 'nonsense'."),
            (["--all", "--print", "--yes"], "--print sends nothing"),
            (["No such group"], "No audit has seen a group of this name or id"),
        ],
    )
    def test_says_what_it_cannot_do(self, office: Office, arguments: list[str], complaint: str) -> None:
        told = run("request_ownership", *arguments)

        assert told.code == 2
        assert complaint in told.complaint

    def test_more_people_than_the_cap_need_the_typed_count(
        self, office: Office, chats: list[TelegramChat], settings: Settings
    ) -> None:
        settings.OPERATION_CAP_MESSAGED_PEOPLE = 0

        refused = run("request_ownership", "Foreign 0", "--yes")

        assert (refused.code, refused.document["state"]) == (2, "refused")


def page(name: str, *arguments: Any) -> str:
    return reverse(f"admin:telegram_ops_ownershiprequest_{name}", args=arguments)


class TestThePages:
    def test_from_chosen_groups_to_messages_that_somebody_sends_by_hand(
        self, office: Office, chats: list[TelegramChat]
    ) -> None:
        client = client_of("run_operation", "change_ownershiprequest")
        keys = Group.objects.filter(external_id__in=ids(chats)).values_list("pk", flat=True)
        chosen = {"action": "ask_owners", "_selected_action": list(keys)}
        form = client.post(reverse("admin:members_group_changelist"), chosen).content.decode()
        assert "4 groups selected" in form

        response = client.post(page("ask"), {"plan": "1", "groups": ids(chats), "template": ""})

        operation = Operation.objects.get()
        plan = client.get(response["Location"]).content.decode()
        assert page("messages", operation.pk) in plan
        letters = client.get(page("messages", operation.pk)).content.decode()
        assert "• Foreign 0\n• Foreign 1\n• Foreign 2" in letters
        assert 'src="/static/groupadmin/copy.js"' in letters
        step = operation.steps.get()
        client.post(page("sent", operation.pk), {"step": step.pk})
        assert states() == {f"Foreign {number}": "requested" for number in range(3)}
        assert "In the tracker" in client.get(page("messages", operation.pk)).content.decode()
        ended = runner.run_operation(confirmed(operation).pk)
        assert ended.steps.get().outcome == "changed_meanwhile"
        assert received(office, int(step.user_id)) == []

        rows = client.get(page("changelist"), {"state__exact": "requested"}).content.decode()
        assert rows.count("rosa, by hand") == 3
        request = OwnershipRequest.objects.get(group__name="Foreign 1")
        client.post(page("changelist"), {"action": "refuse", "_selected_action": [request.pk]})
        client.post(page("change", request.pk), {"note": "Keeps it until June."})
        request.refresh_from_db()
        assert (request.state, request.note) == ("refused", "Keeps it until June.")
        people = client.get(page("people")).content.decode()
        assert f"?person={step.user_id}" in people
        fields = {"format": "0", "requestresource_group": "on", "requestresource_state": "on"}
        assert client.post(page("export"), fields).status_code == 200

    def test_groups_that_a_removal_leaves_out_lead_here(
        self, office: Office, chats: list[TelegramChat]
    ) -> None:
        bo = office.telegram_id("bo")
        for chat in chats[:2]:
            office.telegram.join(chat.id, bo)
        removal = planned(plan_removal(RemovalSelection(("bo",))))
        client = client_of("run_operation")

        shown = client.get(reverse("admin:operations_operation_change", args=[removal.pk])).content.decode()
        form = client.get(page("ask"), {"operation": removal.pk}).content.decode()

        assert f"{page('ask')}?operation={removal.pk}" in shown
        assert all(f'name="groups" value="{key}"' in form for key in ids(chats[:2]))

    def test_a_template_with_an_unknown_place_is_refused_and_a_good_one_previewed(self, db: None) -> None:
        template = OwnershipTemplate.objects.create(key="own", name="Own", text="{groups} to {account}")
        client = client_of("change_ownershiptemplate")
        address = reverse("admin:telegram_ops_ownershiptemplate_change", args=[template.pk])

        answer = {"name": "Own", "text": "Dear {boss}", "sender": "", "rights": []}
        refused = client.post(address, answer).content.decode()
        assert "Nothing is known that {boss} could stand for." in refused
        typed = {"text": "Dear {owner}: {groups} {rights}", "rights": ["ban_users"]}
        preview = client.post(reverse("admin:telegram_ops_ownershiptemplate_preview"), typed)

        assert "Dear Olga Example:" in preview.content.decode()
        assert "Ban Users" in preview.content.decode()
        template.refresh_from_db()
        assert template.text == "{groups} to {account}"

    def test_whoever_may_only_look_asks_nobody(self, db: None) -> None:
        client = client_of()

        assert client.get(page("changelist")).status_code == 200
        assert client.get(page("ask")).status_code == 403
        assert client.post(page("sent", 1), {"step": "1"}).status_code == 403
