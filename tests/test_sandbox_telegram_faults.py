"""What can be made to go wrong on the sandbox's Telegram, and how it says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions, types

from groupadmin.sandbox.telegram.effects import Delay, Drop, Rewrite, RpcFault
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramWorld
from tests.telegram_clients import (
    ADA,
    BASIC,
    BOB,
    GROUP,
    add_chat,
    input_channel,
    new_client,
    signed_in,
    small_world,
)


@pytest.fixture
def world() -> TelegramWorld:
    world = small_world()
    add_chat(world, GROUP, ADA, BOB)
    add_chat(world, BASIC, ADA, BOB, kind="basic")
    return world


@pytest.fixture
def sandbox(world: TelegramWorld) -> Iterator[TelegramSandbox]:
    with TelegramSandbox(world) as server:
        yield server


@pytest.fixture
async def client(sandbox: TelegramSandbox) -> AsyncIterator[TelegramClient]:
    async with signed_in(sandbox, ADA, flood_sleep_threshold=0) as ada:
        await ada.get_dialogs()
        sandbox.calls.clear()
        sandbox.chatter.clear()
        yield ada


class TestScript:
    async def test_a_flood_wait_tells_its_seconds(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sandbox.script.add("GetDialogs", RpcFault("FLOOD_WAIT_30"))
        with pytest.raises(errors.FloodWaitError) as caught:
            await client.get_dialogs()
        assert caught.value.seconds == 30

    async def test_a_fault_can_wait_for_its_arguments(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sandbox.script.add(
            "EditTitle",
            RpcFault("PEER_FLOOD"),
            when=lambda a: a["channel"].channel_id == GROUP and a["viewer"] == ADA and a["title"] == "Two",
        )
        await client(functions.channels.EditTitleRequest(input_channel(client, GROUP), "One"))
        with pytest.raises(errors.PeerFloodError):
            await client(functions.channels.EditTitleRequest(input_channel(client, GROUP), "Two"))

    async def test_a_star_means_every_method_until_the_script_is_cleared(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sandbox.script.add("*", RpcFault("AUTH_KEY_DUPLICATED"), times=None)
        for request in (functions.messages.GetChatsRequest([BASIC]), functions.help.GetConfigRequest()):
            with pytest.raises(errors.AuthKeyDuplicatedError):
                await client(request)
        sandbox.script.clear()
        await client(functions.messages.GetChatsRequest([BASIC]))

    async def test_a_rewritten_request_can_repeat_a_page(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sandbox.script.add("GetChats", Rewrite({"id": [BASIC, BASIC]}))
        answer = await client(functions.messages.GetChatsRequest([BASIC]))
        assert [chat.id for chat in answer.chats] == [BASIC, BASIC]

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("PEER_FLOOD", 400),
            ("CHAT_NOT_MODIFIED", 400),
            ("SOMETHING_UNHEARD_OF", 400),
            ("SESSION_REVOKED", 401),
            ("SESSION_PASSWORD_NEEDED", 401),
            ("USER_PRIVACY_RESTRICTED", 403),
            ("CHAT_ADMIN_REQUIRED", 403),
            ("AUTH_KEY_DUPLICATED", 406),
            ("CHANNEL_PRIVATE", 406),
            ("FLOOD_WAIT_7", 420),
            ("SLOWMODE_WAIT_7", 420),
            ("RPC_CALL_FAIL", 500),
        ],
    )
    def test_every_error_has_the_code_that_telegram_gives_it(self, name: str, code: int) -> None:
        assert RpcError(name).code == code


class TestConnection:
    async def test_a_cut_connection_is_mended_by_the_client(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sandbox.script.add("GetDialogs", Drop())
        assert len(await client.get_dialogs()) == 2
        assert sandbox.calls.counts() == {"GetDialogs": 2}

    async def test_a_client_without_patience_is_told(self, sandbox: TelegramSandbox) -> None:
        client = new_client(sandbox, sandbox.mint_session(ADA), auto_reconnect=False)
        await client.connect()
        sandbox.script.add("GetDialogs", Drop())
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.get_dialogs()
        await client.disconnect()

    async def test_a_call_can_have_its_effect_although_nobody_hears_of_it(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        sandbox.script.add("EditChatTitle", Drop(done=True))
        with pytest.raises(errors.ChatNotModifiedError):  # the client repeats what is done already
            await client(functions.messages.EditChatTitleRequest(BASIC, "New title"))
        assert world.chats[BASIC].title == "New title"
        assert [(write.method, write.effect) for write in sandbox.writes.all()] == [
            ("EditChatTitle", True),
            ("EditChatTitle", False),
        ]

    async def test_dropping_all_connections_leaves_the_sessions(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sandbox.drop_connections()
        assert len(await client.get_dialogs()) == 2


class TestTime:
    async def test_a_slow_answer_is_overtaken(self, client: TelegramClient, sandbox: TelegramSandbox) -> None:
        finished = []

        async def ask(chat_id: int) -> None:
            await client(functions.messages.GetChatsRequest([chat_id]))
            finished.append(chat_id)

        add_chat(sandbox.world, BASIC + 1, ADA, kind="basic")
        sandbox.script.add("GetChats", Delay(0.2), when=lambda a: a["id"] == [BASIC])
        await asyncio.gather(ask(BASIC), ask(BASIC + 1))
        assert finished == [BASIC + 1, BASIC]

    async def test_latency_is_spent_side_by_side(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sandbox.latency = 0.2
        requests = [client(functions.messages.GetChatsRequest([BASIC])) for _ in range(200)]
        async with asyncio.timeout(20):  # one after the other they would need 40 seconds
            await asyncio.gather(*requests)
        assert sandbox.calls.counts() == {"GetChats": 200}

    async def test_ordered_requests_are_answered_in_order(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sandbox.script.add("EditChatTitle", Delay(0.1), when=lambda a: a["title"] == "First")
        titles = ["First", "Second"]
        await client([functions.messages.EditChatTitleRequest(BASIC, t) for t in titles], ordered=True)
        assert sandbox.world.chats[BASIC].title == "Second"


class TestBugs:
    async def test_an_unknown_request_is_refused_by_name(self, client: TelegramClient) -> None:
        with pytest.raises(errors.BadRequestError, match="METHOD_NOT_IMPLEMENTED_GetFullUser"):
            await client(functions.users.GetFullUserRequest(types.InputUserSelf()))

    async def test_a_bug_of_the_sandbox_is_visible_and_kept(
        self, client: TelegramClient, sandbox: TelegramSandbox, world: TelegramWorld
    ) -> None:
        del world.users[BOB]  # a world that does not hold together
        with pytest.raises(errors.BadRequestError, match="SANDBOX_BUG_KeyError"):
            await client(functions.messages.GetFullChatRequest(BASIC))
        assert [type(bug) for bug in sandbox.bugs] == [KeyError]


class TestCounting:
    async def test_the_clients_own_chatter_is_counted_apart(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        await client.get_me()
        await client.get_dialogs()
        assert sandbox.calls.counts() == {"GetDialogs": 1}
        assert sandbox.chatter.counts() == {"GetUsers": 1}

    async def test_asking_for_other_people_is_no_chatter(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        await client(functions.users.GetUsersRequest([types.InputUser(BOB, 1), types.InputUserSelf()]))
        assert sandbox.calls.counts() == {"GetUsers": 1}
        assert sandbox.chatter.counts() == {}
