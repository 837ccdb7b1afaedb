"""The connections of an audit: from the settings to readers, and what they learnt back to the database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from django.conf import settings

from audits.observe import Connection
from audits.turn import Turn
from members.platforms.base import CallMeter, PlatformReader
from members.platforms.errors import TryLater
from members.platforms.slack import SlackConfig, SlackReader
from members.platforms.types import Platform
from telegram_ops.gateway import Access


class SlackConnection:
    platform = Platform.SLACK

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformReader]:
        config = SlackConfig(token=settings.SLACK_USER_TOKEN, api_url=settings.SLACK_API_URL)
        return SlackReader(config, meter=meter)

    def keep_books(self) -> None:
        """Slack needs nothing but ids."""


class TelegramConnection:
    platform = Platform.TELEGRAM

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._access = Access()

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


def connections_to(platforms: Iterable[Platform], turns: Mapping[Platform, Turn]) -> tuple[Connection, ...]:
    """One connection per platform. Whether they work shows only when they are opened.

    `turns` has Telegram's, where Telegram is among the platforms.
    """
    connections: list[Connection] = []
    for platform in platforms:
        match platform:
            case Platform.SLACK:
                connections.append(SlackConnection())
            case Platform.TELEGRAM:
                connections.append(TelegramConnection(turns[platform]))
    return tuple(connections)
