"""A writer in Ada's name on the sandbox's Telegram, and how its work is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramWorld
from members.platforms.base import CallMeter
from members.platforms.outcomes import Outcome, Reply
from members.platforms.telegram_writer import TelegramWriter
from members.platforms.types import PlatformUser
from tests.telegram_reading import (
    ADA,
    BOB,
    CY,
    DEE,
    ROBO,
    add_group,
    add_user,
    company,
    config,
    person,
)

INVITATION = {"basic": "AddChatUser", "supergroup": "InviteToChannel"}
EVE, FAY = 201, 202
GROUP, OTHER = 7, 8
STRANGER = person(999)
BASIC_AND_SUPER = pytest.mark.parametrize("kind", ["supergroup", "basic"])


def acquaintances() -> TelegramWorld:
    """Ada, whose account does the work, knows everybody."""
    world = company()
    add_user(world, EVE)
    add_user(world, FAY)
    for user_id in (BOB, CY, DEE, ROBO, EVE, FAY):
        world.converse(ADA, user_id)
    return world


class OnTelegram:
    """What a class of tests finds: a world to be changed, its server, and a writer in Ada's name."""

    @pytest.fixture
    def world(self) -> TelegramWorld:
        return acquaintances()

    @pytest.fixture
    def sandbox(self, world: TelegramWorld) -> Iterator[TelegramSandbox]:
        with TelegramSandbox(world) as server:
            yield server
            assert server.bugs == []

    @pytest.fixture
    async def telegram(self, sandbox: TelegramSandbox) -> AsyncIterator[TelegramWriter]:
        async with writer(sandbox) as connected:
            yield connected


def writer(sandbox: TelegramSandbox, *, patience: float = 120.0, **fields: Any) -> TelegramWriter:
    return TelegramWriter(config(sandbox, **fields), meter=CallMeter(patience=patience))


def own_group(world: TelegramWorld, *members: int, **fields: Any) -> TelegramChat:
    """A group of Ada's."""
    return add_group(world, GROUP, ADA, *members, **({"creator": ADA} | fields))


def people(*user_ids: int) -> list[PlatformUser]:
    return [person(user_id) for user_id in user_ids]


def outcomes(replies: Any) -> dict[int, Outcome]:
    return {int(user_id): reply.outcome for user_id, reply in replies.items()}


def written(sandbox: TelegramSandbox) -> list[tuple[str, str, bool]]:
    """Every write that arrived: request, who or what it is about, whether it changed something."""
    return [(write.method, write.subject, write.effect) for write in sandbox.writes.all()]


def concerns(user_id: int) -> Any:
    """Whether an invitation names `user_id`."""
    return lambda fields: user_id in {user.user_id for user in fields["users"]}


async def the_cut_was_noticed(telegram: TelegramWriter) -> None:
    line = await telegram._transport._current_line()
    while not line._ended.done():
        await asyncio.sleep(0.01)


def one_line(reply: Reply) -> str:
    assert len(reply.message.splitlines()) == 1
    return reply.message
