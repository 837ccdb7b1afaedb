"""The connections of an audit: from the settings and the database to readers, and what they learnt back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager

from audits.observe import Connection
from audits.turn import Turn
from members.platforms import adapters
from members.platforms.base import CallMeter, PlatformReader
from members.platforms.errors import AccountTrouble, TryLater
from members.platforms.types import Platform
from members.workspaces import services as workspaces
from telegram_ops import gateway
from telegram_ops.gateway import Access

Way = tuple[Platform, str]
"""A platform, and which of our workspaces or accounts there; "" is the usual one."""


class SlackConnection:
    platform = Platform.SLACK

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.label = label_of(self.platform, key)
        self._access = workspaces.Access(key)
        self._problem: str | None = None

    @asynccontextmanager
    async def open(self, meter: CallMeter) -> AsyncGenerator[PlatformReader, None]:
        try:
            async with adapters.slack.SlackReader(self._access.config(), meter=meter) as reader:
                yield reader
            self._problem = ""
        except AccountTrouble as error:
            self._problem = str(error)
            raise

    def keep_books(self) -> None:
        """Note whether the token works; of the usual one, the runs themselves tell."""
        if self.key and self._problem is not None:
            workspaces.note_state(self.key, problem=self._problem)


class TelegramConnection:
    platform = Platform.TELEGRAM

    def __init__(self, turn: Turn, key: str = "") -> None:
        self.key = key
        self.label = label_of(self.platform, key)
        self._turn = turn
        self._access = Access(key)

    @asynccontextmanager
    async def open(self, meter: CallMeter) -> AsyncGenerator[PlatformReader, None]:
        if self._access.connection != self._turn.connection:
            raise TryLater(
                "Another Telegram account came into use: try again", code="account_changed", seconds=1
            )
        client = self._access.reader(meter)
        async with self._turn.taken(), client as reader:
            yield reader

    def keep_books(self) -> None:
        self._access.keep_books()


def ways_of(platform: Platform) -> tuple[str, ...]:
    """The keys of all connections to `platform`, the usual one ("") first. One query."""
    return workspaces.connections() if platform is Platform.SLACK else gateway.connections()


def label_of(platform: Platform, key: str) -> str:
    """What people call a connection; "" for the usual one."""
    return workspaces.label_of(key) if platform is Platform.SLACK else gateway.label_of(key)


def connections_to(ways: Iterable[Way], turns: Mapping[Way, Turn]) -> tuple[Connection, ...]:
    """One connection for each. Whether they work shows only when they are opened.

    `turns` has those of Telegram, where Telegram is among them.
    """
    connections: list[Connection] = []
    for platform, key in ways:
        match platform:
            case Platform.SLACK:
                connections.append(SlackConnection(key))
            case Platform.TELEGRAM:
                connections.append(TelegramConnection(turns[platform, key], key))
    return tuple(connections)
