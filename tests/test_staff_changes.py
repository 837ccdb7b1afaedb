"""Somebody leaves, or joins: a checklist from the first day to the audit that finds all as it should be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from audits.staff_changes.checklist import checklist, next_step, obstacle
from audits.staff_changes.facts import (
    Account,
    Asked,
    ChangeKind,
    Facts,
    Hurdle,
    Look,
    OnPlatform,
    OperationFact,
    StuckGroup,
)
from audits.staff_changes.items import Act, Item, ItemState
from audits.staff_changes.look import looks_at
from audits.staff_changes.models import StaffChange
from audits.staff_changes.services import ChangeRefused, begin, close, items_of
from groupadmin.sandbox.slack import SlackUser
from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat
from members.models import Employee, MembershipRule, Team
from members.operations import runner
from members.operations.models import ActivityEvent, Operation
from members.operations.services import undo_operation
from members.operations.states import OperationState
from members.policy import EmployeeStatus, Exclusion, FindingKind, Level
from telegram_ops.ownership import groups_to_ask_for, plan_requests
from telegram_ops.ownership_plans import OwnershipSelection
from telegram_ops.removal_plans import RemovalSelection
from telegram_ops.removals import plan_removal
from tests.audit_world import Office, findings, shared_office
from tests.remediation_world import OPERATOR, carried_out, confirmed, planned, verify
from tests.visitors import client_of
from tests.worlds import NOW, SLACK, TELEGRAM, in_groups, judge, person, policy, seen, supergroup

LEAVING, JOINING = ChangeKind.LEAVING, ChangeKind.JOINING
HOUR = timedelta(hours=1)


# What is to be done, by what is known

looks = st.none() | st.builds(
    Look,
    run=st.just(7),
    started_at=st.integers(-2, 4).map(lambda hours: NOW + hours * HOUR),
    unresolved=st.sampled_from(["", "Nobody is called so."]),
    unread=st.sampled_from(["", "Slack asked for a pause."]),
    present=st.integers(0, 3),
    missing=st.integers(0, 3),
    unseen=st.sampled_from([(), ("Acme",)]),
    hidden=st.sampled_from([(), ("Globex",)]),
)


def on(platform: Any) -> st.SearchStrategy[OnPlatform]:
    return st.builds(
        OnPlatform,
        platform=st.just(platform),
        account=st.sampled_from(Account),
        open_findings=st.integers(0, 2),
        accepted=st.integers(0, 1),
        look=looks,
        closed_at=st.none() | st.just(NOW),
        closed_run=st.none() | st.just(7),
        last_effect=st.none() | st.just(NOW + 2 * HOUR),
        coming_run=st.none() | st.just(9),
    )


operations = st.lists(
    st.builds(
        OperationFact,
        id=st.integers(1, 9),
        state=st.sampled_from(OperationState),
        planned_at=st.just(NOW),
        takes_out=st.booleans(),
        steps=st.integers(0, 2),
        has_report=st.booleans(),
    ),
    max_size=2,
).map(tuple)
stuck = st.lists(
    st.builds(
        StuckGroup,
        platform=st.sampled_from([SLACK, TELEGRAM]),
        id=st.just("1"),
        name=st.sampled_from(["Acme", "Initech"]),
        hurdle=st.sampled_from(Hurdle),
        operation=st.just(3),
        audited=st.booleans(),
        still_there=st.booleans(),
        asked=st.none() | st.sampled_from(Asked),
        nobody_to_ask=st.booleans(),
        we_may=st.booleans(),
    ),
    max_size=2,
).map(tuple)
facts = st.builds(
    Facts,
    kind=st.sampled_from(ChangeKind),
    name=st.just("Bo Example"),
    status=st.none() | st.sampled_from(EmployeeStatus),
    begun_at=st.just(NOW),
    platforms=st.tuples(on(SLACK), on(TELEGRAM)),
    operations=operations,
    stuck=stuck,
)


@given(facts)
def test_only_an_audit_that_began_after_everything_closes_a_change(known: Facts) -> None:
    items = checklist(known)

    assert all(item.text and item.topic for item in items)
    assert [Item.of(item.as_words()) for item in items] == list(items)
    if obstacle(items) is not None:
        return
    assert known.status is known.kind.status
    assert known.under_way is None
    for each in known.platforms:
        look = each.look
        assert look is not None
        assert look.started_at > max(known.begun_at, each.last_effect or known.begun_at)
        assert (each.open_findings, look.unread, look.unresolved, look.unseen) == (0, "", "", ())
        assert known.kind is JOINING or look.hidden == ()
        found = look.missing if known.kind is JOINING else look.present
        assert found <= each.accepted, "looks at single groups since are no proof"


@given(facts)
def test_whoever_has_a_checklist_knows_what_to_do_next(known: Facts) -> None:
    """Only where nothing of ours helps is there a line without a button: a Slack channel without us."""
    items = checklist(known)
    left = [item for item in items if item.blocks and not item.settled]
    step = next_step(items)

    assert (step is None) == (not any(item.act for item in left))
    if known.under_way is not None:
        assert not any(item.act is Act.RUN_AUDIT and "audit" in item.topic.lower() for item in left)
    if step is not None:
        assert step.state in (ItemState.TODO, ItemState.WAITING)
        assert step.act_on or step.act in (
            Act.EDIT_EMPLOYEE,
            Act.PLAN_REMOVAL,
            Act.PLAN_ADDITIONS,
            Act.RUN_AUDIT,
            Act.SEE_REQUESTS,
        )


@given(facts)
def test_nobody_is_led_to_ask_owners_who_cannot_be_written_to(known: Facts) -> None:
    silent = tuple(replace(group, nobody_to_ask=True) for group in known.stuck)
    items = checklist(replace(known, stuck=silent))

    assert Act.ASK_OWNERS not in {item.act for item in items}
    assert len(items) >= len(checklist(replace(known, stuck=()))), "such a group still holds the change open"


def test_what_one_audit_tells_of_a_leaver() -> None:
    bo = person("bo", status=EmployeeStatus.OFFBOARDED)
    groups = [supergroup(str(number), f"{number} <> BitSafe") for number in range(1, 5)]
    accepted = Exclusion(TELEGRAM, "4", "bo", FindingKind.DEPARTED_MEMBER_PRESENT, "Adviser")
    asked = {("2", "bo"): None, ("4", "bo"): None}
    evaluation = judge(
        policy(bo, exclusions=[accepted]),
        seen(groups, in_groups("bo", "1", platform=TELEGRAM), platform=TELEGRAM, asked=asked),
    )

    (told,) = looks_at(evaluation, LEAVING, "bo")

    assert (told.present, told.unseen, told.hidden) == (1, ("2 <> BitSafe",), ())
    assert list(looks_at(evaluation, JOINING, "bo")) == [], "the audit knew them as somebody else"
    assert list(looks_at(replace(evaluation, only=frozenset()), LEAVING, "nobody")) == []


def test_who_joins_is_missing_only_where_somebody_has_to_be() -> None:
    groups = [supergroup("1", "Acme <> BitSafe"), supergroup("2", "Company BitSafe")]
    evaluation = judge(
        policy(person("bo", teams=("core",))),
        seen(groups, in_groups("bo", platform=TELEGRAM), platform=TELEGRAM),
    )

    (told,) = looks_at(evaluation, JOINING, "bo")

    assert (told.present, told.missing) == (0, 1), "the second is an internal one"


# Through the wire


office = pytest.fixture(shared_office)


RIGHTS = ("run_staffchange", "change_employee", "add_employee", "run_operation", "run_audit")


def page_of(change: StaffChange, name: str = "change") -> str:
    return reverse(f"admin:staff_changes_staffchange_{name}", args=[change.pk])


def begun_by(client: Client, key: str, kind: ChangeKind) -> StaffChange:
    """On the page that asks, as the employee's own page leads there."""
    employee = Employee.objects.get(key=key)
    address = reverse("admin:staff_changes_staffchange_begin")
    answer = {"employee": str(employee.pk), "kind": str(kind)}
    assert 'name="kind"' in client.get(address, answer).content.decode()
    client.post(address, answer)
    return StaffChange.objects.get(employee_key=key)


def line(change: StaffChange, topic: str) -> Item:
    change.refresh_from_db()
    return next(item for item in items_of(change) if item.topic == topic)


def button_on(client: Client, change: StaffChange) -> str:
    """Where the one clear button of the page leads."""
    button = client.get(page_of(change)).context["button"]
    return button.url if button is not None else ""


def events(action: str) -> list[str]:
    return list(ActivityEvent.objects.filter(action=action).values_list("actor", flat=True))


def deactivate_on_slack(office: Office, key: str) -> None:
    """What a workspace admin does, and Slack with it."""
    user_id = office.slack_id(key)
    office.company.slack.users[user_id].deleted = True
    for channel in office.company.slack.channels.values():
        channel.members.pop(user_id, None)


def test_somebody_leaves_both_platforms_and_a_group_that_is_not_ours(office: Office) -> None:
    client, hal = client_of(*RIGHTS), office.telegram_id("hal")
    account = office.company.telegram_account_id

    def group(*, may_remove: bool) -> TelegramChat:
        return office.chat(
            lambda truth, chat: (
                chat.kind == "supergroup" and (chat.rights_of(account) is not None) is may_remove
            )
        )

    ours, theirs = group(may_remove=True), group(may_remove=False)
    for chat in (ours, theirs):
        office.telegram.join(chat.id, hal)
    theirs.members_hidden = True
    office.audit_first()
    change = begun_by(client, "hal", LEAVING)

    assert Employee.objects.get(key="hal").status == EmployeeStatus.OFFBOARDED
    assert events("leaving.begun") == ["rosa"]
    assert button_on(client, change) == f"{reverse('admin:remove_person')}?person=hal"

    plan = plan_removal(RemovalSelection(("hal",), (TELEGRAM,)))
    operation = planned(plan)
    assert f"operations/operation/{operation.pk}/" in button_on(client, change)
    removal = runner.run_operation(confirmed(operation).pk)
    assert "leaving and joining" in client.get(page_of(change)).content.decode().lower()
    assert line(change, "Audit of Telegram").state is ItemState.WAITING, "an audit comes by itself"
    verify(removal)

    owned = groups_to_ask_for(removal)
    still = {group_id for _, group_id, _, key in findings(kind="departed_member_present") if key == "hal"}
    assert str(theirs.id) in still, "asked for, because somebody waits for it"
    assert {group_id for group_id in still if group_id.isdigit()} <= set(owned)
    stuck_line = line(change, "Groups where we may not act")
    assert (stuck_line.state, stuck_line.act) == (ItemState.TODO, Act.ASK_OWNERS)
    assert button_on(client, change).endswith(f"?operation={removal.pk}")
    refused = client.post(page_of(change, "close"))
    (said,) = [str(each) for each in get_messages(refused.wsgi_request)]
    assert said.startswith("Not to be closed yet. Groups where we may not act: Ask who runs ")

    runner.run_operation(confirmed(planned(plan_requests(OwnershipSelection(groups=owned)))).pk)
    assert line(change, "Groups where we may not act").state is ItemState.WAITING

    deactivate_on_slack(office, "hal")
    chats = [office.company.telegram.chats[int(group_id)] for group_id in owned]

    def grant() -> None:
        for chat in chats:
            chat.admins[account] = AdminRights()
            if chat.creator == hal:  # nobody can take an owner out
                chat.creator = account

    office.telegram.run(grant)
    office.audit_first()
    assert line(change, "Slack account deactivated").state is ItemState.DONE
    assert line(change, "Groups where we may not act").act is Act.PLAN_REMOVAL

    carried_out(plan_removal(RemovalSelection(("hal",), (TELEGRAM,))))

    change.refresh_from_db()
    assert (change.state, change.closed_by) == ("closed", "audit")
    assert events("leaving.closed") == ["audit"]
    Employee.objects.filter(key="hal").update(name="Hal Renamed")
    html = client.get(page_of(change)).content.decode()
    assert "The checklist as it stood then" in html
    assert "It began after all that was done, and found them in no group." in html
    assert all(item.settled for item in items_of(change) if item.blocks)

    undo = undo_operation(operation=removal, actor=OPERATOR)
    preview = client.get(reverse("admin:operations_operation_change", args=[undo.pk])).content.decode()
    assert "Hal Renamed has left the company: this brings them back into" in preview

    office.telegram.join(theirs.id, hal)
    office.audit("--platform=telegram")
    change.refresh_from_db()
    assert (change.state, change.times_reopened, events("leaving.reopened")) == ("open", 1, ["audit"])
    assert theirs.title in change.note
    assert line(change, "Taken out of groups").act is Act.PLAN_REMOVAL


def test_somebody_joins_and_is_added_wherever_a_rule_asks_for_them(office: Office) -> None:
    client = client_of(*RIGHTS)
    office.audit_first()
    office.company.slack.add_user(SlackUser("U0NEWCOMER", "zed", "Zed Example", email="zed@example.com"))
    fields = {"name": "Zed Example", "key": "zed", "status": "active", "slack_username": "zed"}
    crew = Team.objects.create(key="newcomers", name="Newcomers")
    MembershipRule.objects.create(platform=SLACK, team=crew, level=Level.REQUIRED)
    response = client.post(reverse("admin:members_employee_add"), fields | {"teams": [crew.pk]})
    (said,) = [str(each) for each in get_messages(response.wsgi_request) if "is new" in str(each)]
    assert reverse("admin:audits_auditrun_start") in said
    assert "kind=joining" in said

    change = begun_by(client, "zed", JOINING)
    assert button_on(client, change) == reverse("admin:audits_auditrun_start")
    office.audit()
    assert line(change, "Slack account").state is ItemState.DONE
    required = line(change, "Required on Slack")
    assert (required.state, next_step(items_of(change)).act) == (ItemState.TODO, Act.PLAN_ADDITIONS)  # type: ignore[union-attr]

    client.post(button_on(client, change))
    operation = Operation.objects.get()
    assert f"operations/operation/{operation.pk}/" in button_on(client, change)
    operation = runner.run_operation(confirmed(operation).pk)
    verify(operation)

    change.refresh_from_db()
    assert (change.state, events("joining.closed")) == ("closed", ["audit"])
    report = line(change, "Addition report")
    assert report.state is ItemState.DONE
    address = reverse("admin:operations_operation_report", args=[operation.pk, "md"])
    assert address in client.get(page_of(change)).content.decode()
    with pytest.raises(ChangeRefused, match="closed already"):
        close(change_id=change.pk, actor="rosa")


# The pages


def test_the_list_says_who_waits_for_what_in_a_constant_number_of_queries(
    db: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(*RIGHTS)
    for number in range(6):
        employee = Employee.objects.create(
            key=f"p{number}", name=f"Person {number}", slack_username=f"p{number}"
        )
        begin(employee=employee, kind=LEAVING if number % 2 else JOINING, actor="ada")
    Employee.objects.filter(key="p1").delete()

    with django_assert_max_num_queries(40):
        html = client.get(reverse("admin:staff_changes_staffchange_changelist")).content.decode()

    assert html.count("Put them into a team, or write a rule for them") == 3
    assert html.count("Look where they are now, and plan to take them out.") == 2
    assert "deleted, they are looked for by no audit" in html


def test_one_is_under_way_at_a_time_and_can_be_dropped(db: None) -> None:
    client = client_of(*RIGHTS)
    employee = Employee.objects.create(key="zoe", name="Zoe Example", slack_username="zoe")
    joining = begin(employee=employee, kind=JOINING, actor="ada")

    leaving = begin(employee=employee, kind=LEAVING, actor="ada")

    joining.refresh_from_db()
    assert (joining.state, joining.note) == ("dropped", "They leave.")
    assert begin(employee=employee, kind=LEAVING, actor="bob") == leaving
    home = reverse("admin:members_employee_change", args=[employee.pk])
    assert page_of(leaving) in client.get(home).content.decode()
    assert client.post(page_of(leaving, "drop"), {"why": " "}).status_code == 200
    client.post(page_of(leaving, "drop"), {"why": "A mistake."})
    leaving.refresh_from_db()
    assert (leaving.state, leaving.note, events("leaving.dropped")) == ("dropped", "A mistake.", ["rosa"])
    employee.refresh_from_db()
    assert employee.status == EmployeeStatus.OFFBOARDED
    offer = f"{reverse('admin:staff_changes_staffchange_begin')}?employee={employee.pk}&amp;kind=joining"
    assert offer in client.get(home).content.decode()


def test_whoever_may_only_look_changes_nothing(db: None) -> None:
    employee = Employee.objects.create(key="zoe", name="Zoe Example", slack_username="zoe")
    change = begin(employee=employee, kind=LEAVING, actor="ada")
    client = client_of()

    assert client.get(page_of(change)).context["button"] is None
    assert client.get(reverse("admin:staff_changes_staffchange_changelist")).status_code == 200
    assert client.get(reverse("admin:staff_changes_staffchange_begin")).status_code == 403
    for name in ("close", "drop", "add_missing"):
        assert client.post(page_of(change, name)).status_code == 403
    assert client_of_nobody().get(page_of(change)).status_code == 403
    assert client.get(page_of(change, "close")).status_code == 405


def client_of_nobody() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("nils", is_staff=True))
    return client
