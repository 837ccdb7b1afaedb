"""`audit --deep` reads every member list: it agrees with the fast way, and sees a little more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from groupadmin.sandbox.company import Company, build_company, tricky_company
from groupadmin.sandbox.runner import Sandbox
from tests.audit_world import TINY, Meanwhile, Office, changes, findings, sorted_lists, tiny_office

pytestmark = pytest.mark.django_db


office = pytest.fixture(tiny_office)


@pytest.mark.parametrize("company", [build_company(TINY), tricky_company()], ids=["tiny", "tricky"])
def test_says_what_is_true(start_sandbox: Callable[..., Sandbox], company: Company) -> None:
    deep = Office(start_sandbox(company)).audit("--deep")

    assert (deep.code, deep.state) == (0, "complete")
    assert {key: sorted_lists(row) for key, row in deep.rows().items()} == {
        group.id: group.as_json() for group in company.truth_now().groups.values()
    }


def test_agrees_with_the_fast_way(office: Office) -> None:
    fast = office.audit()
    opened = findings()

    deep = office.audit("--deep")

    assert deep.rows() == fast.rows()
    assert (changes(deep), findings()) == ([], opened)
    assert not [reason for _, reason in deep.blind_spots() if "disagree" in reason]


def test_reads_every_list_that_the_account_may_read(office: Office) -> None:
    deep = office.audit("--deep")

    slack, telegram = deep.calls("slack"), deep.calls("telegram")
    assert slack["conversations.members"] >= len(deep.rows("slack"))
    assert telegram["GetParticipants"] + telegram["GetFullChat"] >= len(deep.rows("telegram"))


def test_counts_the_members_where_the_fast_way_was_not_told(office: Office) -> None:
    chat = office.chat(lambda truth, chat: chat.kind == "supergroup")
    office.audit()
    chat.count_hidden = True
    assert office.audit().rows()[str(chat.id)]["total_members"] is None

    assert office.audit("--deep").rows()[str(chat.id)]["total_members"] == len(chat.members)


def test_finds_departed_staff_by_their_id(office: Office) -> None:
    """Nothing leads to Kim's account any more: no username, and another name. But she is still there."""
    kim = office.company.staff["kim"].telegram_account
    kim.usernames.clear()
    kim.first_name, kim.last_name = "Somebody", "Else"
    chat = office.chat(
        lambda truth, chat: (
            chat.kind == "supergroup" and kim.id not in chat.members and not chat.members_hidden
        )
    )
    office.telegram.run(lambda: office.company.telegram.join(chat, kim.id))
    present = ("telegram", str(chat.id), "departed_member_present", "kim")
    kims_row = next(row for row in office.company.policy["employees"] if row["key"] == "kim")
    kims_row |= {"telegram_user_id": kim.id, "telegram_username": None}
    office.load_policy()

    office.audit()
    assert present not in findings()
    office.audit("--deep")
    assert present in findings()


def test_finds_a_deactivated_account_that_a_channel_still_lists(office: Office) -> None:
    channel = office.channel()
    channel.members[office.slack_id("kim")] = None
    present = ("slack", channel.id, "departed_member_present", "kim")

    office.audit()
    assert present not in findings()
    office.audit("--deep")
    assert present in findings()


def test_the_groups_own_list_counts_and_the_contradiction_is_said(office: Office) -> None:
    """Bo joins after his own list of channels was read, and before the channel's list of members is."""
    channel = office.channel(lambda truth, channel: "bo" in truth.required_missing)
    office.slack.script.add(
        "conversations.members",
        Meanwhile(lambda: channel.members.setdefault(office.slack_id("bo"))),
        when=lambda arguments: arguments["channel"] == channel.id,
    )

    deep = office.audit("--platform=slack", "--deep")

    assert "bo" in deep.rows()[channel.id]["required_present"]
    assert (channel.name, "The member list and bo's own list disagree.") in deep.blind_spots()


def test_a_list_that_is_not_shown_whole_is_said_and_proves_no_absence(office: Office) -> None:
    chat = office.chat(lambda truth, chat: chat.kind == "supergroup" and len(chat.members) > 3)
    fast = office.audit("--platform=telegram")
    chat.listed_members = 3

    deep = office.audit("--platform=telegram", "--deep")

    assert (chat.title, f"Only 3 of {len(chat.members)} members were shown.") in deep.blind_spots()
    assert deep.rows()[str(chat.id)] == fast.rows()[str(chat.id)]
    assert changes(deep) == []


def test_a_list_that_is_hidden_is_said(office: Office) -> None:
    chat = next(chat for chat in office.company.telegram.chats.values() if chat.members_hidden)

    deep = office.audit("--platform=telegram", "--deep")

    assert deep.state == "complete"
    (reason,) = [reason for subject, reason in deep.blind_spots() if subject == chat.title]
    assert reason.startswith("Member list not read: ") and "make the account an admin there" in reason


def test_a_channel_that_vanishes_while_the_lists_are_read(office: Office) -> None:
    office.audit("--platform=slack")
    channel = office.channel(lambda truth, channel: truth.required_missing != frozenset())
    missing = {finding for finding in findings() if finding[1] == channel.id}
    office.slack.script.add(
        "conversations.members",
        Meanwhile(lambda: office.company.slack.channels.pop(channel.id)),
        when=lambda arguments: arguments["channel"] == channel.id,
    )

    deep = office.audit("--platform=slack", "--deep")

    assert deep.state == "complete"
    assert deep.rows()[channel.id]["verdict"] == "not_visible"
    assert changes(deep) == [("opened", "", channel.id, "not_visible", "")]
    assert missing < findings()
