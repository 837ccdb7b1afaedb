"""Messages on the sandbox's Telegram: writing, reading in pages, editing, deleting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions, types

from groupadmin.sandbox.telegram.messages import TextEntity
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
    EPOCH,
    GROUP,
    ROBO,
    add_chat,
    input_channel,
    input_user,
    signed_in,
    small_world,
)


@pytest.fixture
def world() -> TelegramWorld:
    """Ada and Bob share a supergroup, a basic group, Bob's broadcast channel and a private chat."""
    world = small_world()
    add_chat(world, GROUP, ADA, BOB)
    add_chat(world, BASIC, ADA, BOB, kind="basic")
    add_chat(world, CHANNEL, BOB, ADA, kind="broadcast")
    world.converse(ADA, BOB)
    return world


sandbox = pytest.fixture(telegram_of)


@pytest.fixture
async def client(sandbox: TelegramSandbox) -> AsyncIterator[TelegramClient]:
    async with signed_in(sandbox, ADA) as ada:
        await ada.get_dialogs()
        yield ada


@pytest.fixture
async def bob(sandbox: TelegramSandbox) -> AsyncIterator[TelegramClient]:
    async with signed_in(sandbox, BOB) as client:
        await client.get_dialogs()
        yield client


def fill(world: TelegramWorld, chat: TelegramChat, count: int) -> list[int]:
    """Bob writes `count` messages, a minute apart; their ids, oldest first."""
    posts = [world.post(chat, BOB, f"Message {n}", date=EPOCH + 60 * (n + 1)) for n in range(count)]
    return [post.id for post in posts]


async def ids_in(client: TelegramClient, peer: Any, **options: Any) -> list[int]:
    return [message.id async for message in client.iter_messages(peer, wait_time=0, **options)]


class TestWriting:
    @pytest.mark.parametrize("peer", [types.PeerChannel(GROUP), types.PeerChat(BASIC), types.PeerUser(BOB)])
    async def test_a_message_is_there_for_both_sides(
        self, client: TelegramClient, bob: TelegramClient, peer: Any
    ) -> None:
        sent = await client.send_message(peer, "Hello **there**")
        others_view = types.PeerUser(ADA) if isinstance(peer, types.PeerUser) else peer
        (mine,) = await client.get_messages(peer, limit=1)
        (received,) = await bob.get_messages(others_view, limit=1)
        assert mine.id == received.id == sent.id
        assert (mine.out, received.out) == (True, False)
        assert (received.raw_text, received.sender_id) == ("Hello there", ADA)
        assert received.entities == [types.MessageEntityBold(6, 5)]
        assert received.media is None

    async def test_a_mention_by_id_names_its_person(
        self, client: TelegramClient, bob: TelegramClient
    ) -> None:
        await client.send_message(GROUP, f"[you](tg://user?id={BOB})")
        (message,) = await bob.get_messages(GROUP, limit=1)
        assert message.entities == [types.MessageEntityMentionName(0, 3, BOB)]

    async def test_a_reply_names_its_message(self, client: TelegramClient, world: TelegramWorld) -> None:
        (question,) = fill(world, world.chats[GROUP], 1)
        await client.send_message(GROUP, "Answer", reply_to=question)
        assert (await client.get_messages(GROUP, limit=1))[0].reply_to_msg_id == question
        with pytest.raises(errors.BadRequestError, match="REPLY_MESSAGE_ID_INVALID"):
            await client.send_message(GROUP, "Answer", reply_to=4711)

    async def test_a_first_message_begins_a_private_chat(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        world.contacts[ADA] = {CY}
        await client(functions.contacts.GetContactsRequest(0))
        await client.send_message(CY, "Hello")
        assert [m.text for m in world.conversations[ADA, CY].messages] == ["", "Hello"]

    @pytest.mark.parametrize(
        ("peer", "text", "error"),
        [
            (GROUP, " ", errors.MessageEmptyError),
            (GROUP, "x" * 4097, errors.MessageTooLongError),
            (CHANNEL, "Not mine", errors.ChatWriteForbiddenError),
        ],
    )
    async def test_refusals_have_names(
        self, client: TelegramClient, peer: int, text: str, error: type[Exception]
    ) -> None:
        request = functions.messages.SendMessageRequest(input_channel(client, peer), text)
        with pytest.raises(error):
            await client(request)

    async def test_nobody_reads_in_a_deleted_account(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sandbox.send_private(DEE, ADA, "Farewell")
        await client.get_dialogs()
        with pytest.raises(errors.InputUserDeactivatedError):
            await client.send_message(DEE, "Hello")

    async def test_restricted_members_only_read(self, client: TelegramClient, world: TelegramWorld) -> None:
        world.chats[GROUP].restricted.add(ADA)
        with pytest.raises(errors.ChatWriteForbiddenError):
            await client.send_message(GROUP, "Hello")

    async def test_a_bot_never_speaks_first(self, sandbox: TelegramSandbox, world: TelegramWorld) -> None:
        add_chat(world, GROUP + 1, ADA, ROBO, BOB)
        async with signed_in(sandbox, ROBO) as bot:
            await bot(functions.channels.GetChannelsRequest([types.InputChannel(GROUP + 1, 0)]))
            await bot.get_participants(GROUP + 1)
            with pytest.raises(errors.PeerIdInvalidError):
                await bot.send_message(ADA, "Hello")
            sandbox.send_private(ADA, ROBO, "/start")
            await bot.send_message(ADA, "Hello")

    async def test_a_repeated_request_is_not_a_second_message(
        self, client: TelegramClient, world: TelegramWorld
    ) -> None:
        channel = input_channel(client, GROUP)
        request = functions.messages.SendMessageRequest(channel, "Once", random_id=7)
        await client(request)
        # In company, for Telethon would repeat a single request several times after a code of 500.
        with pytest.raises(errors.MultiError) as caught:
            await client([request, functions.messages.GetChatsRequest([BASIC])])
        assert isinstance(caught.value.exceptions[0], errors.RandomIdDuplicateError)
        assert [m.text for m in world.chats[GROUP].messages].count("Once") == 1


class TestHistory:
    @pytest.mark.parametrize("chat_id", [GROUP, BASIC])
    @pytest.mark.parametrize("count", [0, 1, 99, 100, 250])
    @pytest.mark.parametrize("reverse", [False, True])
    async def test_pages_lose_nothing(
        self, client: TelegramClient, world: TelegramWorld, chat_id: int, count: int, reverse: bool
    ) -> None:
        chat = world.chats[chat_id]
        expected = [chat.messages[0].id, *fill(world, chat, count)]
        peer = types.PeerChannel(GROUP) if chat_id == GROUP else types.PeerChat(BASIC)
        assert await ids_in(client, peer, reverse=reverse) == (expected if reverse else expected[::-1])

    async def test_a_range_can_be_asked_for(self, client: TelegramClient, world: TelegramWorld) -> None:
        ids = fill(world, world.chats[GROUP], 250)
        assert await ids_in(client, GROUP, min_id=ids[19], max_id=ids[200]) == ids[20:200][::-1]
        assert await ids_in(client, GROUP, min_id=ids[19], reverse=True) == ids[20:]

    async def test_a_date_can_be_asked_for(self, client: TelegramClient, world: TelegramWorld) -> None:
        ids = fill(world, world.chats[GROUP], 150)
        date = datetime.fromtimestamp(EPOCH + 60 * 121, UTC)  # of the message with index 120
        assert await ids_in(client, GROUP, offset_date=date, limit=3) == ids[117:120][::-1]
        assert await ids_in(client, GROUP, offset_date=date, reverse=True) == ids[120:]

    async def test_a_window_around_a_message(self, client: TelegramClient, world: TelegramWorld) -> None:
        ids = fill(world, world.chats[GROUP], 20)
        request = functions.messages.GetHistoryRequest(
            input_channel(client, GROUP), ids[10], None, add_offset=-3, limit=6, max_id=0, min_id=0, hash=0
        )
        answer = await client(request)
        assert [message.id for message in answer.messages] == ids[7:13][::-1]
        assert answer.count == 21

    async def test_newcomers_do_not_see_hidden_history(
        self, client: TelegramClient, bob: TelegramClient, world: TelegramWorld
    ) -> None:
        chat = world.chats[GROUP]
        ids = fill(world, chat, 3)
        chat.hidden_prehistory, chat.members[BOB] = True, EPOCH + 120
        assert await ids_in(bob, GROUP) == ids[1:][::-1]
        assert await ids_in(client, GROUP) == [*ids[::-1], chat.messages[0].id]

    async def test_service_messages_tell_what_happened(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        await client(functions.channels.EditTitleRequest(input_channel(client, GROUP), "New title"))
        sandbox.join(GROUP, CY, by=BOB)
        sandbox.leave(GROUP, CY)
        left, added, renamed, created = [message async for message in client.iter_messages(GROUP)]
        assert isinstance(created.action, types.MessageActionChannelCreate)
        assert (renamed.action, renamed.sender_id) == (types.MessageActionChatEditTitle("New title"), ADA)
        assert (added.action, added.sender_id) == (types.MessageActionChatAddUser([CY]), BOB)
        assert (left.action, left.sender_id) == (types.MessageActionChatDeleteUser(CY), CY)

    async def test_entities_and_edits_survive(self, client: TelegramClient, world: TelegramWorld) -> None:
        entities = [TextEntity("text_url", 0, 4, "https://example.com"), TextEntity("mention_name", 5, 3, CY)]
        post = world.post(world.chats[GROUP], BOB, "Look you", entities=entities)
        post.edited = EPOCH + 5
        (message,) = await client.get_messages(GROUP, limit=1)
        assert message.entities == [
            types.MessageEntityTextUrl(0, 4, "https://example.com"),
            types.MessageEntityMentionName(5, 3, CY),
        ]
        assert message.edit_date.timestamp() == EPOCH + 5

    async def test_a_channel_speaks_for_itself(self, client: TelegramClient, bob: TelegramClient) -> None:
        await bob.send_message(CHANNEL, "News")
        (post,) = await client.get_messages(CHANNEL, limit=1)
        assert (post.post, post.from_id, post.sender_id) == (True, None, -1_000_000_000_000 - CHANNEL)

    async def test_outsiders_do_not_read(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        sandbox.leave(GROUP, ADA)
        sandbox.leave(BASIC, ADA)
        with pytest.raises(errors.ChannelPrivateError):
            await client.get_messages(types.PeerChannel(GROUP))
        with pytest.raises(errors.ChatForbiddenError):
            await client.get_messages(types.PeerChat(BASIC))


class TestSearch:
    async def test_by_text_and_author(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        ids = fill(world, world.chats[GROUP], 120)
        mine = sandbox.post(GROUP, ADA, "message of mine")
        assert await ids_in(client, GROUP, search="MESSAGE 11") == [ids[n] for n in range(119, 109, -1)] + [
            ids[11]
        ]
        assert await ids_in(client, GROUP, from_user=ADA) == [mine, 1]
        assert await ids_in(client, GROUP, search="message", from_user=BOB) == ids[::-1]

    async def test_photos_are_never_found(self, client: TelegramClient, world: TelegramWorld) -> None:
        fill(world, world.chats[GROUP], 3)
        assert await ids_in(client, GROUP, filter=types.InputMessagesFilterPhotos) == []


class TestById:
    async def test_in_a_channel(self, client: TelegramClient, world: TelegramWorld) -> None:
        ids = fill(world, world.chats[GROUP], 3)
        found = await client.get_messages(GROUP, ids=[ids[2], 4711, ids[0]])
        assert [message and message.raw_text for message in found] == ["Message 2", None, "Message 0"]

    @pytest.mark.parametrize("peer", [types.PeerChat(BASIC), types.PeerUser(BOB)])
    async def test_elsewhere_ids_need_no_chat(self, client: TelegramClient, peer: Any) -> None:
        sent = await client.send_message(peer, "Hello")
        found = await client.get_messages(peer, ids=[sent.id, 4711])
        assert [message and message.raw_text for message in found] == ["Hello", None]

    async def test_other_peoples_messages_are_not_found(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        secret = sandbox.send_private(BOB, CY, "Secret")
        answer = await client(functions.messages.GetMessagesRequest([types.InputMessageID(secret)]))
        assert isinstance(answer.messages[0], types.MessageEmpty)


class TestChanging:
    @pytest.mark.parametrize("peer", [types.PeerChannel(GROUP), types.PeerChat(BASIC), types.PeerUser(BOB)])
    async def test_authors_edit_and_delete(self, client: TelegramClient, peer: Any) -> None:
        sent = await client.send_message(peer, "First")
        edited = await client.edit_message(peer, sent.id, "Second")
        assert (edited.raw_text, edited.edit_date is not None) == ("Second", True)
        with pytest.raises(errors.MessageNotModifiedError):
            await client.edit_message(peer, sent.id, "Second")
        await client.delete_messages(peer, [sent.id])
        assert await client.get_messages(peer, ids=sent.id) is None

    async def test_nobody_edits_for_others(self, client: TelegramClient, world: TelegramWorld) -> None:
        (theirs,) = fill(world, world.chats[GROUP], 1)
        with pytest.raises(errors.MessageAuthorRequiredError):
            await client.edit_message(GROUP, theirs, "Changed")

    async def test_admins_who_may_delete_for_others(
        self, client: TelegramClient, bob: TelegramClient, world: TelegramWorld
    ) -> None:
        ids = fill(world, world.chats[GROUP], 1)
        (mine,) = [(await client.send_message(GROUP, "Mine")).id]
        with pytest.raises(errors.MessageDeleteForbiddenError):
            await bob.delete_messages(GROUP, [mine])
        await client.delete_messages(GROUP, ids)
        world.chats[GROUP].admins[BOB] = AdminRights()
        await bob.delete_messages(GROUP, [mine])
        assert [message.id for message in world.chats[GROUP].messages] == [1]

    async def test_the_id_of_a_deleted_message_stays_taken(self, client: TelegramClient) -> None:
        first = await client.send_message(GROUP, "First")
        await client.delete_messages(GROUP, [first.id])
        assert (await client.send_message(GROUP, "Second")).id == first.id + 1

    async def test_what_is_not_there_cannot_be_edited(self, client: TelegramClient) -> None:
        with pytest.raises(errors.MessageIdInvalidError):
            await client.edit_message(GROUP, 4711, "Changed")

    async def test_private_hashes_are_checked(self, client: TelegramClient) -> None:
        assert input_user(client, BOB).user_id == BOB
        with pytest.raises(errors.UserIdInvalidError):
            await client(functions.messages.SendMessageRequest(types.InputPeerUser(BOB, 1), "Hello"))
