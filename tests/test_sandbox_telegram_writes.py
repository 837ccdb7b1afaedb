"""Changing groups on the sandbox's Telegram: members, admins, titles, invite links."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions, types

from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat, TelegramWorld
from tests.sandboxes import telegram_of
from tests.telegram_clients import (
    ADA,
    BASIC,
    BOB,
    CHANNEL,
    CY,
    DEE,
    EVE,
    GROUP,
    ROBO,
    add_chat,
    chat_as_seen_by,
    input_channel,
    input_user,
    signed_in,
    small_world,
)

BAN = types.ChatBannedRights(until_date=None, view_messages=True)
MUTE = types.ChatBannedRights(until_date=None, send_messages=True)
NOTHING = types.ChatBannedRights(until_date=None)


@pytest.fixture
def world() -> TelegramWorld:
    """Ada knows everybody."""
    world = small_world()
    for user_id in (BOB, CY, DEE, EVE, ROBO):
        world.converse(ADA, user_id)
    return world


sandbox = pytest.fixture(telegram_of)


@pytest.fixture
async def client(sandbox: TelegramSandbox, world: TelegramWorld) -> AsyncIterator[TelegramClient]:
    async with signed_in(sandbox, ADA) as ada:
        yield ada


def written(sandbox: TelegramSandbox) -> list[tuple[str, str, str, bool]]:
    return [(write.method, write.target, write.subject, write.effect) for write in sandbox.writes.all()]


async def group_of(client: TelegramClient, chat: TelegramChat) -> Any:
    await client.get_dialogs()
    return input_channel(client, chat.id)


class TestInviting:
    async def invite(self, client: TelegramClient, chat: TelegramChat, *user_ids: int) -> Any:
        channel = await group_of(client, chat)
        users = [input_user(client, user_id) for user_id in user_ids]
        return await client(functions.channels.InviteToChannelRequest(channel, users))

    async def test_newcomers_join_and_the_others_stay(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        chat = add_chat(world, GROUP, ADA, BOB)
        answer = await self.invite(client, chat, BOB, EVE)
        assert answer.missing_invitees == []
        assert list(chat.members) == [ADA, BOB, EVE]
        assert written(sandbox) == [
            ("InviteToChannel", str(GROUP), str(BOB), False),
            ("InviteToChannel", str(GROUP), str(EVE), True),
        ]

    async def test_those_who_refuse_are_named_and_the_call_succeeds(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        chat = add_chat(world, GROUP, ADA)
        answer = await self.invite(client, chat, CY, EVE)
        assert [missing.user_id for missing in answer.missing_invitees] == [CY]
        assert list(chat.members) == [ADA, EVE]

    @pytest.mark.parametrize(
        ("fields", "user_id", "error"),
        [
            ({"banned": {EVE}}, EVE, errors.UserKickedError),
            ({}, DEE, errors.InputUserDeactivatedError),
            ({"kind": "broadcast"}, ROBO, errors.UserBotError),
            ({"creator": BOB, "members_may_invite": False}, EVE, errors.ChatAdminRequiredError),
            ({"creator": BOB, "kind": "broadcast"}, EVE, errors.ChatAdminRequiredError),
            (
                {"creator": BOB, "admins": {ADA: AdminRights(invite_users=False)}},
                EVE,
                errors.ChatAdminRequiredError,
            ),
        ],
    )
    async def test_refusals_have_names_and_change_nothing(
        self,
        client: TelegramClient,
        sandbox: TelegramSandbox,
        world: TelegramWorld,
        fields: dict[str, Any],
        user_id: int,
        error: type[Exception],
    ) -> None:
        chat = add_chat(world, GROUP, ADA, BOB, **fields)
        with pytest.raises(error):
            await self.invite(client, chat, user_id)
        assert list(chat.members) == [ADA, BOB]
        assert sandbox.writes.effects() == []

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("USER_PRIVACY_RESTRICTED", errors.UserPrivacyRestrictedError),
            ("USER_NOT_MUTUAL_CONTACT", errors.UserNotMutualContactError),
            ("USER_CHANNELS_TOO_MUCH", errors.UserChannelsTooMuchError),
            ("PEER_FLOOD", errors.PeerFloodError),
        ],
    )
    async def test_other_refusals_come_from_a_script(
        self,
        client: TelegramClient,
        sandbox: TelegramSandbox,
        world: TelegramWorld,
        name: str,
        error: type[Exception],
    ) -> None:
        chat = add_chat(world, GROUP, ADA)
        sandbox.script.add("InviteToChannel", RpcFault(name))
        with pytest.raises(error):
            await self.invite(client, chat, BOB)
        assert list(chat.members) == [ADA]

    async def test_basic_groups_add_one_at_a_time(self, client: TelegramClient, world: TelegramWorld) -> None:
        chat = add_chat(world, BASIC, ADA, kind="basic")
        await client.get_dialogs()
        for user_id, missing in ((BOB, []), (CY, [CY])):
            answer = await client(
                functions.messages.AddChatUserRequest(BASIC, input_user(client, user_id), 0)
            )
            assert [one.user_id for one in answer.missing_invitees] == missing
        with pytest.raises(errors.UserAlreadyParticipantError):
            await client(functions.messages.AddChatUserRequest(BASIC, input_user(client, BOB), 0))
        assert list(chat.members) == [ADA, BOB]

    async def test_a_migrated_basic_group_takes_nobody(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, BASIC, ADA, kind="basic", migrated_to=GROUP)
        await client.get_dialogs()
        with pytest.raises(errors.PeerIdInvalidError):
            await client(functions.messages.AddChatUserRequest(BASIC, input_user(client, BOB), 0))


class TestRemoving:
    async def edit(
        self, client: TelegramClient, chat: TelegramChat, user_id: int, rights: types.ChatBannedRights
    ) -> Any:
        channel = await group_of(client, chat)
        request = functions.channels.EditBannedRequest(channel, input_user(client, user_id), rights)
        return await client(request)

    async def test_a_ban_lasts_until_it_is_lifted(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        chat = add_chat(world, GROUP, ADA, BOB)
        await self.edit(client, chat, BOB, BAN)
        assert (list(chat.members), chat.banned) == ([ADA], {BOB})
        await self.edit(client, chat, BOB, NOTHING)
        assert (list(chat.members), chat.banned) == ([ADA], set())
        assert written(sandbox) == [
            ("EditBanned", str(GROUP), f"{BOB} without view_messages", True),
            ("EditBanned", str(GROUP), f"{BOB} unrestricted", True),
        ]

    async def test_telethons_kick_is_a_ban_and_an_unban(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        chat = add_chat(world, GROUP, ADA, BOB)
        await client.get_dialogs()
        message = await client.kick_participant(GROUP, BOB)
        assert message.action.user_id == BOB
        assert (list(chat.members), chat.banned) == ([ADA], set())
        assert [write.method for write in sandbox.writes.effects()] == ["EditBanned", "EditBanned"]

    async def test_a_stranger_can_be_banned_beforehand(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        chat = add_chat(world, GROUP, ADA)
        await self.edit(client, chat, EVE, BAN)
        assert chat.banned == {EVE}

    async def test_a_restricted_member_stays(self, client: TelegramClient, world: TelegramWorld) -> None:
        chat = add_chat(world, GROUP, ADA, BOB)
        await self.edit(client, chat, BOB, MUTE)
        assert (list(chat.members), chat.restricted) == ([ADA, BOB], {BOB})
        await self.edit(client, chat, BOB, NOTHING)
        assert (list(chat.members), chat.restricted) == ([ADA, BOB], set())

    async def test_lifting_nothing_changes_nothing(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        chat = add_chat(world, GROUP, ADA, BOB)
        await self.edit(client, chat, BOB, NOTHING)
        assert sandbox.writes.effects() == []

    @pytest.mark.parametrize("admins", [{}, {ADA: AdminRights(ban_users=False)}])
    async def test_it_takes_the_right_to_ban(
        self, client: TelegramClient, world: TelegramWorld, admins: dict[int, AdminRights]
    ) -> None:
        chat = add_chat(world, GROUP, CY, ADA, BOB, admins=admins)
        with pytest.raises(errors.ChatAdminRequiredError):
            await self.edit(client, chat, BOB, BAN)
        assert BOB in chat.members

    @pytest.mark.parametrize("target", [BOB, CY])
    async def test_admins_and_owners_are_safe_from_admins(
        self, client: TelegramClient, world: TelegramWorld, target: int
    ) -> None:
        chat = add_chat(world, GROUP, CY, ADA, BOB, admins={ADA: AdminRights(), BOB: AdminRights()})
        with pytest.raises(errors.UserAdminInvalidError):
            await self.edit(client, chat, target, BAN)
        assert target in chat.members

    async def test_the_owner_removes_admins_too(self, client: TelegramClient, world: TelegramWorld) -> None:
        chat = add_chat(world, GROUP, ADA, BOB, admins={BOB: AdminRights()})
        await self.edit(client, chat, BOB, BAN)
        assert (list(chat.members), chat.admins) == ([ADA], {})

    async def test_basic_groups_remove_without_a_ban(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        chat = add_chat(world, BASIC, ADA, BOB, kind="basic")
        await client.get_dialogs()
        await client(functions.messages.DeleteChatUserRequest(BASIC, input_user(client, BOB)))
        assert list(chat.members) == [ADA]
        with pytest.raises(errors.UserNotParticipantError):
            await client(functions.messages.DeleteChatUserRequest(BASIC, input_user(client, BOB)))
        await client(functions.messages.AddChatUserRequest(BASIC, input_user(client, BOB), 0))
        assert list(chat.members) == [ADA, BOB]

    async def test_a_plain_member_of_a_basic_group_removes_only_themselves(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        chat = add_chat(world, BASIC, CY, ADA, BOB, kind="basic")
        await client.get_dialogs()
        with pytest.raises(errors.ChatAdminRequiredError):
            await client(functions.messages.DeleteChatUserRequest(BASIC, input_user(client, BOB)))
        await client(functions.messages.DeleteChatUserRequest(BASIC, types.InputUserSelf()))
        assert list(chat.members) == [CY, BOB]

    async def test_leaving_a_supergroup(self, client: TelegramClient, world: TelegramWorld) -> None:
        chat = add_chat(world, GROUP, BOB, ADA)
        await client.get_dialogs()
        await client.delete_dialog(GROUP)
        assert (list(chat.members), chat.left) == ([BOB], {ADA})
        with pytest.raises(errors.UserNotParticipantError):
            await client(functions.channels.LeaveChannelRequest(input_channel(client, GROUP)))


class TestTitles:
    async def rename(self, client: TelegramClient, chat: TelegramChat, title: str) -> Any:
        await client.get_dialogs()
        if chat.kind == "basic":
            return await client(functions.messages.EditChatTitleRequest(chat.id, title))
        return await client(functions.channels.EditTitleRequest(input_channel(client, chat.id), title))

    @pytest.mark.parametrize("kind", ["basic", "supergroup", "broadcast"])
    async def test_an_admin_who_may_changes_it(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld, kind: str
    ) -> None:
        chat = add_chat(world, GROUP, BOB, ADA, kind=kind, admins={ADA: AdminRights()})
        answer = await self.rename(client, chat, "New title")
        assert (chat.title, answer.chats[0].title) == ("New title", "New title")
        with pytest.raises(errors.ChatNotModifiedError):
            await self.rename(client, chat, "New title")
        with pytest.raises(errors.ChatTitleEmptyError):
            await self.rename(client, chat, " ")
        assert [write.subject for write in sandbox.writes.effects()] == ["New title"]
        assert len(sandbox.writes.all()) == 3

    @pytest.mark.parametrize("kind", ["basic", "supergroup", "broadcast"])
    @pytest.mark.parametrize("admins", [{}, {ADA: AdminRights(change_info=False)}])
    async def test_others_may_not(
        self, client: TelegramClient, world: TelegramWorld, kind: str, admins: dict[int, AdminRights]
    ) -> None:
        chat = add_chat(world, GROUP, BOB, ADA, kind=kind, admins=admins)
        with pytest.raises(errors.ChatAdminRequiredError):
            await self.rename(client, chat, "New title")
        assert chat.title == f"Chat {GROUP}"


class TestAdmins:
    async def test_the_owner_promotes_and_demotes(self, client: TelegramClient, world: TelegramWorld) -> None:
        chat = add_chat(world, GROUP, ADA, BOB)
        await client.get_dialogs()
        await client.edit_admin(GROUP, BOB, change_info=True, is_admin=False)
        assert (chat.admins[BOB].change_info, chat.admins[BOB].ban_users) == (True, False)
        await client.edit_admin(GROUP, BOB, is_admin=False)
        assert chat.admins == {}

    async def test_a_bot_is_added_on_the_way(self, client: TelegramClient, world: TelegramWorld) -> None:
        chat = add_chat(world, CHANNEL, ADA, kind="broadcast")
        await client.get_dialogs()
        await client.edit_admin(CHANNEL, ROBO, ban_users=True, invite_users=True)
        assert ROBO in chat.members
        assert chat.admins[ROBO].ban_users is True

    @pytest.mark.parametrize(
        ("own", "target", "error"),
        [
            (None, BOB, errors.ChatAdminRequiredError),
            (AdminRights(), BOB, errors.ChatAdminRequiredError),
            (AdminRights(add_admins=True), CY, errors.UserCreatorError),
            (AdminRights(add_admins=True, ban_users=False), BOB, errors.RightForbiddenError),
        ],
    )
    async def test_nobody_gives_more_than_they_have(
        self,
        client: TelegramClient,
        world: TelegramWorld,
        own: AdminRights | None,
        target: int,
        error: type[Exception],
    ) -> None:
        chat = add_chat(world, GROUP, CY, ADA, BOB, admins={ADA: own} if own else {})
        before = dict(chat.admins)
        await client.get_dialogs()
        with pytest.raises(error):
            await client.edit_admin(GROUP, target, ban_users=True)
        assert chat.admins == before

    async def test_a_basic_group_knows_only_whole_admins(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        chat = add_chat(world, BASIC, ADA, BOB, kind="basic")
        await client.get_dialogs()
        request = functions.messages.EditChatAdminRequest
        assert await client(request(BASIC, input_user(client, BOB), is_admin=True)) is True
        assert set(chat.admins) == {BOB}
        await client(request(BASIC, input_user(client, BOB), is_admin=False))
        assert chat.admins == {}


class TestInviteLinks:
    @pytest.mark.parametrize("kind", ["basic", "supergroup"])
    async def test_an_admin_makes_them(self, client: TelegramClient, world: TelegramWorld, kind: str) -> None:
        chat = add_chat(world, GROUP, ADA, kind=kind)
        peer = await chat_as_seen_by(client, GROUP)
        first, second = [await client(functions.messages.ExportChatInviteRequest(peer)) for _ in range(2)]
        assert chat.invite_links == [first.link, second.link]
        assert first.link.startswith("https://t.me/+")

    async def test_members_do_not(self, client: TelegramClient, world: TelegramWorld) -> None:
        channel = await group_of(client, add_chat(world, GROUP, BOB, ADA))
        with pytest.raises(errors.ChatAdminRequiredError):
            await client(functions.messages.ExportChatInviteRequest(channel))

    async def test_they_are_revoked_once(self, client: TelegramClient, world: TelegramWorld) -> None:
        chat = add_chat(world, GROUP, ADA)
        peer = await chat_as_seen_by(client, GROUP)
        link = (await client(functions.messages.ExportChatInviteRequest(peer))).link
        revoke = functions.messages.EditExportedChatInviteRequest(peer, link, revoked=True)
        assert (await client(revoke)).invite.revoked
        assert chat.invite_links == []
        with pytest.raises(errors.InviteHashExpiredError):
            await client(revoke)

    @pytest.mark.parametrize("approved", [True, False])
    async def test_requests_to_join_are_decided_once(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld, approved: bool
    ) -> None:
        chat = add_chat(world, GROUP, ADA)
        channel = await group_of(client, chat)
        sandbox.join_request(GROUP, EVE)
        full = (await client(functions.channels.GetFullChannelRequest(channel))).full_chat
        assert full.recent_requesters == [EVE]
        request = functions.messages.HideChatJoinRequestRequest
        await client(request(channel, input_user(client, EVE), approved=approved))
        assert (EVE in chat.members, chat.join_requests) == (approved, {})
        with pytest.raises(errors.HideRequesterMissingError):
            await client(request(channel, input_user(client, EVE), approved=approved))
