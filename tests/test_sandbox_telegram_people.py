"""Whom an account sees on the sandbox's Telegram: members of groups, and people by name or id."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions, types

from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import AdminRights, TelegramUser, TelegramWorld
from tests.sandboxes import telegram_of
from tests.telegram_clients import (
    ADA,
    BOB,
    CHANNEL,
    CY,
    DEE,
    EVE,
    GROUP,
    ROBO,
    add_chat,
    add_people,
    input_channel,
    signed_in,
    small_world,
)

world = pytest.fixture(small_world)
sandbox = pytest.fixture(telegram_of)


@pytest.fixture
async def client(sandbox: TelegramSandbox) -> AsyncIterator[TelegramClient]:
    async with signed_in(sandbox, ADA) as ada:
        yield ada


class TestParticipants:
    async def test_pages_of_two_hundred_lose_nobody(
        self, client: TelegramClient, world: TelegramWorld, sandbox: TelegramSandbox
    ) -> None:
        add_chat(world, GROUP, ADA, *add_people(world, 449))
        await client.get_dialogs()
        members = await client.get_participants(GROUP)
        assert [member.id for member in members] == list(world.chats[GROUP].members)
        assert members.total == 450
        assert sandbox.calls.counts()["GetParticipants"] == 4  # the last one is empty

    async def test_a_list_may_be_shorter_than_its_count(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, ADA, *add_people(world, 99), listed_members=97)
        await client.get_dialogs()
        members = await client.get_participants(GROUP)
        assert (len(members), members.total) == (97, 100)

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (types.ChannelParticipantsRecent(), [ADA, BOB, CY, DEE, ROBO]),
            (types.ChannelParticipantsSearch(""), [ADA, BOB, CY, DEE, ROBO]),
            (types.ChannelParticipantsSearch("bo"), [BOB]),
            (types.ChannelParticipantsSearch("SAMPLE bob"), [BOB]),
            (types.ChannelParticipantsSearch("bobby_s"), [BOB]),
            (types.ChannelParticipantsSearch("ample"), []),
            (types.ChannelParticipantsAdmins(), [ADA, BOB]),
            (types.ChannelParticipantsBots(), [ROBO]),
            (types.ChannelParticipantsContacts(""), [CY]),
            (types.ChannelParticipantsKicked(""), [EVE]),
            (types.ChannelParticipantsBanned(""), [CY]),
        ],
        ids=lambda value: type(value).__name__ if not isinstance(value, list) else "",
    )
    async def test_filters(
        self, client: TelegramClient, world: TelegramWorld, wanted: Any, found: list[int]
    ) -> None:
        world.contacts[ADA] = {CY, EVE}
        add_chat(
            world, GROUP, ADA, BOB, CY, DEE, ROBO, admins={BOB: AdminRights()}, banned={EVE}, restricted={CY}
        )
        await client.get_dialogs()
        request = functions.channels.GetParticipantsRequest(input_channel(client, GROUP), wanted, 0, 200, 0)
        answer = await client(request)
        assert answer.count == len(found)
        assert [getattr(one, "user_id", None) or one.peer.user_id for one in answer.participants] == found
        assert {user.id for user in answer.users} == set(found)

    async def test_everybody_has_their_own_kind_of_entry(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, BOB, CY, ADA, EVE, admins={CY: AdminRights()}, restricted={EVE})
        await client.get_dialogs()
        members = await client.get_participants(GROUP)
        assert {member.id: type(member.participant) for member in members} == {
            BOB: types.ChannelParticipantCreator,
            CY: types.ChannelParticipantAdmin,
            ADA: types.ChannelParticipantSelf,
            EVE: types.ChannelParticipantBanned,
        }

    async def test_a_deleted_account_is_marked(self, client: TelegramClient, world: TelegramWorld) -> None:
        add_chat(world, GROUP, ADA, DEE)
        await client.get_dialogs()
        deleted = {member.id: member.deleted for member in await client.get_participants(GROUP)}
        assert deleted == {ADA: False, DEE: True}

    async def test_hidden_members_are_listed_for_admins_only(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        add_chat(world, GROUP, ADA, BOB, members_hidden=True)
        await client.get_dialogs()
        assert len(await client.get_participants(GROUP)) == 2
        async with signed_in(sandbox, BOB) as other:
            await other.get_dialogs()
            with pytest.raises(errors.ChatAdminRequiredError):
                await other.get_participants(GROUP)
            admins = functions.channels.GetParticipantsRequest(
                input_channel(other, GROUP), types.ChannelParticipantsAdmins(), 0, 200, 0
            )
            assert [admin.user_id for admin in (await other(admins)).participants] == [ADA]

    @pytest.mark.parametrize("wanted", [types.ChannelParticipantsKicked, types.ChannelParticipantsBanned])
    async def test_only_admins_see_who_was_thrown_out(
        self, client: TelegramClient, world: TelegramWorld, wanted: type
    ) -> None:
        add_chat(world, GROUP, BOB, ADA, banned={CY})
        await client.get_dialogs()
        with pytest.raises(errors.ChatAdminRequiredError):
            await client.get_participants(GROUP, filter=wanted)

    async def test_one_person_can_be_asked_for(self, client: TelegramClient, world: TelegramWorld) -> None:
        world.contacts[ADA] = {BOB, CY, EVE}
        add_chat(world, GROUP, ADA, BOB, banned={EVE})
        await client.get_dialogs()
        await client(functions.contacts.GetContactsRequest(0))
        assert (await client.get_permissions(GROUP, BOB)).is_admin is False
        assert (await client.get_permissions(GROUP, ADA)).is_creator is True
        assert (await client.get_permissions(GROUP, EVE)).is_banned is True
        with pytest.raises(errors.UserNotParticipantError):
            await client.get_permissions(GROUP, CY)

    async def test_a_broadcast_channel_tells_its_admins_only(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        world.contacts[ADA] = {BOB}
        add_chat(world, CHANNEL, BOB, ADA, kind="broadcast")
        await client.get_dialogs()
        await client(functions.contacts.GetContactsRequest(0))
        with pytest.raises(errors.ChatAdminRequiredError):
            await client.get_participants(CHANNEL)
        with pytest.raises(errors.ChatAdminRequiredError):
            await client.get_permissions(CHANNEL, BOB)
        assert (await client.get_permissions(CHANNEL, ADA)).is_admin is False


class TestPeople:
    @pytest.mark.parametrize("username", ["bobsample", "BOBSAMPLE", "bobby_sample"])
    async def test_every_active_username_leads_to_its_owner(
        self, client: TelegramClient, username: str
    ) -> None:
        assert (await client.get_entity(username)).id == BOB

    @pytest.mark.parametrize(
        ("username", "error"),
        [
            ("nobody_here", errors.UsernameNotOccupiedError),
            ("1up", errors.UsernameInvalidError),
            ("a" * 33, errors.UsernameInvalidError),
        ],
    )
    async def test_names_without_an_owner_are_refused(
        self, client: TelegramClient, username: str, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            await client(functions.contacts.ResolveUsernameRequest(username))

    async def test_a_changed_username_leads_to_its_new_owner(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        world.users[BOB].usernames = ["bob_renamed"]
        world.add_user(TelegramUser(200, "Newcomer", usernames=["bobsample"]))
        found = [
            await client(functions.contacts.ResolveUsernameRequest(n)) for n in ("bobsample", "bob_renamed")
        ]
        assert [answer.peer.user_id for answer in found] == [200, BOB]

    async def test_groups_have_usernames_too(self, client: TelegramClient, world: TelegramWorld) -> None:
        add_chat(world, GROUP, BOB, usernames=["OpenGroup"])
        assert (await client.get_entity("opengroup")).id == GROUP

    async def test_whoever_cannot_be_named_is_empty(self, client: TelegramClient) -> None:
        me, stranger = await client(
            functions.users.GetUsersRequest([types.InputUserSelf(), types.InputUser(BOB, 1)])
        )
        assert me.is_self is True
        assert stranger == types.UserEmpty(BOB)

    async def test_contacts_bring_their_phone_and_their_hash(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        world.contacts = {ADA: {BOB, CY}, BOB: {ADA}}
        answer = await client(functions.contacts.GetContactsRequest(0))
        assert {contact.user_id: contact.mutual for contact in answer.contacts} == {BOB: True, CY: False}
        assert (await client.get_entity(BOB)).phone == "15550000102"

    async def test_strangers_hide_their_phone(self, client: TelegramClient) -> None:
        assert (await client.get_entity("bobsample")).phone is None
