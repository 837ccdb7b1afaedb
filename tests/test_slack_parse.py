"""Slack's JSON: what a field means, and that no answer, however odd, breaks the reader."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.platforms.errors import AccountTrouble, PlatformError, Refused, TryLater
from members.platforms.slack_errors import DEFAULT_RETRY_AFTER, error_of_answer, retry_after
from members.platforms.slack_parse import (
    Workspace,
    parse_account,
    parse_channel,
    parse_channels,
    parse_event,
    parse_member_ids,
    parse_next_cursor,
    parse_user,
    parse_user_info,
    parse_users,
    parse_workspace,
)
from members.platforms.types import Privacy

HOME = Workspace(team_id="T1", enterprise_id="E1")


# Channels


def test_private_is_what_is_private_says_whatever_the_id_looks_like() -> None:
    private = parse_channel({"id": "C1", "name": "acme", "is_private": True})
    public = parse_channel({"id": "G1", "name": "acme", "is_private": False})

    assert private and private.privacy is Privacy.PRIVATE
    assert public and public.privacy is Privacy.PUBLIC


@pytest.mark.parametrize(
    ("told", "joined"),
    [
        ({"is_private": False, "is_member": True}, True),
        ({"is_private": False, "is_member": False}, False),
        ({"is_private": False}, False),
        ({"is_private": True}, True),
    ],
)
def test_a_visible_private_channel_is_one_that_we_are_in(told: dict[str, bool], joined: bool) -> None:
    group = parse_channel({"id": "C1", "name": "acme"} | told)

    assert group and group.joined is joined


def test_an_invitation_that_nobody_accepted_shares_nothing_yet() -> None:
    pending = parse_channel({"id": "C1", "is_pending_ext_shared": True, "is_ext_shared": False})
    shared = parse_channel({"id": "C1", "is_ext_shared": True})

    assert pending and not pending.shared_externally
    assert shared and shared.shared_externally


def test_archived_and_created() -> None:
    group = parse_channel({"id": "C1", "is_archived": True, "created": 1449252889})

    assert group and group.archived
    assert group.created_at == datetime(2015, 12, 4, 18, 14, 49, tzinfo=UTC)


@pytest.mark.parametrize("created", [0, -1, 10**20, True, "1449252889", None])
def test_an_unusable_creation_time_is_unknown(created: Any) -> None:
    group = parse_channel({"id": "C1", "created": created})

    assert group and group.created_at is None


def test_direct_messages_are_no_groups() -> None:
    answer = {"channels": [{"id": "D1", "is_im": True}, {"id": "G1", "is_mpim": True}, {"id": "C1"}]}

    assert [group.id for group in parse_channels(answer)] == ["C1"]


@pytest.mark.parametrize("name", ["مرحبا-acme", "acme 🚀", "=1+1", "two\nlines", " padded "])
def test_names_stay_verbatim(name: str) -> None:
    group = parse_channel({"id": "C1", "name": name})

    assert group and group.name == name


def test_what_no_database_can_store_is_replaced() -> None:
    group = parse_channel({"id": "C1", "name": "a\0b\ud800c"})

    assert group and group.name == "a\N{REPLACEMENT CHARACTER}b?c"


def test_a_strange_entry_does_not_hide_the_others() -> None:
    answer = {"channels": [None, "C0", {}, {"id": 7}, {"id": "C1", "name": "acme"}]}

    assert [group.name for group in parse_channels(answer)] == ["acme"]


# Users


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"profile": {"display_name": "Ada", "real_name": "Ada Example"}, "name": "ada"}, "Ada"),
        ({"profile": {"display_name": "", "real_name": "Ada Example"}, "name": "ada"}, "Ada Example"),
        ({"real_name": "Ada Example", "name": "ada"}, "Ada Example"),
        ({"name": "ada"}, "ada"),
        ({}, "U1"),
    ],
)
def test_the_name_is_the_display_name_or_the_next_best(user: dict[str, Any], name: str) -> None:
    parsed = parse_user({"id": "U1"} | user, HOME)

    assert parsed and parsed.name == name


def test_the_handle_is_the_username_and_the_email_comes_from_the_profile() -> None:
    user = parse_user({"id": "U1", "name": "ada", "profile": {"email": "ada@example.com"}}, HOME)

    assert user and (user.username, user.email) == ("ada", "ada@example.com")


def test_deactivated_people_stay_in_the_directory() -> None:
    user = parse_user({"id": "U1", "deleted": True}, HOME)

    assert user and not user.active


@pytest.mark.parametrize(
    "bot",
    [
        {"id": "U1", "is_bot": True},
        {"id": "U1", "is_workflow_bot": True},
        {"id": "USLACKBOT", "is_bot": False},
    ],
)
def test_bots(bot: dict[str, Any]) -> None:
    user = parse_user(bot, HOME)

    assert user and user.is_bot


@pytest.mark.parametrize(
    ("user", "external"),
    [
        ({"team_id": "T1"}, False),
        ({}, False),
        ({"team_id": "T2"}, True),
        ({"profile": {"team": "T2"}}, True),
        ({"team_id": "T1", "is_stranger": True}, True),
        ({"team_id": "T2", "is_stranger": False}, True),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E1"}}, False),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E2"}}, True),
    ],
)
def test_external_people_have_another_home(user: dict[str, Any], external: bool) -> None:
    parsed = parse_user({"id": "U1"} | user, HOME)

    assert parsed and parsed.external is external


# Errors


@pytest.mark.parametrize(
    "word",
    ["not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "org_login_required",
     "ekm_access_denied", "team_access_not_granted", "not_allowed_token_type", "missing_scope"],
)  # fmt: skip
def test_what_the_account_has_to_put_right(word: str) -> None:
    error = _error({"ok": False, "error": word})

    assert isinstance(error, AccountTrouble)
    assert error.code == word


@pytest.mark.parametrize(
    "word", ["channel_not_found", "user_not_found", "is_archived", "a_word_from_the_future"]
)
def test_any_other_word_is_permanent_and_kept(word: str) -> None:
    error = _error({"ok": False, "error": word})

    assert isinstance(error, Refused)
    assert error.code == word


@pytest.mark.parametrize("word", ["internal_error", "fatal_error", "service_unavailable", "request_timeout"])
def test_slacks_own_troubles_are_temporary(word: str) -> None:
    error = _error({"ok": False, "error": word})

    assert isinstance(error, TryLater)
    assert error.code == word


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("0", 0.0), (None, DEFAULT_RETRY_AFTER), ("", DEFAULT_RETRY_AFTER),
     ("soon", DEFAULT_RETRY_AFTER), ("-3", DEFAULT_RETRY_AFTER), ("nan", DEFAULT_RETRY_AFTER),
     ("inf", DEFAULT_RETRY_AFTER), ("Wed, 21 Oct 2026 07:28:00 GMT", DEFAULT_RETRY_AFTER)],
)  # fmt: skip
def test_retry_after_or_thirty_seconds(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds


# Any JSON at all

TEXT = st.text("aZ1 .\n\0\ud800🚀", max_size=6)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = SCALAR | st.lists(SCALAR, max_size=3) | st.dictionaries(TEXT, SCALAR, max_size=3)
FIELDS = (
    st.sampled_from(["id", "name", "channels", "members", "user", "user_id", "team_id", "profile", "email"])
    | st.sampled_from(["created", "num_members", "is_private", "response_metadata", "next_cursor", "event"])
    | st.sampled_from(["type", "channel", "enterprise_user", "error", "needed", "provided"])
)
ENTRY = st.dictionaries(FIELDS, JSON | st.just("channel_created"), max_size=8)
ANSWER = st.dictionaries(FIELDS, JSON | ENTRY | st.lists(JSON | ENTRY, max_size=4), max_size=8)


@given(ANSWER)
def test_no_answer_raises_anything_but_refused(answer: dict[str, Any]) -> None:
    for parse in (parse_account, parse_channels, parse_member_ids):
        _allow_refused(parse, answer)
    for parse_people in (parse_users, parse_user_info):
        _allow_refused(parse_people, answer, HOME)
    parse_workspace(answer)
    assert isinstance(parse_next_cursor(answer), str)
    event = parse_event(answer)
    assert event is None or event.channel_id


@given(ENTRY.map(lambda entry: entry | {"id": "C1"}))
def test_every_entry_with_an_id_is_kept_and_storable(entry: dict[str, Any]) -> None:
    user, group = parse_user(entry, HOME), parse_channel(entry)

    assert user and group
    for text in (user.name, user.email or "", group.name, *user.usernames):
        assert "\0" not in text
        text.encode("utf-8")


@given(ANSWER, st.integers(200, 599), st.none() | TEXT)
def test_every_failed_answer_is_one_clear_line(
    answer: dict[str, Any], status: int, header: str | None
) -> None:
    error = _error(answer, status=status, header=header)

    assert error.code
    assert str(error) and "\n" not in str(error)
    assert not isinstance(error, TryLater) or math.isfinite(error.seconds)


def _error(answer: dict[str, Any], *, status: int = 200, header: str | None = None) -> PlatformError:
    return error_of_answer(
        "users.list", host="slack.com", status=status, retry_after_header=header, answer=answer
    )


def _allow_refused(parse: Any, *arguments: Any) -> None:
    try:
        parse(*arguments)
    except Refused as error:
        assert error.code == "bad_answer"
