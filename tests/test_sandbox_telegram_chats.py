"""Which chats an account sees on the sandbox's Telegram, and how: dialogs, common chats, details."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions, types

from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import AdminRights, TelegramWorld
from tests.sandboxes import telegram_of
from tests.telegram_clients import (
    ADA,
    BASIC,
    BOB,
    CHANNEL,
    CY,
    EPOCH,
    GROUP,
    ROBO,
    add_chat,
    chat_as_seen_by,
    input_channel,
    input_user,
    signed_in,
    small_world,
)

world = pytest.fixture(small_world)
sandbox = pytest.fixture(telegram_of)


@pytest.fixture
async def client(sandbox: TelegramSandbox) -> AsyncIterator[TelegramClient]:
    async with signed_in(sandbox, ADA) as ada:
        yield ada


def add_groups(world: TelegramWorld, count: int, *members: int, first: int = GROUP) -> list[int]:
    """Groups that were last written to at different times, the first one most recently."""
    for n in range(count):
        add_chat(world, first + n, *members, created=EPOCH + count - n)
    return list(range(first, first + count))


async def ids_of_dialogs(client: TelegramClient, **options: Any) -> list[int]:
    return [dialog.entity.id for dialog in await client.get_dialogs(**options)]


class TestDialogs:
    async def test_all_kinds_are_listed_newest_first(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, ADA, created=EPOCH + 1)
        add_chat(world, BASIC, ADA, kind="basic", created=EPOCH + 4)
        add_chat(world, CHANNEL, ADA, kind="broadcast", created=EPOCH + 2)
        world.converse(ADA, BOB, date=EPOCH + 3)
        dialogs = await client.get_dialogs()
        assert [dialog.entity.id for dialog in dialogs] == [BASIC, BOB, CHANNEL, GROUP]
        assert [dialog.is_group for dialog in dialogs] == [True, False, False, True]
        assert [dialog.date.timestamp() - EPOCH for dialog in dialogs] == [4, 3, 2, 1]

    async def test_other_peoples_groups_are_not_listed(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, BOB, usernames=["public_group"])
        assert await client.get_dialogs() == []

    @pytest.mark.parametrize("count", [99, 100, 101, 250])
    async def test_pages_of_a_hundred_lose_nothing(
        self, client: TelegramClient, world: TelegramWorld, sandbox: TelegramSandbox, count: int
    ) -> None:
        groups = add_groups(world, count, ADA)
        assert await ids_of_dialogs(client) == groups
        assert sandbox.calls.counts() == {"GetDialogs": -(-count // 100)}

    async def test_groups_of_the_same_moment_are_told_apart_by_their_peer(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        for n in range(230):
            add_chat(world, GROUP + n, ADA)
        assert sorted(await ids_of_dialogs(client)) == list(range(GROUP, GROUP + 230))

    async def test_pages_that_end_in_a_migrated_group_lose_nothing(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        """Telethon then names the message of one dialog and the peer of another."""
        groups = add_groups(world, 250, ADA)
        for chat_id in groups[95:105]:
            world.chats[chat_id].kind = "basic"
            world.chats[chat_id].migrated_to = CHANNEL
        expected = [chat_id for chat_id in groups if chat_id not in groups[95:105]]
        assert await ids_of_dialogs(client, ignore_migrated=True) == expected

    async def test_pages_can_be_asked_for_by_date_alone(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        groups = add_groups(world, 6, ADA)
        oldest = world.chats[groups[3]].created
        request = functions.messages.GetDialogsRequest(oldest, 0, types.InputPeerEmpty(), 100, 0)
        assert [dialog.peer.channel_id for dialog in (await client(request)).dialogs] == groups[4:]

    async def test_a_new_message_moves_a_group_to_the_top(
        self, client: TelegramClient, world: TelegramWorld, sandbox: TelegramSandbox
    ) -> None:
        first, second = add_groups(world, 2, ADA, BOB)
        assert await ids_of_dialogs(client) == [first, second]
        sandbox.post(second, BOB, "News")
        assert await ids_of_dialogs(client) == [second, first]

    async def test_pinned_ones_come_first_in_their_own_order(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        groups = add_groups(world, 150, ADA)
        world.pinned[ADA] = [groups[140], groups[70]]
        dialogs = await client.get_dialogs()
        assert [dialog.entity.id for dialog in dialogs if dialog.pinned] == [groups[140], groups[70]]
        assert sorted(dialog.entity.id for dialog in dialogs) == groups
        assert groups[70] not in await ids_of_dialogs(client, ignore_pinned=True)

    async def test_the_archive_is_a_folder(self, client: TelegramClient, world: TelegramWorld) -> None:
        main, archived = add_groups(world, 2, ADA)
        world.archived[ADA] = {archived}
        assert await ids_of_dialogs(client, folder=0) == [main]
        assert await ids_of_dialogs(client, folder=1) == [archived]
        assert await ids_of_dialogs(client) == [main, archived]

    async def test_a_removed_member_keeps_a_forbidden_basic_group(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, BASIC, BOB, kind="basic", banned={ADA})
        add_chat(world, GROUP, BOB, banned={ADA})
        (dialog,) = await client.get_dialogs()
        assert isinstance(dialog.entity, types.ChatForbidden)

    async def test_they_bring_the_access_hashes_of_the_people_in_them(
        self, client: TelegramClient, world: TelegramWorld, sandbox: TelegramSandbox
    ) -> None:
        world.converse(ADA, CY)
        await client.get_dialogs()
        assert (await client.get_entity(CY)).first_name == "Cy"


class TestChats:
    @pytest.mark.parametrize("kind", ["basic", "supergroup"])
    async def test_rights_are_the_viewers_own(
        self, sandbox: TelegramSandbox, world: TelegramWorld, kind: str
    ) -> None:
        rights = AdminRights(change_info=False)
        add_chat(world, GROUP, ADA, BOB, CY, kind=kind, admins={BOB: rights})
        seen = []
        for viewer in (ADA, BOB, CY):
            async with signed_in(sandbox, viewer) as client:
                chat = await chat_as_seen_by(client, GROUP)
                own = chat.admin_rights
                seen.append((chat.creator, own and own.change_info, own and own.ban_users))
        assert seen == [(True, True, True), (False, False, True), (False, None, None)]

    async def test_default_rights_tell_what_members_may_not(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, BOB, ADA, members_may_invite=False)
        chat = await chat_as_seen_by(client, GROUP)
        assert (chat.default_banned_rights.invite_users, chat.default_banned_rights.change_info) == (
            True,
            True,
        )

    @pytest.mark.parametrize(
        ("usernames", "single", "several"),
        [
            ([], None, None),
            (["one_name"], "one_name", None),
            (["first", "second"], None, ["first", "second"]),
        ],
    )
    async def test_usernames_are_one_field_or_the_other(
        self,
        client: TelegramClient,
        world: TelegramWorld,
        usernames: list[str],
        single: str | None,
        several: list[str] | None,
    ) -> None:
        add_chat(world, GROUP, ADA, usernames=usernames)
        chat = await chat_as_seen_by(client, GROUP)
        assert chat.username == single
        assert (chat.usernames and [name.username for name in chat.usernames]) == several

    async def test_kinds_have_their_flags(self, client: TelegramClient, world: TelegramWorld) -> None:
        add_chat(world, GROUP, ADA, forum=True)
        add_chat(world, CHANNEL, ADA, kind="broadcast")
        group, channel = await chat_as_seen_by(client, GROUP), await chat_as_seen_by(client, CHANNEL)
        assert (group.megagroup, group.broadcast, group.forum) == (True, False, True)
        assert (channel.megagroup, channel.broadcast, channel.forum) == (False, True, False)

    async def test_a_count_may_be_missing(self, client: TelegramClient, world: TelegramWorld) -> None:
        add_chat(world, GROUP, ADA, BOB)
        add_chat(world, GROUP + 1, ADA, BOB, count_hidden=True)
        assert (await chat_as_seen_by(client, GROUP)).participants_count == 2
        assert (await chat_as_seen_by(client, GROUP + 1)).participants_count is None

    async def test_a_migrated_basic_group_points_to_its_supergroup(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, BASIC, ADA, BOB, kind="basic", migrated_to=GROUP)
        add_chat(world, GROUP, ADA, BOB, migrated_from=BASIC)
        old = await chat_as_seen_by(client, BASIC)
        assert old.deactivated is True
        assert old.migrated_to.channel_id == GROUP
        full = await client(functions.channels.GetFullChannelRequest(old.migrated_to))
        assert full.full_chat.migrated_from_chat_id == BASIC

    async def test_access_hashes_differ_between_viewers(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, ADA, BOB)
        mine = await chat_as_seen_by(client, GROUP)
        async with signed_in(sandbox, BOB) as other:
            assert (await chat_as_seen_by(other, GROUP)).access_hash != mine.access_hash
            with pytest.raises(errors.ChannelInvalidError):
                await other(
                    functions.channels.GetChannelsRequest([types.InputChannel(GROUP, mine.access_hash)])
                )

    async def test_access_hashes_outlive_the_server(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, ADA)
        known = (await chat_as_seen_by(client, GROUP)).access_hash
        with TelegramSandbox(world) as later:
            async with signed_in(later, ADA) as again:
                request = functions.channels.GetChannelsRequest([types.InputChannel(GROUP, known)])
                assert (await again(request)).chats[0].id == GROUP

    async def test_full_channel_tells_what_lists_do_not(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(
            world,
            GROUP,
            ADA,
            BOB,
            hidden_prehistory=True,
            members_hidden=True,
            invite_links=["https://t.me/+x"],
        )
        await client.get_dialogs()
        full = (
            await client(functions.channels.GetFullChannelRequest(input_channel(client, GROUP)))
        ).full_chat
        assert (full.hidden_prehistory, full.participants_hidden, full.participants_count) == (True, True, 2)
        assert (full.can_view_participants, full.admins_count) == (True, 1)
        assert full.exported_invite.link == "https://t.me/+x"

    async def test_outsiders_look_into_public_channels_only(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, BOB, usernames=["open_group"])
        add_chat(world, GROUP + 1, BOB, ADA)
        await client.get_dialogs()
        public = await client.get_entity("open_group")
        assert public.left is True
        assert (
            await client(functions.channels.GetFullChannelRequest(public))
        ).full_chat.participants_count == 1
        sandbox.leave(GROUP + 1, ADA)
        with pytest.raises(errors.ChannelPrivateError):
            await client(functions.channels.GetFullChannelRequest(input_channel(client, GROUP + 1)))

    async def test_banned_accounts_get_a_forbidden_channel(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, BOB, ADA, usernames=["open_group"])
        await client.get_dialogs()
        sandbox.ban(GROUP, ADA, by=BOB)
        answer = await client(functions.channels.GetChannelsRequest([input_channel(client, GROUP)]))
        assert isinstance(answer.chats[0], types.ChannelForbidden)
        with pytest.raises(errors.ChannelPrivateError):
            await client(functions.channels.GetFullChannelRequest(input_channel(client, GROUP)))

    async def test_a_deleted_group_is_gone(self, client: TelegramClient, world: TelegramWorld) -> None:
        add_chat(world, GROUP, ADA)
        await client.get_dialogs()
        world.remove_chat(GROUP)
        assert await client.get_dialogs() == []
        with pytest.raises(errors.ChannelInvalidError):
            await client(functions.channels.GetFullChannelRequest(input_channel(client, GROUP)))

    async def test_basic_groups_list_their_members(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, BASIC, ADA, BOB, CY, kind="basic", admins={BOB: AdminRights()})
        members = await client.get_participants(types.PeerChat(BASIC))
        assert {member.id: type(member.participant) for member in members} == {
            ADA: types.ChatParticipantCreator,
            BOB: types.ChatParticipantAdmin,
            CY: types.ChatParticipant,
        }

    async def test_a_basic_group_may_hide_its_members(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, BASIC, ADA, BOB, kind="basic", members_hidden=True)
        full = (await client(functions.messages.GetFullChatRequest(BASIC))).full_chat
        assert isinstance(full.participants, types.ChatParticipantsForbidden)

    async def test_a_strangers_basic_group_cannot_be_named(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, BASIC, BOB, kind="basic")
        for request in (
            functions.messages.GetChatsRequest([BASIC]),
            functions.messages.GetFullChatRequest(BASIC),
        ):
            with pytest.raises(errors.ChatIdInvalidError):
                await client(request)


class TestCommonChats:
    @pytest.fixture(autouse=True)
    def known_to_ada(self, world: TelegramWorld) -> None:
        for partner in (BOB, ROBO):
            world.converse(ADA, partner)

    async def ask(self, client: TelegramClient, user_id: int = BOB, max_id: int = 0) -> Any:
        await client.get_dialogs()
        request = functions.messages.GetCommonChatsRequest(input_user(client, user_id), max_id, 100)
        return await client(request)

    async def test_they_are_the_shared_groups_highest_id_first(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, ADA, BOB)
        add_chat(world, BASIC, ADA, BOB, kind="basic")
        add_chat(world, CHANNEL, ADA, BOB, kind="broadcast")
        add_chat(world, GROUP + 1, ADA)
        add_chat(world, GROUP + 2, BOB, usernames=["elsewhere"])
        answer = await self.ask(client)
        assert isinstance(answer, types.messages.Chats)
        assert [chat.id for chat in answer.chats] == [BASIC, GROUP]

    async def test_the_next_page_begins_below_the_last_id(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        groups = add_groups(world, 205, ADA, BOB)
        found: list[int] = []
        for _ in range(3):
            answer = await self.ask(client, max_id=found[-1] if found else 0)
            assert answer.count == 205
            found += [chat.id for chat in answer.chats]
        assert found == sorted(groups, reverse=True)
        assert (await self.ask(client, max_id=found[-1])).chats == []

    async def test_migrated_groups_are_still_among_them(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, BASIC, ADA, BOB, kind="basic", migrated_to=GROUP)
        add_chat(world, GROUP, ADA, BOB, migrated_from=BASIC)
        chats = {chat.id: chat for chat in (await self.ask(client)).chats}
        assert set(chats) == {BASIC, GROUP}
        assert chats[BASIC].migrated_to.channel_id == GROUP

    async def test_groups_with_hidden_members_are_there_for_admins_only(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, ADA, BOB, members_hidden=True)
        add_chat(world, GROUP + 1, CY, ADA, BOB, members_hidden=True)
        assert [chat.id for chat in (await self.ask(client)).chats] == [GROUP]

    async def test_changes_show_at_once(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, ADA)
        assert (await self.ask(client)).chats == []
        sandbox.join(GROUP, BOB)
        assert [chat.id for chat in (await self.ask(client)).chats] == [GROUP]
        sandbox.leave(GROUP, BOB)
        assert (await self.ask(client)).chats == []

    @pytest.mark.parametrize("user_id", [ROBO, ADA])
    async def test_neither_bots_nor_oneself(self, client: TelegramClient, user_id: int) -> None:
        with pytest.raises(errors.UserIdInvalidError):
            await self.ask(client, user_id)

    async def test_a_wrong_access_hash_is_refused(self, client: TelegramClient) -> None:
        with pytest.raises(errors.UserIdInvalidError):
            await client(functions.messages.GetCommonChatsRequest(types.InputUser(BOB, 1), 0, 100))
