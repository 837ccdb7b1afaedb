"""What the sandbox's Telegram pushes to connected clients, and how they catch up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from telethon import TelegramClient, events
from telethon.tl import functions, types

from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import AdminRights, TelegramWorld
from tests.sandboxes import telegram_of
from tests.telegram_clients import (
    ADA,
    BASIC,
    BOB,
    CY,
    EVE,
    GROUP,
    PATIENCE,
    ROBO,
    Inbox,
    add_chat,
    input_channel,
    signed_in,
    small_world,
)


@pytest.fixture
def world() -> TelegramWorld:
    """Ada, Bob and the bot are in a supergroup and a basic group; the bot is an admin of the first."""
    world = small_world()
    add_chat(world, GROUP, ADA, BOB, ROBO, admins={ROBO: AdminRights()}, invite_links=["https://t.me/+x"])
    add_chat(world, BASIC, ADA, BOB, ROBO, kind="basic")
    return world


sandbox = pytest.fixture(telegram_of)


@pytest.fixture
async def client(sandbox: TelegramSandbox) -> AsyncIterator[TelegramClient]:
    async with signed_in(sandbox, ADA, receive_updates=True) as ada:
        await ada.get_dialogs()
        yield ada


@pytest.fixture
async def bot(sandbox: TelegramSandbox) -> AsyncIterator[TelegramClient]:
    async with signed_in(sandbox, ROBO, receive_updates=True) as robo:
        yield robo


class TestMessages:
    async def test_everybody_else_hears_of_a_new_one(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        received: asyncio.Queue[events.NewMessage.Event] = asyncio.Queue()
        client.add_event_handler(received.put, events.NewMessage)
        async with signed_in(sandbox, BOB) as bob:
            dialogs = {dialog.entity.id: dialog for dialog in await bob.get_dialogs()}
            for chat_id in (GROUP, BASIC):
                await bob.send_message(dialogs[chat_id].input_entity, f"To {chat_id}")
        sandbox.send_private(BOB, ADA, "To you")
        async with asyncio.timeout(PATIENCE):
            heard = [await received.get() for _ in range(3)]
        assert [event.raw_text for event in heard] == [f"To {GROUP}", f"To {BASIC}", "To you"]
        assert {event.sender_id for event in heard} == {BOB}

    async def test_they_arrive_in_order_however_many(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        inbox = Inbox(client)
        for n in range(50):
            sandbox.post(GROUP, BOB, f"Number {n}")
        texts = [(await inbox.next(types.UpdateNewChannelMessage)).message.message for _ in range(50)]
        assert texts == [f"Number {n}" for n in range(50)]

    async def test_edits_and_deletions_are_told(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        inbox = Inbox(client)
        async with signed_in(sandbox, BOB) as bob:
            await bob.get_dialogs()
            sent = await bob.send_message(GROUP, "First")
            await bob.edit_message(GROUP, sent.id, "Second")
            await bob.delete_messages(GROUP, [sent.id])
        assert (await inbox.next(types.UpdateEditChannelMessage)).message.message == "Second"
        assert (await inbox.next(types.UpdateDeleteChannelMessages)).messages == [sent.id]

    async def test_outsiders_hear_nothing(self, client: TelegramClient, sandbox: TelegramSandbox) -> None:
        inbox = Inbox(client)
        add_chat(sandbox.world, GROUP + 1, BOB, CY)
        sandbox.post(GROUP + 1, BOB, "Not for Ada")
        sandbox.post(GROUP, BOB, "For Ada")
        assert (await inbox.next(types.UpdateNewChannelMessage)).message.message == "For Ada"

    async def test_a_job_without_updates_gets_none(self, sandbox: TelegramSandbox) -> None:
        async with signed_in(sandbox, ADA, receive_updates=False) as client:
            heard: list[object] = []
            client.add_event_handler(heard.append, events.Raw)
            sandbox.post(GROUP, BOB, "Hello")
            await client.get_dialogs()
            assert heard == []

    async def test_a_bot_without_rights_hears_only_commands(
        self, bot: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        inbox = Inbox(bot)
        sandbox.post(BASIC, BOB, "Hello all")
        sandbox.post(BASIC, BOB, "/status")
        assert (await inbox.next(types.UpdateNewMessage)).message.message == "/status"

    async def test_an_admin_bot_hears_everything(self, bot: TelegramClient, sandbox: TelegramSandbox) -> None:
        inbox = Inbox(bot)
        sandbox.post(GROUP, BOB, "Hello all")
        assert (await inbox.next(types.UpdateNewChannelMessage)).message.message == "Hello all"


class TestMembership:
    async def test_an_admin_bot_hears_who_comes_and_goes(
        self, bot: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        inbox = Inbox(bot)
        sandbox.join(GROUP, EVE)
        sandbox.leave(GROUP, EVE)
        sandbox.join(GROUP, CY, by=BOB)
        sandbox.ban(GROUP, CY, by=ADA)
        sandbox.unban(GROUP, CY, by=ADA)
        changes = [await inbox.next(types.UpdateChannelParticipant) for _ in range(5)]
        assert [(change.actor_id, change.user_id) for change in changes] == [
            (EVE, EVE),
            (EVE, EVE),
            (BOB, CY),
            (ADA, CY),
            (ADA, CY),
        ]
        assert [type(change.new_participant) for change in changes] == [
            types.ChannelParticipant,
            type(None),
            types.ChannelParticipant,
            types.ChannelParticipantBanned,
            type(None),
        ]
        assert [type(change.prev_participant) for change in changes][1:] == [
            type(change.new_participant) for change in changes
        ][:-1]

    async def test_its_own_kick_names_itself_as_the_actor(
        self, bot: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        chat = await bot.get_entity(types.PeerChannel(GROUP))
        await bot.get_participants(chat)
        async with signed_in(sandbox, ROBO, receive_updates=True) as second_connection:
            inbox = Inbox(second_connection)
            await bot.edit_permissions(chat, BOB, view_messages=False)
            change = await inbox.next(types.UpdateChannelParticipant)
        assert (change.actor_id, change.user_id) == (ROBO, BOB)
        assert world.chats[GROUP].banned == {BOB}

    async def test_an_admin_bot_hears_of_requests_to_join(
        self, bot: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        inbox = Inbox(bot)
        sandbox.join_request(GROUP, EVE)
        request = await inbox.next(types.UpdateBotChatInviteRequester)
        assert (request.peer, request.user_id) == (types.PeerChannel(GROUP), EVE)
        assert request.invite.link == "https://t.me/+x"
        channel, user = input_channel(bot, GROUP), await bot.get_input_entity(EVE)
        await bot(functions.messages.HideChatJoinRequestRequest(channel, user, approved=True))
        assert EVE in sandbox.world.chats[GROUP].members

    async def test_whoever_is_thrown_out_is_told(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        inbox = Inbox(client)
        sandbox.ban(GROUP, ADA, by=BOB)
        update = await inbox.next(types.UpdateChannel)
        assert update.channel_id == GROUP

    async def test_people_see_a_service_message(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        received: asyncio.Queue[events.ChatAction.Event] = asyncio.Queue()
        client.add_event_handler(received.put, events.ChatAction)
        sandbox.join(GROUP, EVE, by=BOB)
        async with asyncio.timeout(PATIENCE):
            event = await received.get()
        assert (event.user_added, event.user_id) == (True, EVE)


class TestCatchingUp:
    async def test_the_account_difference_holds_what_was_missed(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        before = await client(functions.updates.GetStateRequest())
        sandbox.post(BASIC, BOB, "While away")
        sandbox.send_private(BOB, ADA, "Where are you?")
        missed = await client(functions.updates.GetDifferenceRequest(before.pts, before.date, before.qts))
        assert [message.message for message in missed.new_messages] == ["While away", "Where are you?"]
        after = missed.state
        none = await client(functions.updates.GetDifferenceRequest(after.pts, after.date, after.qts))
        assert isinstance(none, types.updates.DifferenceEmpty)

    async def test_the_channel_difference_too(self, client: TelegramClient, sandbox: TelegramSandbox) -> None:
        sandbox.post(GROUP, BOB, "One")
        sandbox.post(GROUP, BOB, "Two")
        request = functions.updates.GetChannelDifferenceRequest(
            input_channel(client, GROUP), types.ChannelMessagesFilterEmpty(), pts=2, limit=100
        )
        missed = await client(request)
        assert [message.message for message in missed.new_messages] == ["Two"]
        assert (missed.pts, missed.final) == (3, True)

    async def test_a_bot_learns_what_happened_while_it_was_away(
        self, bot: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        before = await bot(functions.updates.GetStateRequest())
        sandbox.join_request(GROUP, EVE)
        sandbox.leave(GROUP, BOB)
        missed = await bot(functions.updates.GetDifferenceRequest(before.pts, before.date, before.qts))
        assert [type(update) for update in missed.other_updates] == [
            types.UpdateBotChatInviteRequester,
            types.UpdateChannelParticipant,
        ]

    async def test_a_reconnected_client_goes_on_listening(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        inbox = Inbox(client)
        sandbox.drop_connections()
        await client.get_dialogs()
        sandbox.post(GROUP, BOB, "Back again?")
        assert (await inbox.next(types.UpdateNewChannelMessage)).message.message == "Back again?"
