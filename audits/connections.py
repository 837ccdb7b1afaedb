"""The connections of an audit: from the settings to readers, and what they learnt back to the database."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from django.conf import settings

from audits.observe import Connection
from members.platforms.base import CallMeter, PlatformReader
from members.platforms.slack import SlackConfig, SlackReader
from members.platforms.telegram import TelegramReader
from members.platforms.types import Platform
from telegram_ops import gateway


class SlackConnection:
    platform = Platform.SLACK

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformReader]:
        config = SlackConfig(token=settings.SLACK_USER_TOKEN, api_url=settings.SLACK_API_URL)
        return SlackReader(config, meter=meter)

    def keep_books(self) -> None:
        """Slack needs nothing but ids."""


class TelegramConnection:
    platform = Platform.TELEGRAM

    def __init__(self) -> None:
        self._known_hashes = gateway.known_hashes()
        self._reader: TelegramReader | None = None

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformReader]:
        self._reader = TelegramReader(gateway.telegram_config(), meter=meter, known_hashes=self._known_hashes)
        return self._reader

    def keep_books(self) -> None:
        if self._reader is not None:
            gateway.remember_hashes(self._reader.account_id, self._reader.learned_hashes())


def connections_to(platforms: Iterable[Platform]) -> tuple[Connection, ...]:
    """One connection per platform. Whether they work shows only when they are opened."""
    kinds: dict[Platform, type[SlackConnection] | type[TelegramConnection]] = {
        Platform.SLACK: SlackConnection,
        Platform.TELEGRAM: TelegramConnection,
    }
    return tuple(kinds[platform]() for platform in platforms)
