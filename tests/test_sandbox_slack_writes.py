"""The sandbox's Slack changes its world as Slack does, and only when it says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from groupadmin.sandbox.control import WriteLog
from groupadmin.sandbox.slack import SlackSandbox, SlackUser
from groupadmin.sandbox.slack.faults import Drop, RateLimited
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
    ids,
    refusal,
    tiny_world,
)

INVITE = "conversations.invite"


@pytest.fixture
def sandbox() -> Iterator[SlackSandbox]:
    with SlackSandbox(tiny_world()) as server:
        yield server
    assert server.bugs == []


def writes(sandbox: SlackSandbox) -> list[tuple[str, str, str]]:
    """Method, target and subject of everything that changed the world."""
    return [(write.method, write.target, write.subject) for write in sandbox.writes.effects()]


class TestInvite:
    @pytest.fixture(autouse=True)
    def newcomers(self, sandbox: SlackSandbox) -> None:
        for user_id in ("U20", "U21"):
            sandbox.world.add_user(SlackUser(user_id, user_id.lower(), "New Example"))

    def test_several_people_join_in_one_call(self, sandbox: SlackSandbox) -> None:
        answer = client(sandbox).conversations_invite(channel=ACME, users=["U20", "U21", "U20"])
        assert answer["channel"]["id"] == ACME
        assert list(sandbox.world.channels[ACME].members) == [BOB, ADA, "U20", "U21"]
        assert writes(sandbox) == [(INVITE, ACME, "U20"), (INVITE, ACME, "U21")]

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
        assert writes(sandbox) == [("conversations.kick", ACME, BOB)]

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
        assert writes(sandbox) == [("conversations.join", LOUNGE, ADA)]

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
        assert writes(sandbox) == [("conversations.rename", ACME, " Acme CBTC ")]

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
        assert writes(sandbox) == [("chat.postMessage", "#acme-bitsafe", "Grüße 🎉")]

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


class TestDirectMessages:
    def test_two_people_have_one_conversation_that_both_can_use(self, sandbox: SlackSandbox) -> None:
        opened = client(sandbox).conversations_open(users=BOB)["channel"]["id"]
        assert client(sandbox, BOBS_TOKEN).conversations_open(users=ADA)["channel"]["id"] == opened
        client(sandbox, BOBS_TOKEN).chat_postMessage(channel=opened, text="hi")
        assert [each["text"] for each in sandbox.world.channels[opened].messages] == ["hi"]
        assert [write[0] for write in writes(sandbox)] == ["conversations.open", "chat.postMessage"]

    def test_nobody_else_sees_it_and_it_is_no_channel(self, sandbox: SlackSandbox) -> None:
        opened = client(sandbox).conversations_open(users=BOB)["channel"]["id"]
        assert refusal(sandbox, "chat.postMessage", BOT_TOKEN, channel=opened, text="x")["error"] == (
            "channel_not_found"
        )
        listed = client(sandbox).conversations_list(types="public_channel,private_channel")["channels"]
        assert opened not in ids(listed)

    @pytest.mark.parametrize(
        ("users", "error"),
        [("", "users_list_not_supplied"), ("U404", "user_not_found"), (CY, "user_disabled")],
    )
    def test_refusals(self, sandbox: SlackSandbox, users: str, error: str) -> None:
        assert refusal(sandbox, "conversations.open", users=users)["error"] == error


class TestWriteLog:
    def test_a_refused_write_is_on_record_too_and_changed_nothing(self, sandbox: SlackSandbox) -> None:
        before = datetime.now(UTC)
        refusal(sandbox, INVITE, channel=ACME, users=BOB)
        (write,) = sandbox.writes.all()
        assert (write.platform, write.method, write.target, write.subject) == ("slack", INVITE, ACME, BOB)
        assert before <= write.at <= datetime.now(UTC)
        assert not write.effect and sandbox.writes.effects() == []

    def test_reading_is_no_writing(self, sandbox: SlackSandbox) -> None:
        client(sandbox).conversations_list()
        assert sandbox.writes.all() == []

    def test_what_never_reached_the_world_is_not_on_record(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add(INVITE, RateLimited())
        refusal(sandbox, INVITE, channel=ACME, users=BOB)
        refusal(sandbox, INVITE, "xoxp-nobody", channel=ACME, users=BOB)
        assert sandbox.writes.all() == []

    def test_a_lost_answer_does_not_hide_its_write(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("conversations.kick", Drop(share=0))
        with suppress(OSError):
            client(sandbox).conversations_kick(channel=ACME, user=BOB)
        assert writes(sandbox) == [("conversations.kick", ACME, BOB)]

    def test_another_process_reads_the_same_from_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "writes.jsonl"
        with SlackSandbox(tiny_world(), write_log=WriteLog(path)) as sandbox:
            client(sandbox).chat_postMessage(channel=ACME, text="Zwei\nZeilen, 日本 \u2028")
            client(sandbox).conversations_kick(channel=ACME, user=BOB)
            assert WriteLog.read(path) == sandbox.writes.all()
        assert len(WriteLog.read(path)) == 2
