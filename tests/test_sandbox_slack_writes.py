"""The sandbox's Slack changes its world as Slack does, and only when it says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from groupadmin.sandbox.slack import SlackSandbox, SlackUser
from tests.slack_world import (
    ACME,
    ADA,
    BOB,
    BOBS_TOKEN,
    BOT_TOKEN,
    CY,
    DEE,
    EVE,
    GENERAL,
    LOUNGE,
    OLD,
    ROBO,
    STRANGER,
    client,
    refusal,
    tiny_world,
)


@pytest.fixture
def sandbox() -> Iterator[SlackSandbox]:
    with SlackSandbox(tiny_world()) as server:
        yield server
    assert server.bugs == []


def writes(sandbox: SlackSandbox) -> list[tuple[str, dict[str, Any]]]:
    return [(method, arguments) for _, method, arguments in sandbox.world.writes]


class TestInvite:
    @pytest.fixture(autouse=True)
    def newcomers(self, sandbox: SlackSandbox) -> None:
        for user_id in ("U20", "U21"):
            sandbox.world.add_user(SlackUser(user_id, user_id.lower(), "New Example"))

    def test_several_people_join_in_one_call(self, sandbox: SlackSandbox) -> None:
        answer = client(sandbox).conversations_invite(channel=ACME, users=["U20", "U21", "U20"])
        assert answer["channel"]["id"] == ACME
        assert list(sandbox.world.channels[ACME].members) == [BOB, ADA, "U20", "U21"]
        assert writes(sandbox) == [
            ("conversations.invite", {"channel": ACME, "users": ["U20", "U21"], "by": ADA})
        ]

    def test_one_refusal_stops_all_and_each_is_explained(self, sandbox: SlackSandbox) -> None:
        body = refusal(sandbox, "conversations.invite", channel=ACME, users=f"{ADA},{BOB},U404,U20")
        assert body == {
            "ok": False,
            "error": "cant_invite_self",
            "errors": [
                {"user": ADA, "ok": False, "error": "cant_invite_self"},
                {"user": BOB, "ok": False, "error": "already_in_channel"},
                {"user": "U404", "ok": False, "error": "user_not_found"},
            ],
        }
        assert writes(sandbox) == []

    def test_force_takes_those_who_can_come(self, sandbox: SlackSandbox) -> None:
        answer = client(sandbox).conversations_invite(channel=ACME, users=[BOB, "U20"], force=True)
        assert answer["errors"] == [{"user": BOB, "ok": False, "error": "already_in_channel"}]
        assert "U20" in sandbox.world.channels[ACME].members

    def test_force_with_nobody_left_is_an_error(self, sandbox: SlackSandbox) -> None:
        body = refusal(sandbox, "conversations.invite", channel=ACME, users=BOB, force="true")
        assert body["error"] == "already_in_channel"

    def test_a_deactivated_person_fails_while_the_others_are_invited(self, sandbox: SlackSandbox) -> None:
        body = refusal(sandbox, "conversations.invite", channel=ACME, users=f"{CY},U20")
        assert body["errors"] == [{"user": CY, "ok": False, "error": "cant_invite"}]
        assert "U20" in sandbox.world.channels[ACME].members

    def test_guests_and_strangers_have_limits(self, sandbox: SlackSandbox) -> None:
        def error(user_id: str) -> str:
            return str(refusal(sandbox, "conversations.invite", channel=ACME, users=user_id)["error"])

        assert error(DEE) == "user_is_restricted"
        assert error(EVE) == "ura_max_channels"
        assert error(STRANGER) == "cant_invite"
        client(sandbox, BOBS_TOKEN).conversations_invite(channel=ACME, users=DEE)  # Bob is an admin
        client(sandbox, BOBS_TOKEN).conversations_invite(channel=LOUNGE, users=STRANGER)

    @pytest.mark.parametrize(
        ("channel", "users", "error"),
        [
            (LOUNGE, "U20", "not_in_channel"),
            (OLD, "U20", "is_archived"),
            (ACME, "", "no_user"),
            (ACME, ",".join(f"UX{n}" for n in range(101)), "too_many_users"),
        ],
    )
    def test_a_call_may_be_refused_as_a_whole(
        self, sandbox: SlackSandbox, channel: str, users: str, error: str
    ) -> None:
        body = refusal(sandbox, "conversations.invite", channel=channel, users=users)
        assert body == {"ok": False, "error": error}


class TestKick:
    def test_a_member_is_removed_once(self, sandbox: SlackSandbox) -> None:
        assert client(sandbox).conversations_kick(channel=ACME, user=BOB)["errors"] == {}
        assert refusal(sandbox, "conversations.kick", channel=ACME, user=BOB)["error"] == "not_in_channel"
        assert writes(sandbox) == [("conversations.kick", {"channel": ACME, "user": BOB, "by": ADA})]

    @pytest.mark.parametrize(
        ("channel", "user", "error"),
        [
            (ACME, ADA, "cant_kick_self"),
            (ACME, "U404", "user_not_found"),
            (LOUNGE, BOB, "not_in_channel"),
            (GENERAL, BOB, "cant_kick_from_general"),
        ],
    )
    def test_refusals(self, sandbox: SlackSandbox, channel: str, user: str, error: str) -> None:
        assert refusal(sandbox, "conversations.kick", channel=channel, user=user)["error"] == error
        assert writes(sandbox) == []

    def test_a_workspace_may_leave_kicking_to_admins(self, sandbox: SlackSandbox) -> None:
        sandbox.world.only_admins_kick = True
        assert refusal(sandbox, "conversations.kick", channel=ACME, user=BOB)["error"] == "restricted_action"
        client(sandbox, BOBS_TOKEN).conversations_kick(channel=ACME, user=ADA)


class TestJoin:
    def test_joining_a_public_channel(self, sandbox: SlackSandbox) -> None:
        assert client(sandbox).conversations_join(channel=LOUNGE)["channel"]["is_member"]
        again = client(sandbox).conversations_join(channel=LOUNGE)
        assert again["warning"] == "already_in_channel"
        assert again["response_metadata"] == {"warnings": ["already_in_channel"]}
        assert writes(sandbox) == [("conversations.join", {"channel": LOUNGE, "user": ADA})]

    def test_archived_and_private_channels_cannot_be_joined(self, sandbox: SlackSandbox) -> None:
        assert refusal(sandbox, "conversations.join", channel=OLD)["error"] == "is_archived"
        assert refusal(sandbox, "conversations.join", channel=ACME)["error"] == (
            "method_not_supported_for_channel_type"
        )


class TestRename:
    def test_slack_tidies_the_name_and_remembers_the_old_one(self, sandbox: SlackSandbox) -> None:
        channel = client(sandbox).conversations_rename(channel=ACME, name=" Acme CBTC ")["channel"]
        assert (channel["name"], channel["name_normalized"]) == ("acme-cbtc", "acme-cbtc")
        assert channel["previous_names"] == ["acme-bitsafe"]
        assert writes(sandbox) == [
            ("conversations.rename", {"channel": ACME, "name": "acme-cbtc", "by": ADA})
        ]

    def test_the_same_name_again_changes_nothing(self, sandbox: SlackSandbox) -> None:
        client(sandbox).conversations_rename(channel=ACME, name="acme-bitsafe")
        assert writes(sandbox) == []

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("", "invalid_name_required"),
            ("x" * 81, "invalid_name_maxlength"),
            ("-_-", "invalid_name_punctuation"),
            ("acme & co", "invalid_name_specials"),
            ("acme🎉", "invalid_name_specials"),
            ("secret", "name_taken"),
        ],
    )
    def test_names_that_slack_refuses(self, sandbox: SlackSandbox, name: str, error: str) -> None:
        assert refusal(sandbox, "conversations.rename", channel=ACME, name=name)["error"] == error

    def test_letters_of_any_script_may_stay(self, sandbox: SlackSandbox) -> None:
        answer = client(sandbox).conversations_rename(channel=ACME, name="Großes_日本-2")
        assert answer["channel"]["name"] == "großes_日本-2"

    def test_only_creator_manager_and_admin_may_rename(self, sandbox: SlackSandbox) -> None:
        def rename(channel: str) -> str:
            return str(refusal(sandbox, "conversations.rename", channel=channel, name="new")["error"])

        assert rename(LOUNGE) == "not_in_channel"
        assert rename(OLD) == "is_archived"
        assert rename(GENERAL) == "not_authorized"
        sandbox.world.channels[GENERAL].managers.add(ADA)
        client(sandbox).conversations_rename(channel=GENERAL, name="everybody")
        client(sandbox, BOBS_TOKEN).conversations_rename(channel=ACME, name="by-admin")


class TestPostMessage:
    def test_a_message_reaches_the_history(self, sandbox: SlackSandbox) -> None:
        posted = client(sandbox).chat_postMessage(channel="#acme-bitsafe", text="Grüße 🎉")
        assert posted["channel"] == ACME
        (message,) = client(sandbox).conversations_history(channel=ACME)["messages"]
        assert message == posted["message"]
        assert (message["user"], message["text"], message["ts"]) == (ADA, "Grüße 🎉", posted["ts"])
        assert writes(sandbox) == [("chat.postMessage", {"channel": ACME, "ts": posted["ts"], "by": ADA})]

    def test_every_message_has_its_own_ts(self, sandbox: SlackSandbox) -> None:
        stamps = [client(sandbox).chat_postMessage(channel=ACME, text=str(n))["ts"] for n in range(5)]
        assert stamps == sorted(set(stamps))

    def test_a_bot_signs_its_messages(self, sandbox: SlackSandbox) -> None:
        message = client(sandbox, BOT_TOKEN).chat_postMessage(channel=GENERAL, text="beep")["message"]
        assert message["user"] == ROBO and message["bot_id"].startswith("B")

    def test_blocks_arrive_as_json_or_as_text(self, sandbox: SlackSandbox) -> None:
        blocks = [{"type": "divider"}]
        as_json = client(sandbox).chat_postMessage(channel=ACME, text="x", blocks=blocks)
        as_text = client(sandbox).chat_postMessage(channel=ACME, text="x", blocks='[{"type":"divider"}]')
        assert as_json["message"]["blocks"] == as_text["message"]["blocks"] == blocks

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"channel": "nowhere", "text": "x"}, "channel_not_found"),
            ({"channel": OLD, "text": "x"}, "is_archived"),
            ({"channel": LOUNGE, "text": "x"}, "not_in_channel"),
            ({"channel": ACME}, "no_text"),
            ({"channel": ACME, "blocks": "{"}, "invalid_blocks_format"),
            ({"channel": ACME, "text": "x", "markdown_text": "y"}, "markdown_text_conflict"),
            ({"channel": ACME, "text": "x", "thread_ts": "1.000000"}, "cannot_reply_to_message"),
        ],
    )
    def test_refusals(self, sandbox: SlackSandbox, arguments: dict[str, str], error: str) -> None:
        assert refusal(sandbox, "chat.postMessage", **arguments)["error"] == error
        assert writes(sandbox) == []
