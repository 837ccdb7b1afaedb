"""Removing people from Telegram groups, renaming them, and sending messages, through MTProto."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from groupadmin.sandbox.telegram.effects import Drop, RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import AdminRights, TelegramWorld
from members.platforms.outcomes import Outcome, Reply
from members.platforms.telegram_writer import TelegramWriter
from members.platforms.types import Platform
from members.platforms.writing import InDoubt, PlatformWriter
from tests.telegram_reading import (
    ADA,
    BOB,
    CY,
    DEE,
    add_group,
    everything,
    group_named,
    person,
)
from tests.telegram_writing import (
    BASIC_AND_SUPER,
    GROUP,
    STRANGER,
    OnTelegram,
    one_line,
    outcomes,
    own_group,
    people,
    written,
)


class TestRemoving(OnTelegram):
    async def test_from_a_supergroup_so_that_they_may_come_back(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        chat = own_group(world, BOB)
        group = await group_named(telegram, GROUP)
        assert await telegram.remove(group, person(BOB)) == Reply(Outcome.DONE)
        assert (list(chat.members), chat.banned) == ([ADA], set())
        assert written(sandbox) == [
            ("EditBanned", f"{BOB} without view_messages", True),
            ("EditBanned", f"{BOB} unrestricted", True),
        ]
        assert outcomes(await telegram.invite(group, people(BOB))) == {BOB: Outcome.DONE}

    async def test_from_a_basic_group(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        chat = own_group(world, BOB, kind="basic")
        group = await group_named(telegram, GROUP)
        assert await telegram.remove(group, person(BOB)) == Reply(Outcome.DONE)
        assert list(chat.members) == [ADA]
        assert written(sandbox) == [("DeleteChatUser", str(BOB), True)]

    @BASIC_AND_SUPER
    async def test_somebody_who_is_gone_already(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter, kind: str
    ) -> None:
        own_group(world, kind=kind)
        reply = await telegram.remove(await group_named(telegram, GROUP), person(BOB))
        assert reply == Reply(Outcome.ALREADY_GONE)
        assert sandbox.writes.effects() == []

    async def test_a_ban_from_before_stays(self, world: TelegramWorld, telegram: TelegramWriter) -> None:
        chat = own_group(world, banned={BOB})
        reply = await telegram.remove(await group_named(telegram, GROUP), person(BOB))
        assert (reply.outcome, chat.banned) == (Outcome.ALREADY_GONE, {BOB})

    @BASIC_AND_SUPER
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"admins": {ADA: AdminRights(ban_users=False)}},
            {"admins": {ADA: AdminRights(), BOB: AdminRights()}},
            {"admins": {ADA: AdminRights()}, "creator": BOB},
        ],
        ids=["member", "without the right", "an admin", "the owner"],
    )
    async def test_without_the_right_to(
        self, world: TelegramWorld, telegram: TelegramWriter, kind: str, fields: dict[str, Any]
    ) -> None:
        chat = add_group(world, GROUP, ADA, BOB, **({"kind": kind, "creator": CY} | fields))
        reply = await telegram.remove(await group_named(telegram, GROUP), person(BOB))
        assert reply.outcome is Outcome.ADMIN_RIGHTS_NEEDED
        assert "owner" in one_line(reply)
        assert BOB in chat.members

    @BASIC_AND_SUPER
    async def test_the_account_does_not_throw_itself_out(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter, kind: str
    ) -> None:
        own_group(world, kind=kind)
        reply = await telegram.remove(await group_named(telegram, GROUP), person(ADA))
        assert reply.outcome is Outcome.REFUSED
        assert written(sandbox) == []

    async def test_a_group_that_vanished(self, world: TelegramWorld, telegram: TelegramWriter) -> None:
        own_group(world, BOB)
        group = await group_named(telegram, GROUP)
        world.remove_chat(GROUP)
        assert (await telegram.remove(group, person(BOB))).outcome is Outcome.GROUP_NOT_FOUND

    async def test_an_error_between_the_halves_leaves_a_ban_that_ends_by_itself(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        chat = own_group(world, BOB)
        group = await group_named(telegram, GROUP)
        sandbox.script.add("EditBanned", Drop(), skip=1)
        with pytest.raises(InDoubt) as caught:
            await telegram.remove(group, person(BOB))
        assert chat.banned == {BOB}
        left = chat.ban_ends[BOB] - datetime.now(UTC)
        assert timedelta(minutes=55) < left < timedelta(minutes=65)
        assert "a ban keeps them from coming back until" in one_line(caught.value.settled[str(BOB)])
        assert await telegram.unban(group, person(BOB)) == Reply(Outcome.DONE)
        assert await telegram.unban(group, person(BOB)) == Reply(Outcome.DONE)
        assert (list(chat.members), chat.banned) == ([ADA], set())

    async def test_a_ban_that_may_not_be_lifted_is_told(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world, BOB)
        group = await group_named(telegram, GROUP)
        sandbox.script.add("EditBanned", RpcFault("CHAT_ADMIN_REQUIRED"), skip=1)
        reply = await telegram.remove(group, person(BOB))
        assert reply.outcome is Outcome.DONE
        assert "a ban keeps them from coming back" in one_line(reply)

    async def test_a_lasting_ban(self, world: TelegramWorld, telegram: TelegramWriter) -> None:
        chat = own_group(world, BOB)
        group = await group_named(telegram, GROUP)
        assert await telegram.ban(group, person(BOB)) == Reply(Outcome.DONE)
        assert (list(chat.members), chat.banned, chat.ban_ends) == ([ADA], {BOB}, {})

    async def test_a_basic_group_knows_no_bans(self, world: TelegramWorld, telegram: TelegramWriter) -> None:
        chat = own_group(world, BOB, kind="basic")
        group = await group_named(telegram, GROUP)
        for half in (telegram.ban, telegram.unban):
            assert (await half(group, person(BOB))).outcome is Outcome.REFUSED
        assert BOB in chat.members


@BASIC_AND_SUPER
class TestRenaming(OnTelegram):
    async def test_by_an_admin_who_may(
        self, world: TelegramWorld, telegram: TelegramWriter, kind: str
    ) -> None:
        chat = own_group(world, kind=kind)
        group = await group_named(telegram, GROUP)
        name = "‮אקמה‬ <> BitSafe (CBTC) 🚀"
        assert await telegram.rename(group, name) == (Reply(Outcome.DONE), name)
        assert chat.title == name

    async def test_to_what_no_wire_can_carry(
        self, world: TelegramWorld, telegram: TelegramWriter, kind: str
    ) -> None:
        chat = own_group(world, kind=kind)
        reply, name = await telegram.rename(await group_named(telegram, GROUP), "Acme \ud83d")
        assert (reply.outcome, name) == (Outcome.DONE, chat.title)
        assert name == "Acme ?"

    async def test_to_the_name_it_has_is_done_already(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter, kind: str
    ) -> None:
        own_group(world, kind=kind, title="New name")
        reply, name = await telegram.rename(await group_named(telegram, GROUP), "New name")
        assert (reply.outcome, name) == (Outcome.ALREADY_THERE, "New name")
        assert sandbox.writes.effects() == []

    async def test_without_the_right_to(
        self, world: TelegramWorld, telegram: TelegramWriter, kind: str
    ) -> None:
        add_group(world, GROUP, ADA, kind=kind, title="Old name")
        reply, name = await telegram.rename(await group_named(telegram, GROUP), "New name")
        assert (reply.outcome, name) == (Outcome.ADMIN_RIGHTS_NEEDED, "Old name")

    async def test_to_no_name_at_all(self, world: TelegramWorld, telegram: TelegramWriter, kind: str) -> None:
        own_group(world, kind=kind, title="Old name")
        reply, name = await telegram.rename(await group_named(telegram, GROUP), " ")
        assert (reply.outcome, name) == (Outcome.REFUSED, "Old name")
        assert one_line(reply)


class TestSending(OnTelegram):
    @BASIC_AND_SUPER
    async def test_into_a_group(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter, kind: str
    ) -> None:
        chat = own_group(world, kind=kind)
        assert await telegram.send(await group_named(telegram, GROUP), "Hello *all*") == Reply(Outcome.DONE)
        assert chat.messages[-1].text == "Hello *all*"
        assert written(sandbox) == [("SendMessage", "Hello *all*", True)]

    async def test_to_somebody_deleted_or_unknown(
        self, world: TelegramWorld, telegram: TelegramWriter
    ) -> None:
        await everything(telegram.groups())
        for target in (person(DEE), STRANGER):
            assert (await telegram.send(target, "Hello")).outcome is Outcome.PERSON_NOT_FOUND

    @pytest.mark.parametrize(
        ("word", "outcome"),
        [
            ("PRIVACY_PREMIUM_REQUIRED", Outcome.PRIVACY_RESTRICTED),
            ("USER_IS_BLOCKED", Outcome.REFUSED),
            ("YOU_BLOCKED_USER", Outcome.REFUSED),
            ("PEER_ID_INVALID", Outcome.PERSON_NOT_FOUND),
        ],
    )
    async def test_to_somebody_who_takes_none(
        self, sandbox: TelegramSandbox, telegram: TelegramWriter, word: str, outcome: Outcome
    ) -> None:
        await everything(telegram.groups())
        sandbox.script.add("SendMessage", RpcFault(word))
        reply = await telegram.send(person(BOB), "Hello")
        assert reply.outcome is outcome
        assert one_line(reply)

    @pytest.mark.parametrize(("text", "says"), [(" ", "empty"), ("x" * 5000, "too long")])
    async def test_a_text_that_cannot_be_sent(self, telegram: TelegramWriter, text: str, says: str) -> None:
        await everything(telegram.groups())
        reply = await telegram.send(person(BOB), text)
        assert reply.outcome is Outcome.REFUSED
        assert says in one_line(reply)

    async def test_a_wait_does_not_send_it_twice(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        await everything(telegram.groups())
        sandbox.script.add("SendMessage", RpcFault("FLOOD_WAIT_1"))
        assert (await telegram.send(person(BOB), "Hello")).outcome is Outcome.DONE
        assert [message.text for message in world.converse(ADA, BOB).messages].count("Hello") == 1


class TestTheAdapter(OnTelegram):
    async def test_is_a_platform_writer(self, telegram: TelegramWriter) -> None:
        same: PlatformWriter = telegram
        assert same.platform is Platform.TELEGRAM
