"""Finding a person everywhere, in seconds: through the wire, on both platforms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from openpyxl import load_workbook
from pytest_django import Settings

from audits.models import AuditRun, GroupResult
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat, TelegramUser
from members.models import Employee, EmployeeHandle
from members.operations import lease
from members.platforms.types import Platform
from members.policy import Handle, Person
from telegram_ops.find import Depth, Found, find_people
from telegram_ops.references import PersonUnclear, sought
from tests.audit_world import TINY, Office
from tests.command_line import run
from tests.visitors import client_of

SLACK, TELEGRAM = Platform.SLACK, Platform.TELEGRAM
EVERYWHERE = (SLACK, TELEGRAM)


# Whom somebody means


def employee(key: str, **handles: Handle) -> Person:
    known = {Platform(name): handle for name, handle in handles.items()}
    return Person(key, f"{key.capitalize()} Example", email=f"{key}@example.com", handles=known)


PEOPLE = (
    employee("ada", slack=Handle("U0ADA0001", "ada"), telegram=Handle("7001", "adaexample")),
    employee("bo", slack=Handle(None, "sam"), telegram=Handle(None, "boexample")),
    employee("cy", slack=Handle(None, "cy"), telegram=Handle(None, "sam")),
)


@pytest.mark.parametrize(
    "text",
    ["ada", "@ada", "@AdaExample", "Ada Example", "ADA@example.com", "7001", "U0ADA0001", "<@U0ADA0001>"]
    + ["https://t.me/adaexample", "t.me/AdaExample", "tg://resolve?domain=adaexample", "tg://user?id=7001"],
)
def test_an_employee_is_found_by_whatever_names_them(text: str) -> None:
    assert sought(text, PEOPLE, EVERYWHERE).key == "ada"


@pytest.mark.parametrize(
    ("text", "platform", "handle"),
    [
        ("@some_stranger", TELEGRAM, Handle(None, "some_stranger")),
        ("https://t.me/some_stranger?start=1", TELEGRAM, Handle(None, "some_stranger")),
        ("990017", TELEGRAM, Handle("990017")),
        ("U0STRANGER", SLACK, Handle("U0STRANGER")),
    ],
)
def test_a_stranger_is_looked_for_where_the_name_can_be_from(
    text: str, platform: Platform, handle: Handle
) -> None:
    found = sought(text, PEOPLE, EVERYWHERE)

    assert (found.person, dict(found.handles)) == (None, {platform: handle})


def test_a_strangers_name_is_one_of_slack_only_when_slack_alone_is_asked() -> None:
    assert dict(sought("@some.one", PEOPLE, (SLACK,)).handles) == {SLACK: Handle(None, "some.one")}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sam", "may be bo or cy"),
        ("  ", "Say whom to look for"),
        ("Nobody Anywhere", "No employee is called"),
        ("https://t.me/+AbCdEf", "leads to no person"),
        ("https://t.me/joinchat/AbCdEf", "leads to no person"),
    ],
)
def test_what_names_nobody_or_several_is_refused(text: str, why: str) -> None:
    with pytest.raises(PersonUnclear, match=why):
        sought(text, PEOPLE, EVERYWHERE)


def test_an_employee_is_not_looked_for_where_nothing_leads_to_them() -> None:
    dee = Person("dee", "Dee Example", handles={TELEGRAM: Handle("7004")})

    found = sought("dee", (dee,), EVERYWHERE)

    assert (set(found.handles), found.unknown_on) == ({TELEGRAM}, (SLACK,))


# Where they are


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """After its first audit."""
    office = Office(start_sandbox(build_company(TINY)))
    office.audit_first()
    for server in (office.slack, office.telegram):
        server.calls.clear()
    return office


def find(text: str, **options: Any) -> Found:
    (found,) = find_people([text], **options)
    return found


def groups(found: Found, platform: Platform = TELEGRAM) -> set[str]:
    return {place.group.id for place in found.places if place.group.platform is platform}


def chats_with(office: Office, user_id: int) -> dict[str, TelegramChat]:
    """The groups in which the account could see them, whoever hides what."""
    account = office.company.telegram_account_id
    return {
        str(chat.id): chat
        for chat in office.company.telegram.chats.values()
        if {account, user_id} <= chat.members.keys() and chat.kind != "broadcast" and not chat.migrated_to
    }


class TestFinding:
    def test_an_employee_on_both_platforms_with_a_dozen_calls(self, office: Office) -> None:
        found = find("bo")

        chats = chats_with(office, office.telegram_id("bo"))
        assert any(chat.members_hidden for chat in chats.values()), "which their common groups do not show"
        assert groups(found) == set(chats)
        assert groups(found, SLACK) == {
            channel.id
            for channel in office.company.slack.channels.values()
            if office.slack_id("bo") in channel.members and not channel.is_archived
            if not channel.is_private or office.slack_id("ada") in channel.members
        }
        required = {
            (result.group.platform, result.group.external_id)
            for result in GroupResult.objects.select_related("group")
            if "bo" in result.required_present
        }
        assert {
            (place.group.platform, place.group.id) for place in found.places if place.required
        } == required
        assert sum(office.telegram.calls.counts().values()) <= 5
        assert sum(office.slack.calls.counts().values()) <= 5
        assert found.whole
        assert found.places == tuple(
            sorted(
                found.places,
                key=lambda place: (place.group.platform, place.group.name.casefold(), place.group.id),
            )
        )

    def test_our_own_status_comes_with_each_group(self, office: Office) -> None:
        account = office.company.telegram_account_id
        places = {p.group.id: p.group for p in find("bo", platforms=(TELEGRAM,)).places}

        for key, chat in chats_with(office, office.telegram_id("bo")).items():
            rights = chat.rights_of(account)
            assert (places[key].admin_status == "owner") == (chat.creator == account)
            assert (places[key].admin_status == "member") == (rights is None)
            assert places[key].may_remove == (rights is not None and rights.ban_users)

    def test_their_role_and_since_when_are_read_when_asked_for(self, office: Office) -> None:
        bo = office.telegram_id("bo")
        chats = chats_with(office, bo)
        owned, led, *_ = (chat for chat in chats.values() if chat.kind == "supergroup")

        def promote() -> None:
            owned.creator, led.admins[bo] = bo, AdminRights()

        office.telegram.run(promote)
        places = {p.group.id: p for p in find("bo", platforms=(TELEGRAM,), depth=Depth.ALL).places}

        assert places[str(owned.id)].role == "owner"
        assert places[str(led.id)].role == "admin"
        plain = [key for key, chat in chats.items() if chat not in (owned, led) and chat.creator != bo]
        assert {places[key].role for key in plain} == {"member"}
        assert {key: places[key].since for key in plain} == {
            key: datetime.fromtimestamp(chats[key].members[bo], UTC) for key in plain
        }

    def test_a_stranger_a_bot_and_ourselves(self, office: Office) -> None:
        world = office.company.telegram
        stranger = next(
            user
            for user in world.users.values()
            if user.usernames and not user.is_bot and chats_with(office, user.id)
            if not Employee.objects.filter(telegram_user_id=user.id).exists()
        )
        bot = next(user for user in world.users.values() if user.is_bot)
        somewhere = office.chat()
        office.telegram.join(somewhere.id, bot.id)

        by_name, by_link = find(f"@{stranger.usernames[0]}"), find(f"t.me/{stranger.usernames[0]}")
        by_id = find(str(stranger.id))
        assert groups(by_name) == groups(by_link) == groups(by_id) == set(chats_with(office, stranger.id))
        assert (by_name.key, by_name.sought.person) == (str(stranger.id), None)
        assert groups(find(f"@{bot.usernames[0]}")) == {str(somewhere.id)}
        account = office.company.telegram_account_id
        assert groups(find("ada", platforms=(TELEGRAM,))) == set(chats_with(office, account))

    def test_an_employee_is_recognised_by_the_id_behind_a_new_username(self, office: Office) -> None:
        bo = office.company.telegram.users[office.telegram_id("bo")]
        office.telegram.run(lambda: bo.usernames.append("bo_by_another_name"))

        found = find("@bo_by_another_name")

        assert found.key == "bo"
        assert groups(found, SLACK)

    def test_a_username_that_moved_on_is_not_taken_at_its_word(self, office: Office) -> None:
        world = office.company.telegram
        bo = world.users[office.telegram_id("bo")]
        name = bo.usernames[0]

        def move() -> None:
            bo.usernames[:] = ["bo_renamed"]
            world.add_user(TelegramUser(7_888_000_001, "Una", "Newcomer", [name]))

        office.telegram.run(move)

        assert f"@{name} is no username of {Employee.objects.get(key='bo').name} any more" in find(name).doubt
        Employee.objects.filter(key="bo").update(telegram_username="bo_renamed")
        assert EmployeeHandle.objects.filter(username=name).exists()
        for typed in (f"@{name}", name, f"t.me/{name}"):
            assert "it is Una Newcomer's now: write the id 7888000001" in find(typed).doubt

    def test_after_an_at_sign_stands_a_username_and_no_key(self, office: Office) -> None:
        Employee.objects.filter(key="bo").update(key="bosun")

        assert find("bosun").doubt == ""
        assert "@bosun is no username of" in find("@bosun").doubt


class TestWhatCannotBeRead:
    def test_a_busy_account_leaves_what_the_last_audit_saw(self, office: Office) -> None:
        hold = lease.take_account(TELEGRAM, owner="another-machine:1:audit")
        assert hold is not None

        found = find("bo", turn_patience=0)

        look = found.look_at(TELEGRAM)
        assert look is not None
        assert "uses the account now" in look.trouble
        assert look.as_of == AuditRun.objects.get().finished_at
        assert groups(found) == {
            result.group.external_id
            for result in GroupResult.objects.filter(group__platform=TELEGRAM).select_related("group")
            if "bo" in (*result.required_present, *result.optional_present)
        }
        assert office.telegram.calls.counts() == {}
        assert lease.renew(hold), "nobody took it from them"
        assert groups(found, SLACK), "which nobody waits for"

    def test_a_long_pause_keeps_what_was_learnt_and_is_told(self, office: Office) -> None:
        office.telegram.script.add("GetDialogs", RpcFault("FLOOD_WAIT_10800"))

        told = run("find_user", "bo", "--platform=telegram")

        assert told.code == 3
        assert "asks for a pause of 10800 seconds" in told.complaint
        assert told.document["groups"], "the list of common groups"

    def test_without_an_account_the_command_says_so(self, office: Office, settings: Settings) -> None:
        settings.TELEGRAM_SESSION = ""

        told = run("find_user", "@some_stranger")

        assert (told.code, told.document["groups"]) == (4, [])
        assert "Nobody is signed in to Telegram" in told.complaint


class TestTheCommand:
    def test_prints_and_writes_what_it_found(self, office: Office, tmp_path: Path) -> None:
        book = tmp_path / "bo.xlsx"
        told = run("find_user", "bo", "--details", f"--xlsx={book}")

        assert (told.code, told.complaint) == (0, "")
        user, found = told.document["user"], told.document["groups"]
        assert (user["key"], user["telegram_user_id"]) == ("bo", str(office.telegram_id("bo")))
        assert {group["id"] for group in found if group["platform"] == "telegram"} == set(
            chats_with(office, office.telegram_id("bo"))
        )
        assert {"platform", "id", "name", "admin_status", "required"} <= found[0].keys()
        sheet = load_workbook(book)["Groups"]
        assert sheet.max_row == 1 + len(found)
        assert f"In {len(found)} groups that we can see." in told.lines

    def test_refuses_whom_nobody_can_mean(self, office: Office) -> None:
        assert run("find_user", "Nobody Anywhere").code == 2
        nobody = run("find_user", "@nobody_has_this")
        assert (nobody.code, nobody.complaint) == (2, "Nobody on Telegram has the username @nobody_has_this.")


class TestThePage:
    def test_is_for_those_with_the_right(self, db: None) -> None:
        address = reverse("admin:find_person")
        without = client_of()

        assert without.get(address).status_code == 403
        assert address not in without.get(reverse("admin:index")).content.decode()
        assert without.post(address).status_code == 405

    def test_shows_what_it_found_and_changes_nothing(self, office: Office) -> None:
        client = client_of("find_person")
        page = client.get(reverse("admin:find_person"), {"q": "bo"})
        html = page.content.decode()

        assert {row.place.group.id for row in page.context["rows"]} >= set(
            chats_with(office, office.telegram_id("bo"))
        )
        assert "Remove from the chosen groups" not in html, "which needs another right"
        book = client.get(reverse("admin:find_person"), {"q": "bo", "format": "xlsx"})
        assert load_workbook(BytesIO(book.content))["Groups"].max_row == 1 + len(page.context["rows"])
        assert office.slack.writes.effects() == []

    def test_says_what_is_wrong_with_the_name(self, office: Office) -> None:
        client = client_of("find_person")

        assert (
            "No employee is called"
            in client.get(reverse("admin:find_person"), {"q": "Nobody Anywhere"}).content.decode()
        )
        html = client.get(reverse("admin:find_person"), {"q": "@nobody_has_this"}).content.decode()
        assert "Nobody on Telegram has the username" in html
