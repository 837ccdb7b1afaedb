"""Every Slack response and event recorded in fixtures/slack parses into our own types."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from members.platforms.errors import AccountTrouble, Refused
from members.platforms.slack_errors import error_of_answer
from members.platforms.slack_parse import (
    EventKind,
    SlackEvent,
    Workspace,
    parse_account,
    parse_channel,
    parse_channels,
    parse_event,
    parse_member_ids,
    parse_next_cursor,
    parse_user_info,
    parse_users,
    parse_workspace,
)
from members.platforms.types import GroupKind, Platform, PlatformGroup, Privacy

FIXTURES = Path(__file__).parent / "fixtures" / "slack"
SAMPLES = {path.stem: json.loads(path.read_text()) for path in (FIXTURES / "samples").glob("*.json")}
EVENTS = {path.stem: json.loads(path.read_text()) for path in (FIXTURES / "events").glob("*.json")}

RECORDED_AT = datetime.fromtimestamp(12345, UTC)


def filled(sample: Any) -> Any:
    """The sample with every text that was blanked out set to "filled": shapes stay, ids are present."""
    if isinstance(sample, dict):
        return {key: filled(value) for key, value in sample.items()}
    if isinstance(sample, list):
        return [filled(value) for value in sample]
    return "filled" if sample == "" else sample


OUTSIDE = {"may_remove": False, "may_rename": False}
"""What an account may not do in a channel that it is not in."""


def channel(channel_id: str, **told: Any) -> PlatformGroup:
    return PlatformGroup(
        platform=Platform.SLACK,
        id=channel_id,
        name="filled",
        kind=GroupKind.CHANNEL,
        privacy=Privacy.PUBLIC,
        joined=False,
        created_at=RECORDED_AT,
        **told,
    )


def test_auth_test() -> None:
    answer = filled(SAMPLES["auth.test"])

    account = parse_account(answer)

    assert (account.id, account.username, account.workspace_id) == ("U00000000", "filled", "T00000000")
    assert parse_workspace(answer) == Workspace(team_id="T00000000", enterprise_id="E00000000")


def test_conversations_list() -> None:
    assert parse_channels(filled(SAMPLES["conversations.list"])) == [
        channel("D00000000", total_members=12345, **OUTSIDE)
    ]


def test_users_conversations_tells_no_member_count() -> None:
    assert parse_channels(filled(SAMPLES["users.conversations"])) == [
        channel("C00000000", total_members=None)
    ]


def test_a_blanked_name_falls_back_to_the_id() -> None:
    (group,) = parse_channels(SAMPLES["users.conversations"])

    assert group.name == "C00000000"


@pytest.mark.parametrize(
    "method", ["conversations.info", "conversations.invite", "conversations.join", "conversations.rename"]
)
def test_methods_that_answer_with_one_channel(method: str) -> None:
    counted = SAMPLES[method]["channel"].get("num_members")

    assert parse_channel(filled(SAMPLES[method])["channel"]) == channel(
        "C00000000", total_members=counted, **OUTSIDE
    )


def test_conversations_members() -> None:
    assert parse_member_ids(SAMPLES["conversations.members"]) == {"U00000000"}


def test_users_list() -> None:
    (user,) = parse_users(filled(SAMPLES["users.list"]), Workspace(team_id="T00000000"))

    assert (user.id, user.usernames, user.name, user.email) == ("U00000000", ("filled",), "filled", "filled")
    assert (user.active, user.is_bot, user.external) == (True, False, False)


def test_users_info() -> None:
    user = parse_user_info(filled(SAMPLES["users.info"]), Workspace(team_id="T0ELSEWHERE"))

    assert (user.id, user.external) == ("U00000000", True)


@pytest.mark.parametrize("method", [name for name in SAMPLES if "response_metadata" in SAMPLES[name]])
def test_the_last_page_has_no_next_cursor(method: str) -> None:
    assert parse_next_cursor(SAMPLES[method]) == ""


@pytest.mark.parametrize("method", SAMPLES)
def test_every_method_can_answer_with_an_error(method: str) -> None:
    def error(word: str) -> Exception:
        answer = filled(SAMPLES[method]) | {"ok": False, "error": word}
        return error_of_answer(method, host="slack.com", status=200, retry_after_header=None, answer=answer)

    assert isinstance(error("channel_not_found"), Refused)
    scope = error("missing_scope")
    assert isinstance(scope, AccountTrouble)
    assert "needs filled and has filled" in str(scope)


@pytest.mark.parametrize(
    ("recorded", "event"),
    [
        ("ChannelCreatedPayload", SlackEvent(EventKind.CHANNEL_CREATED, "filled", "filled", "filled")),
        ("ChannelRenamePayload", SlackEvent(EventKind.CHANNEL_RENAME, "filled", "filled")),
        ("GroupRenamePayload", SlackEvent(EventKind.GROUP_RENAME, "filled", "filled")),
        ("ChannelArchivePayload", SlackEvent(EventKind.CHANNEL_ARCHIVE, "filled", user_id="filled")),
        ("MemberJoinedChannelPayload", SlackEvent(EventKind.MEMBER_JOINED, "filled", user_id="filled")),
        ("MemberLeftChannelPayload", SlackEvent(EventKind.MEMBER_LEFT, "filled", user_id="filled")),
    ],
)
def test_events(recorded: str, event: SlackEvent) -> None:
    assert parse_event(filled(EVENTS[recorded])) == event


@pytest.mark.parametrize("recorded", EVENTS)
def test_an_event_without_a_channel_id_concerns_nobody(recorded: str) -> None:
    assert parse_event(EVENTS[recorded]) is None
