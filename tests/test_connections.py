"""Two Slack workspaces and two Telegram accounts: one company."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from audits import services
from audits.connections import ways_of
from audits.history.models import Message, SyncJob
from audits.history.sync import request_sync, run_sync
from audits.merge import merge
from audits.models import Trigger
from audits.observation import PersonSeen, PlatformObservation
from audits.people import policy_through
from audits.remediation.people import employees_named, plan_people
from audits.remediation.selections import PeopleSelection
from audits.staff_changes.facts import ChangeKind
from audits.staff_changes.look import looks_at
from groupadmin.health import check_further
from groupadmin.sandbox.telegram.effects import Delay
from members.models import Employee, EmployeeAccount, Group, SlackWorkspace, WorkspaceToken
from members.operations.models import ActivityEvent, Step
from members.operations.runner import run_operation
from members.operations.services import Actor, confirm_operation, plan_operation, undo_operation
from members.platforms.types import Account, Platform, PlatformGroup
from members.policy import EmployeeStatus, Handle
from members.services import load_policy
from telegram_ops.models import SignedInSession, TelegramAccount
from telegram_ops.references import sought
from telegram_ops.removal_plans import RemovalSelection
from telegram_ops.removals import plan_removal
from tests.audit_world import audit, findings
from tests.connections_world import (
    ACME,
    ADAS,
    BETA,
    BOB,
    BOB_THERE,
    BOBS,
    BOTH,
    EVE,
    JOINT,
    PARTNERS_TOKEN,
    STRANGER,
    TOKEN,
    TwoOfEach,
    chat,
    two_of_each,
)
from tests.slack_world import USER_SCOPES
from tests.telegram_reading import ADA as TG_ADA
from tests.telegram_reading import BOB as TG_BOB
from tests.worlds import channel, in_groups, judge, person, policy, seen, supergroup


@pytest.fixture
def world(settings: Settings, tmp_path: Path, db: None) -> Iterator[TwoOfEach]:
    with two_of_each(settings, tmp_path) as world:
        yield world


def ways() -> dict[str, str]:
    return dict(Group.objects.values_list("external_id", "connection"))


def test_they_are_audited_as_one_company_and_changed_each_through_its_own_account(world: TwoOfEach) -> None:
    second, bobs = world.workspace.connection, str(world.account.pk)

    outcome = audit()

    assert outcome.state == "complete"
    assert {
        key: (row["required_present"], row["required_missing"]) for key, row in outcome.rows().items()
    } == {
        ACME: (["ada", "bob"], []),
        BETA: (["bob"], ["ada"]),
        JOINT: (["ada", "bob"], []),  # Bob with his account in the other workspace
        str(BOTH): (["ada", "bob"], []),
        str(ADAS): (["ada"], ["bob"]),
        str(BOBS): (["bob"], ["ada"]),
    }
    assert ways() == {ACME: "", BETA: second, JOINT: "", str(BOTH): bobs, str(ADAS): "", str(BOBS): bobs}
    accounts = dict(EmployeeAccount.objects.values_list("employee__key", "user_id"))
    assert accounts == {"ada": "U9ADA", "bob": BOB_THERE}, f"{STRANGER} is only called like Cy"
    assert ("slack", "", "unresolved_identity", "cy") in findings()
    assert ("Private channels", "Second: Private channels without @eve are invisible to every method.") in (
        outcome.blind_spots()
    )

    call_command("add_missing", "--yes", stdout=StringIO(), stderr=StringIO())

    assert "U9ADA" in world.second.channels[BETA].members
    assert TG_BOB in chat(world, ADAS).members and TG_ADA in chat(world, BOBS).members
    went = {step.group_id: (step.connection, step.user_id, step.state) for step in Step.objects.all()}
    assert went == {
        BETA: (second, "U9ADA", "done"),
        str(ADAS): ("", str(TG_BOB), "done"),
        str(BOBS): (bobs, str(TG_ADA), "done"),
    }
    assert findings() == {
        ("slack", ACME, "missing_optional", "cy"),
        ("slack", "", "unresolved_identity", "cy"),
    }


def test_people_are_found_removed_and_conversations_read_through_the_groups_own_account(
    world: TwoOfEach, tmp_path: Path, settings: Settings
) -> None:
    settings.HISTORY_RETENTION_DAYS = 0  # what is read was said long ago
    audit()
    world.second.channels[BETA].messages.append(
        {"type": "message", "user": EVE, "text": "hello", "ts": "1700000000.000100"}
    )

    found = tmp_path / "found.json"
    call_command("find_user", "bob", f"--json={found}", stdout=StringIO(), stderr=StringIO())
    document = json.loads(found.read_text())
    assert sorted(group["id"] for group in document["groups"]) == sorted(
        [ACME, BETA, JOINT, str(BOTH), str(BOBS)]
    )
    assert set(document["platforms"]) == {
        "slack",
        f"slack:{world.workspace.pk}",
        "telegram",
        f"telegram:{world.account.pk}",
    }

    selection = RemovalSelection(people=("bob",), platforms=(Platform.SLACK,))
    operation = plan_operation(plan=plan_removal(selection), actor=Actor("ada"))
    confirm_operation(
        operation_id=operation.pk, plan_hash=operation.plan_hash, count=operation.count, actor=Actor("ada")
    )
    run_operation(operation.pk)
    assert {step.group_id: (step.connection, step.state) for step in operation.steps.all()} == {
        ACME: ("", "done"),
        BETA: (world.workspace.connection, "done"),
        JOINT: (world.workspace.connection, "done"),
    }
    assert BOB_THERE not in world.second.channels[BETA].members
    operation.refresh_from_db()
    undo = undo_operation(operation=operation, actor=Actor("ada"))
    assert dict(undo.steps.values_list("group_id", "connection"))[JOINT] == world.workspace.connection

    def find_another_way(_: SyncJob) -> None:
        Group.objects.filter(external_id=BOTH).update(connection="")

    world.telegram.script.add("GetUsers", Delay(1.5))  # meanwhile, while the account is opened
    job = request_sync(groups=list(Group.objects.filter(external_id__in=[ACME, BETA, BOTH])), asked_by="ada")
    job = run_sync(job.pk, show=find_another_way)
    assert (job.state, len(job.done)) == ("done", 3)
    assert Message.objects.filter(conversation__group__external_id=BETA).count() == 1

    world.slack.world.revoke(TOKEN)
    world.second.revoke(PARTNERS_TOKEN)
    recalled = plan_removal(selection)
    assert {(step.target.group_id, step.target.user_id, step.connection) for step in recalled.steps} == {
        (ACME, BOB, ""),
        (BETA, BOB_THERE, world.workspace.connection),
        (JOINT, BOB, ""),
    }, "each group through its own connection, also by what the last audit saw"


def test_of_the_groups_of_a_connection_that_is_down_nothing_is_said_and_the_others_are_judged_as_ever(
    world: TwoOfEach,
) -> None:
    audit()
    before, through = findings(), ways()
    world.second.revoke(PARTNERS_TOKEN)
    SignedInSession.objects.all().delete()

    outcome = audit()

    assert (outcome.state, outcome.code) == ("partial", 3)
    assert "Second: Slack refused" in outcome.run.message
    assert "the token of the workspace “Second”" in outcome.run.message
    assert {key: row["verdict"] for key, row in outcome.rows().items()} == {
        ACME: "complete",
        JOINT: "error",  # Bob is there with his account in the other workspace
        BETA: "error",
        str(ADAS): "incomplete",
        str(BOTH): "error",  # Ada's account sees it too, but is no admin there
        str(BOBS): "error",
    }
    assert (findings(), ways()) == (before, through)
    assert {check.name: check.detail for check in check_further()} == {
        "slack_workspaces": "0 of 1 work",
        "telegram_accounts": "1 of 1 work",
    }


@pytest.mark.django_db(transaction=True)
def test_an_account_that_becomes_the_usual_one_meanwhile_is_not_used_by_two_at_once(
    world: TwoOfEach, settings: Settings
) -> None:
    """Telegram would end both of two clients on its session."""
    run = services.request_audit(platforms=tuple(Platform), trigger=Trigger.PERSON)
    services.execute_audit(run.pk, only=("slack", ""))
    settings.TELEGRAM_SESSION = ""
    TelegramAccount.objects.update(is_default=True)
    world.telegram.script.add("GetDialogs", Delay(2))
    shown: list[str] = []

    run = services.execute_audit(run.pk, show=lambda view: shown.append(view.label))

    assert run.state == "complete"
    assert any("Telegram (Bob's) is waiting" in label for label in shown), shown


def test_what_is_planned_through_a_workspace_that_is_switched_off_is_not_done(
    world: TwoOfEach, client: Client, django_user_model: type[User]
) -> None:
    audit("--platform", "slack")
    operation = plan_operation(plan=plan_people(PeopleSelection(employees=("ada",))), actor=Actor("ada"))
    assert [step.group_id for step in operation.steps.all()] == [BETA]
    confirm_operation(
        operation_id=operation.pk, plan_hash=operation.plan_hash, count=operation.count, actor=Actor("ada")
    )
    client.force_login(django_user_model.objects.create_superuser("ada"))
    client.post(reverse("admin:members_slackworkspace_use", args=[world.workspace.pk]), {"use": "off"})
    assert ways_of(Platform.SLACK) == ("",)

    run_operation(operation.pk)

    operation.refresh_from_db()
    assert (operation.state, operation.account_trouble) == ("failed", True)
    assert "“Second” is switched off" in operation.message
    assert "U9ADA" not in world.second.channels[BETA].members


def test_a_token_is_proven_before_it_is_kept_and_never_shown(
    world: TwoOfEach, client: Client, django_user_model: type[User], settings: Settings
) -> None:
    client.force_login(django_user_model.objects.create_superuser("ada"))
    SlackWorkspace.objects.all().delete()
    add = reverse("admin:members_slackworkspace_add")

    refused = client.post(add, {"label": "Second", "token": "xoxp-canary-wrong"}).content.decode()
    assert "the token of the workspace “Second”" in refused and "canary" not in refused
    assert not WorkspaceToken.objects.exists()

    world.second.tokens[PARTNERS_TOKEN].scopes = USER_SCOPES - {"groups:history"}
    shown = client.post(add, {"label": "Second", "token": PARTNERS_TOKEN}, follow=True).content.decode()
    workspace = SlackWorkspace.objects.get()
    assert (workspace.team_id, workspace.account_name) == ("T0SECOND", "eve")
    assert "For conversations the token lacks groups:history." in shown

    world.second.revoke(PARTNERS_TOKEN)
    check = reverse("admin:members_slackworkspace_check", args=[workspace.pk])
    assert client.get(check).status_code == 405
    shown += client.post(check, follow=True).content.decode()
    assert "In trouble" in shown and "reinstall the Slack app" in shown
    told = json.dumps(list(ActivityEvent.objects.values()), default=str)
    assert "slack.workspace_connected" in told
    assert "canary" not in shown + told
    newer = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [newer, *settings.FIELD_ENCRYPTION_KEYS]
    call_command("rotate_keys", stdout=StringIO())
    settings.FIELD_ENCRYPTION_KEYS = [newer]
    assert WorkspaceToken.objects.get().token == PARTNERS_TOKEN


# The merge alone


PEOPLE, CHANNELS = ("ada", "bob"), ("C1", "C2", "C3")


@st.composite
def parts(draw: st.DrawFn, connection: str) -> PlatformObservation:
    """What a connection might have seen of two people and three channels."""
    groups = draw(st.lists(st.sampled_from(CHANNELS), unique=True))
    shared = draw(st.booleans())
    people = [
        replace(
            in_groups(key, *draw(st.lists(st.sampled_from(groups), unique=True)) if groups else ()),
            unread=draw(st.sampled_from(["", "Nobody answered."])),
        )
        if draw(st.booleans())
        else PersonSeen(key, unresolved="Nobody is called so.")
        for key in PEOPLE
    ]
    return seen(
        [channel(each, shared_externally=shared, joined=draw(st.booleans())) for each in groups],
        *people,
        complete=draw(st.booleans()),
        connection=connection,
        label=connection,
    )


@given(st.tuples(parts(""), parts("2"), parts("3")), st.permutations(range(3)))
def test_what_is_merged_is_what_was_seen(
    seen_by: Sequence[PlatformObservation], order: Sequence[int]
) -> None:
    """One alone stays as it is; the order says nothing; no presence and no absence is made up."""
    assert merge(seen_by[:1]) is seen_by[0]
    merged = merge(seen_by)
    assert merge([seen_by[at] for at in order]) == merged
    assert merged.groups.keys() == {each for part in seen_by for each in part.groups}
    for key in PEOPLE:
        for group in CHANNELS:
            told = [part.presence(group, key) for part in seen_by if group in part.groups]
            presence = merged.presence(group, key)
            assert (presence is True) == (True in told)
            assert presence is not False or set(told) == {False}
            assert (group in merged.groups_of(key)) == (presence is True)
            if all(part.groups_complete for part in seen_by) and set(told) == {False}:
                assert presence is False
    assert merged.whole == all(part.whole for part in seen_by)


def test_whom_one_telegram_account_cannot_find_is_a_blind_spot_of_its_own() -> None:
    """Ids are the same for all accounts there: who is known to one of them is known."""
    known = seen(
        [supergroup("1")], in_groups("ada", "1", platform=Platform.TELEGRAM), platform=Platform.TELEGRAM
    )
    stranger = PersonSeen("ada", id="U-ada", unresolved="No user with the id U-ada was found.")
    other = seen(
        [supergroup("1"), supergroup("2")],
        stranger,
        platform=Platform.TELEGRAM,
        connection="2",
        label="Bob's",
    )

    merged = merge([known, other])

    assert merged.people["ada"].unresolved == ""
    assert (merged.presence("1", "ada"), merged.presence("2", "ada")) == (True, None)
    assert [spot.reason for spot in merged.blind_spots] == ["Bob's: No user with the id U-ada was found."]


def observed(connection: str, group: PlatformGroup, workspace: str) -> PlatformObservation:
    account = Account(Platform.SLACK, "U1", "ada", "Ada", workspace_id=workspace)
    return replace(seen([group], connection=connection, label=connection), account=account)


def test_the_same_id_in_two_workspaces_is_a_shared_channel_or_is_refused_by_name() -> None:
    ours, theirs = channel("C1", "acme-bitsafe"), channel("C1", "other-bitsafe")
    clash = [observed("", ours, "T1"), observed("2", theirs, "T2")]

    assert merge(clash).groups["C1"].name == "acme-bitsafe"
    (spot,) = merge(clash).blind_spots
    assert (spot.subject, "not audited" in spot.reason) == ("other-bitsafe", True)
    assert merge(clash, {"C1": "2"}).groups["C1"].name == "other-bitsafe", "what was known stays"

    shared = [observed("", replace(ours, shared_externally=True), "T1")]
    shared.append(observed("2", replace(theirs, shared_externally=True), "T2"))
    assert merge(shared).blind_spots == ()
    same_workspace = [observed("", ours, "T1"), observed("2", theirs, "T1")]
    assert merge(same_workspace).blind_spots == ()

    blind = [replace(shared[0], groups={}, groups_complete=False), shared[1]]
    assert merge(blind, {"C1": ""}).groups == {}, "it may well be called otherwise at home"
    assert merge(blind, {"C1": "2"}).groups.keys() == merge(blind).groups.keys() == {"C1"}


def test_an_account_is_closed_when_it_is_in_every_workspace() -> None:
    def there(connection: str, *, active: bool) -> PlatformObservation:
        bob = in_groups("bob")
        assert bob.user is not None
        bob = replace(bob, user=replace(bob.user, active=active))
        return seen([channel(f"C{connection}")], bob, connection=connection)

    rules = policy(person("bob", status=EmployeeStatus.OFFBOARDED))
    for elsewhere in (True, False):
        merged = merge([there("", active=False), there("2", active=elsewhere)])
        (look,) = looks_at(judge(rules, merged), ChangeKind.LEAVING, "bob")
        assert look.account_closed is not elsewhere


def test_the_id_of_an_account_in_a_further_workspace_means_its_employee(db: None) -> None:
    bob = Employee.objects.create(key="bob", name="Bob Sample")
    second = SlackWorkspace.objects.create(label="Second", team_id="T0SECOND", account_id=EVE)
    EmployeeAccount.objects.create(employee=bob, workspace=second, user_id="U9BOB1234")

    found = sought("U9BOB1234", load_policy().people, tuple(Platform)).person
    assert found is not None and found.key == "bob"
    assert employees_named(["U9BOB1234"]) == ("bob",)


def test_a_username_leads_to_nobody_in_a_further_workspace() -> None:
    (there,) = policy_through("2", Platform.SLACK, policy(person("ada"))).people
    assert there.handles == {Platform.SLACK: Handle(), Platform.TELEGRAM: Handle("U-ada", "ada")}
