"""From the settings to readers of conversations, and what they learnt back to the database."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from django.conf import settings

from members.platforms.base import CallMeter
from members.platforms.history import HistoryReader
from members.platforms.slack import SlackConfig
from members.platforms.slack_history import SlackHistoryReader
from members.platforms.telegram_history import TelegramHistoryReader
from members.platforms.types import Platform
from telegram_ops.gateway import Access


class HistoryConnection(Protocol):
    """A way to one platform. Made and kept outside the event loop."""

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[HistoryReader]:
        """A reader inside `async with`. This call, and entering, may raise any PlatformError."""

    def keep_books(self) -> None:
        """Store what the reader learnt for the next one."""


class SlackConnection:
    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[HistoryReader]:
        config = SlackConfig(token=settings.SLACK_USER_TOKEN, api_url=settings.SLACK_API_URL)
        return SlackHistoryReader(config, meter=meter)

    def keep_books(self) -> None:
        """Slack needs nothing but ids."""


class TelegramConnection:
    def __init__(self) -> None:
        self._access = Access()

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[HistoryReader]:
        return self._access.client(TelegramHistoryReader, meter)

    def keep_books(self) -> None:
        self._access.keep_books()


def connection_to(platform: Platform) -> HistoryConnection:
    """Whether it works shows only when it is opened."""
    return SlackConnection() if platform is Platform.SLACK else TelegramConnection()
