"""Invented people on the sandbox's Telegram, and unmodified Telethon clients that speak to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from telethon import TelegramClient, events
from telethon.crypto import rsa
from telethon.sessions import StringSession
from telethon.tl import types

from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramUser, TelegramWorld

ADA, BOB, CY, DEE, EVE, ROBO = 101, 102, 103, 104, 105, 106
NOBODY = 999
GROUP, BASIC, CHANNEL = 5_000, 6_000, 7_000
PHONE, EVES_PHONE = "+15550000101", "+15550000105"
PASSWORD, TOKEN = "correct horse", "106:INVENTED"
EPOCH = 1_700_000_000
PATIENCE = 10.0

QUIET = logging.getLogger("tests.telegram_clients")
QUIET.setLevel(logging.CRITICAL)


def small_world() -> TelegramWorld:
    """Six accounts that share nothing yet. Cy refuses invitations, Dee is deleted, Robo is a bot."""
    world = TelegramWorld()
    for user in (
        TelegramUser(ADA, "Ada", "Example", ["AdaExample"], phone=PHONE),
        TelegramUser(BOB, "Bob", "Sample", ["bobsample", "bobby_sample"], phone="+15550000102"),
        TelegramUser(CY, "Cy", "Nobody", refuses_invites=True),
        TelegramUser(DEE, "Dee", "Gone", deleted=True),
        TelegramUser(
            EVE,
            "Eve",
            "Invented",
            ["eve_invented"],
            phone=EVES_PHONE,
            password=PASSWORD,
            password_hint="a horse",
        ),
        TelegramUser(ROBO, "Robo", usernames=["robo_bot"], is_bot=True),
    ):
        world.add_user(user)
    world.bot_tokens[TOKEN] = ROBO
    return world


def add_chat(world: TelegramWorld, chat_id: int, *members: int, **fields: Any) -> TelegramChat:
    """A supergroup owned by its first member, unless `fields` say otherwise."""
    values: dict[str, Any] = {
        "kind": "supergroup",
        "title": f"Chat {chat_id}",
        "creator": members[0],
    } | fields
    return world.add_chat(TelegramChat(chat_id, members=dict.fromkeys(members, EPOCH), **values))


def add_people(world: TelegramWorld, count: int, *, first: int = 10_000) -> list[int]:
    for user_id in range(first, first + count):
        world.add_user(TelegramUser(user_id, f"Extra{user_id}", "Example"))
    return list(range(first, first + count))


def new_client(sandbox: TelegramSandbox, session: str = "", **options: Any) -> TelegramClient:
    rsa.add_key(sandbox.public_key_pem, old=False)
    values: dict[str, Any] = {"receive_updates": False, "base_logger": QUIET, "retry_delay": 0} | options
    client = TelegramClient(StringSession(session), api_id=1, api_hash="invented", **values)
    client.session.set_dc(2, *sandbox.address)
    return client


@asynccontextmanager
async def connected(client: TelegramClient) -> AsyncIterator[TelegramClient]:
    await client.connect()
    try:
        yield client
    finally:
        await client.disconnect()


@asynccontextmanager
async def signed_in(sandbox: TelegramSandbox, user_id: int, **options: Any) -> AsyncIterator[TelegramClient]:
    async with connected(new_client(sandbox, sandbox.mint_session(user_id), **options)) as client:
        yield client


class Inbox:
    """The updates that reach a client, one after the other."""

    def __init__(self, client: TelegramClient) -> None:
        self._updates: asyncio.Queue[Any] = asyncio.Queue()
        client.add_event_handler(self._updates.put, events.Raw)

    async def next(self, kind: type) -> Any:
        """The next update of this kind; those of other kinds before it are dropped."""
        async with asyncio.timeout(PATIENCE):
            while True:
                update = await self._updates.get()
                if isinstance(update, kind):
                    return update


async def chat_as_seen_by(client: TelegramClient, chat_id: int) -> Any:
    """The Chat or Channel among the client's dialogs."""
    chats = {dialog.entity.id: dialog.entity for dialog in await client.get_dialogs()}
    return chats[chat_id]


def input_user(client: TelegramClient, user_id: int) -> types.InputPeerUser:
    """How `client` names somebody; it must have seen the person before."""
    return client.session.get_input_entity(types.PeerUser(user_id))


def input_channel(client: TelegramClient, chat_id: int) -> types.InputPeerChannel:
    return client.session.get_input_entity(types.PeerChannel(chat_id))
