"""Adding people to Telegram groups, through MTProto: one reply for each, and who or what is to blame."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from groupadmin.sandbox.control import Arguments
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramWorld
from members.platforms.outcomes import Outcome, Reply
from members.platforms.telegram_writer import TelegramWriter
from tests.telegram_reading import (
    ADA,
    BOB,
    CY,
    DEE,
    ROBO,
    add_group,
    add_user,
    elsewhere,
    group_named,
    person,
)
from tests.telegram_writing import (
    BASIC_AND_SUPER,
    EVE,
    GROUP,
    INVITATION,
    OTHER,
    STRANGER,
    OnTelegram,
    concerns,
    one_line,
    outcomes,
    own_group,
    people,
    written,
)


class TestInviting(OnTelegram):
    async def test_one_call_adds_everybody_to_a_supergroup(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        chat = own_group(world)
        replies = await telegram.invite(await group_named(telegram, GROUP), people(BOB, CY, EVE))
        assert replies == {str(user_id): Reply(Outcome.DONE) for user_id in (BOB, CY, EVE)}
        assert list(chat.members) == [ADA, BOB, CY, EVE]
        assert telegram.meter.snapshot().calls["InviteToChannel"] == 1
        assert [write.target for write in sandbox.writes.effects()] == [str(GROUP)] * 3

    async def test_a_basic_group_takes_them_one_by_one(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        chat = own_group(world, BOB, kind="basic")
        replies = await telegram.invite(await group_named(telegram, GROUP), people(BOB, CY, EVE))
        assert outcomes(replies) == {BOB: Outcome.ALREADY_THERE, CY: Outcome.DONE, EVE: Outcome.DONE}
        assert list(chat.members) == [ADA, BOB, CY, EVE]
        assert written(sandbox) == [
            ("AddChatUser", str(BOB), False),
            ("AddChatUser", str(CY), True),
            ("AddChatUser", str(EVE), True),
        ]

    async def test_nobody_is_added_twice(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world, BOB)
        replies = await telegram.invite(await group_named(telegram, GROUP), people(BOB, CY, CY))
        assert outcomes(replies) == {BOB: Outcome.ALREADY_THERE, CY: Outcome.DONE}
        assert written(sandbox) == [("InviteToChannel", str(CY), True)]

    async def test_everybody_is_there_already(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world, BOB, CY)
        replies = await telegram.invite(await group_named(telegram, GROUP), people(BOB, CY))
        assert outcomes(replies) == dict.fromkeys((BOB, CY), Outcome.ALREADY_THERE)
        assert telegram.meter.snapshot().calls["GetParticipant"] == 2
        assert written(sandbox) == []

    async def test_whoever_cannot_be_asked_about_is_invited_all_the_same(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world)
        sandbox.script.add("GetParticipant", RpcFault("CHAT_ADMIN_REQUIRED"))
        replies = await telegram.invite(await group_named(telegram, GROUP), people(BOB, CY))
        assert outcomes(replies) == dict.fromkeys((BOB, CY), Outcome.DONE)

    async def test_nobody_to_add_is_no_call(self, world: TelegramWorld, telegram: TelegramWriter) -> None:
        own_group(world)
        assert await telegram.invite(await group_named(telegram, GROUP), []) == {}
        assert "InviteToChannel" not in telegram.meter.snapshot().calls

    async def test_twenty_at_once_and_no_more(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world)
        for user_id in range(1000, 1021):
            add_user(world, user_id)
            world.converse(ADA, user_id)
        group, crowd = await group_named(telegram, GROUP), people(*range(1000, 1021))
        assert telegram.largest_invitation == 20
        with pytest.raises(ValueError, match="20"):
            await telegram.invite(group, crowd)
        assert set(outcomes(await telegram.invite(group, crowd[1:])).values()) == {Outcome.DONE}
        assert telegram.meter.snapshot().calls["InviteToChannel"] == 1

    async def test_an_account_cannot_add_itself(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world)
        replies = await telegram.invite(await group_named(telegram, GROUP), people(ADA, BOB))
        assert outcomes(replies) == {ADA: Outcome.CANNOT_INVITE_SELF, BOB: Outcome.DONE}
        assert [subject for _, subject, _ in written(sandbox)] == [str(BOB)]


class TestPrivacy(OnTelegram):
    @BASIC_AND_SUPER
    async def test_somebody_who_was_left_out_by_a_call_that_succeeded(
        self, world: TelegramWorld, telegram: TelegramWriter, kind: str
    ) -> None:
        chat = own_group(world, kind=kind)
        world.users[CY].refuses_invites = True
        replies = await telegram.invite(await group_named(telegram, GROUP), people(BOB, CY, EVE))
        assert outcomes(replies) == {
            BOB: Outcome.DONE,
            CY: Outcome.PRIVACY_RESTRICTED,
            EVE: Outcome.DONE,
        }
        assert "send them an invite link" in one_line(replies[str(CY)])
        assert list(chat.members) == [ADA, BOB, EVE]

    @pytest.mark.parametrize(
        ("setting", "says"),
        [("trusts_premium", "Premium"), ("unreachable", "neither add them nor write to them")],
    )
    async def test_what_would_help(
        self, world: TelegramWorld, telegram: TelegramWriter, setting: str, says: str
    ) -> None:
        own_group(world)
        world.users[CY].refuses_invites = True
        setattr(world.users[CY], setting, True)
        (reply,) = (await telegram.invite(await group_named(telegram, GROUP), people(CY))).values()
        assert reply.outcome is Outcome.PRIVACY_RESTRICTED
        assert says in one_line(reply)

    @BASIC_AND_SUPER
    async def test_an_invite_link_for_one_person_instead(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter, kind: str
    ) -> None:
        chat = own_group(world, kind=kind)
        asked: dict[str, Any] = {}

        def look_at(fields: Arguments) -> bool:
            asked.update(fields)
            return False

        sandbox.script.add("ExportChatInvite", None, when=look_at)
        reply, link = await telegram.invite_link(await group_named(telegram, GROUP))
        assert (reply.outcome, chat.invite_links) == (Outcome.DONE, [link])
        assert asked["usage_limit"] == 1
        assert asked["expire_date"] > datetime.now(UTC)
        assert (await telegram.send(person(CY), f"Join us: {link}")).outcome is Outcome.DONE
        assert world.converse(ADA, CY).messages[-1].text == f"Join us: {link}"

    async def test_no_link_without_the_right(self, world: TelegramWorld, telegram: TelegramWriter) -> None:
        add_group(world, GROUP, ADA)
        reply, link = await telegram.invite_link(await group_named(telegram, GROUP))
        assert (reply.outcome, link) == (Outcome.ADMIN_RIGHTS_NEEDED, "")


ABOUT_THE_PERSON = {
    "USER_PRIVACY_RESTRICTED": Outcome.PRIVACY_RESTRICTED,
    "USER_NOT_MUTUAL_CONTACT": Outcome.NOT_MUTUAL_CONTACT,
    "USER_CHANNELS_TOO_MUCH": Outcome.TOO_MANY_CHANNELS,
    "USER_KICKED": Outcome.KICKED_BEFORE,
    "USER_ALREADY_PARTICIPANT": Outcome.ALREADY_THERE,
    "INPUT_USER_DEACTIVATED": Outcome.PERSON_NOT_FOUND,
    "USER_ID_INVALID": Outcome.PERSON_NOT_FOUND,
    "USER_BOT": Outcome.USER_RESTRICTED,
    "BOT_GROUPS_BLOCKED": Outcome.USER_RESTRICTED,
    "BOTS_TOO_MUCH": Outcome.REFUSED,
    "USERS_TOO_MUCH": Outcome.REFUSED,
    "USER_BLOCKED": Outcome.REFUSED,
    "CHAT_MEMBER_ADD_FAILED": Outcome.REFUSED,
    "SOMETHING_UNHEARD_OF": Outcome.REFUSED,
}
ABOUT_THE_GROUP = {
    "CHAT_ADMIN_REQUIRED": Outcome.ADMIN_RIGHTS_NEEDED,
    "CHAT_WRITE_FORBIDDEN": Outcome.ADMIN_RIGHTS_NEEDED,
    "USER_BANNED_IN_CHANNEL": Outcome.ADMIN_RIGHTS_NEEDED,
    "CHANNEL_PRIVATE": Outcome.NOT_IN_GROUP,
    "CHANNEL_INVALID": Outcome.GROUP_NOT_FOUND,
    "CHAT_ID_INVALID": Outcome.GROUP_NOT_FOUND,
    "CHAT_INVALID": Outcome.GROUP_NOT_FOUND,
    "PEER_ID_INVALID": Outcome.GROUP_NOT_FOUND,
}


class TestRefusals(OnTelegram):
    @pytest.mark.parametrize("word", ABOUT_THE_PERSON)
    async def test_one_person_does_not_keep_the_others_out(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter, word: str
    ) -> None:
        chat = own_group(world)
        group = await group_named(telegram, GROUP)
        sandbox.script.add("InviteToChannel", RpcFault(word), times=None, when=concerns(CY))
        replies = await telegram.invite(group, people(BOB, CY, EVE))
        assert outcomes(replies) == {BOB: Outcome.DONE, CY: ABOUT_THE_PERSON[word], EVE: Outcome.DONE}
        assert list(chat.members) == [ADA, BOB, EVE]
        assert telegram.meter.snapshot().calls["InviteToChannel"] == 4
        if not replies[str(CY)].success:
            assert one_line(replies[str(CY)])

    @BASIC_AND_SUPER
    @pytest.mark.parametrize("word", ABOUT_THE_GROUP)
    async def test_what_concerns_the_group_is_everybodys_reply(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter, word: str, kind: str
    ) -> None:
        own_group(world, kind=kind)
        group = await group_named(telegram, GROUP)
        sandbox.script.add(INVITATION[kind], RpcFault(word))
        replies = await telegram.invite(group, people(BOB, CY, EVE))
        assert outcomes(replies) == dict.fromkeys((BOB, CY, EVE), ABOUT_THE_GROUP[word])
        assert one_line(replies[str(BOB)])
        assert sandbox.writes.effects() == []
        assert len({write.at for write in sandbox.writes.all()}) == 1

    async def test_an_unheard_of_word_is_passed_on(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world)
        group = await group_named(telegram, GROUP)
        sandbox.script.add("InviteToChannel", RpcFault("SOMETHING_UNHEARD_OF"))
        (reply,) = (await telegram.invite(group, people(BOB))).values()
        assert reply.outcome is Outcome.REFUSED
        assert "SOMETHING_UNHEARD_OF" in one_line(reply)

    async def test_somebody_banned_and_somebody_deleted(
        self, world: TelegramWorld, telegram: TelegramWriter
    ) -> None:
        own_group(world, banned={BOB})
        replies = await telegram.invite(await group_named(telegram, GROUP), people(BOB, DEE, ROBO))
        assert outcomes(replies) == {
            BOB: Outcome.KICKED_BEFORE,
            DEE: Outcome.PERSON_NOT_FOUND,
            ROBO: Outcome.DONE,
        }

    async def test_a_basic_group_has_room_for_two_hundred(
        self, world: TelegramWorld, telegram: TelegramWriter
    ) -> None:
        crowd = range(1000, 1199)
        for user_id in crowd:
            add_user(world, user_id)
        own_group(world, *crowd, kind="basic")
        (reply,) = (await telegram.invite(await group_named(telegram, GROUP), people(BOB))).values()
        assert reply.outcome is Outcome.REFUSED
        assert "full" in one_line(reply)

    async def test_a_member_without_the_right_to_add(
        self, world: TelegramWorld, telegram: TelegramWriter
    ) -> None:
        add_group(world, GROUP, ADA, members_may_invite=False)
        (reply,) = (await telegram.invite(await group_named(telegram, GROUP), people(BOB))).values()
        assert reply.outcome is Outcome.ADMIN_RIGHTS_NEEDED

    @BASIC_AND_SUPER
    async def test_a_group_that_vanished(
        self, world: TelegramWorld, telegram: TelegramWriter, kind: str
    ) -> None:
        own_group(world, kind=kind)
        group = await group_named(telegram, GROUP)
        world.remove_chat(GROUP)
        replies = await telegram.invite(group, people(BOB, CY))
        assert outcomes(replies) == dict.fromkeys((BOB, CY), Outcome.GROUP_NOT_FOUND)

    async def test_a_basic_group_that_became_a_supergroup(
        self, world: TelegramWorld, telegram: TelegramWriter
    ) -> None:
        own_group(world, kind="basic", migrated_to=OTHER)
        (reply,) = (await telegram.invite(await group_named(telegram, GROUP), people(BOB))).values()
        assert reply.outcome is Outcome.GROUP_NOT_FOUND
        assert "supergroup" in one_line(reply)

    async def test_people_and_groups_to_which_there_is_no_way(
        self, world: TelegramWorld, telegram: TelegramWriter
    ) -> None:
        own_group(world)
        group = await group_named(telegram, GROUP)
        replies = await telegram.invite(group, [STRANGER, person(BOB)])
        assert outcomes(replies) == {999: Outcome.PERSON_NOT_FOUND, BOB: Outcome.DONE}
        replies = await telegram.invite(elsewhere(group, OTHER), people(BOB))
        assert outcomes(replies) == {BOB: Outcome.GROUP_NOT_FOUND}
