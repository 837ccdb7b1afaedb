"""A small company on the sandbox's Telegram, and a reader that looks at it with Ada's eyes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramUser, TelegramWorld
from members.platforms.base import CallMeter
from members.platforms.configs import AccessHashes, TelegramConfig, parse_server
from members.platforms.telegram import TelegramReader
from members.platforms.types import Platform, PlatformGroup, PlatformUser, Wanted

ADA, BOB, CY, DEE, ROBO = 101, 102, 103, 104, 105
T = TypeVar("T")


def company() -> TelegramWorld:
    """Five people who share nothing yet. The account that looks is Ada's."""
    world = TelegramWorld()
    for user in (
        TelegramUser(ADA, "Ada", "Example", ["adaexample"]),
        TelegramUser(BOB, "Bob", "Sample", ["bobsample", "bobby_sample"]),
        TelegramUser(CY, "Cy", "Nobody"),
        TelegramUser(DEE, "Dee", "Gone", deleted=True),
        TelegramUser(ROBO, "Robo", usernames=["robo_bot"], is_bot=True),
    ):
        world.add_user(user)
    return world


def add_user(world: TelegramWorld, user_id: int, *usernames: str, name: str = "Extra") -> TelegramUser:
    return world.add_user(TelegramUser(user_id, name, "Example", list(usernames)))


def add_group(world: TelegramWorld, chat_id: int, *members: int, **fields: Any) -> TelegramChat:
    """A supergroup, unless `kind` says otherwise, that belongs to somebody outside the company."""
    values: dict[str, Any] = {"kind": "supergroup", "title": f"Group {chat_id}", "creator": None} | fields
    joined = dict.fromkeys(members, 1_700_000_000)
    # Groups were last written to at different times, as real ones are.
    return world.add_chat(TelegramChat(chat_id, members=joined, created=1_700_000_000 + chat_id, **values))


def add_groups(world: TelegramWorld, count: int, *members: int, first: int = 1000) -> list[TelegramChat]:
    return [add_group(world, chat_id, *members) for chat_id in range(first, first + count)]


def config(sandbox: TelegramSandbox, **fields: Any) -> TelegramConfig:
    """Ada's session, and less patience than for a real network."""
    values: dict[str, Any] = {
        "api_id": 1,
        "api_hash": "invented",
        "session": sandbox.mint_session(ADA),
        "server": parse_server(sandbox.server),
        "server_key_pem": sandbox.public_key_pem,
        "connect_timeout": 5.0,
        "call_timeout": 5.0,
    }
    return TelegramConfig(**(values | fields))


def reader(
    sandbox: TelegramSandbox,
    *,
    meter: CallMeter | None = None,
    known: AccessHashes | None = None,
    **fields: Any,
) -> TelegramReader:
    return TelegramReader(
        config(sandbox, **fields), meter=meter, known_hashes={ADA: known} if known is not None else None
    )


async def everything(pages: AsyncIterator[Sequence[T]]) -> list[T]:
    return [each async for page in pages for each in page]


async def ids_of(groups: AsyncIterator[Sequence[PlatformGroup]]) -> list[str]:
    return [group.id for group in await everything(groups)]


async def group_named(telegram: TelegramReader, chat_id: int) -> PlatformGroup:
    groups = {group.id: group for group in await everything(telegram.groups())}
    return groups[str(chat_id)]


async def find(telegram: TelegramReader, username: str) -> PlatformUser:
    (found,) = await telegram.users([Wanted(username, "", username=username)])
    return found


def person(user_id: int) -> PlatformUser:
    return PlatformUser(Platform.TELEGRAM, str(user_id))


def elsewhere(group: PlatformGroup, chat_id: int) -> PlatformGroup:
    """`group` under an id that nothing has told the way to."""
    return replace(group, id=str(chat_id))
