"""From the settings to readers of conversations, and what they learnt back to the database."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from members.operations.parts import Way
from members.platforms import adapters
from members.platforms.base import CallMeter
from members.platforms.history import HistoryReader
from members.platforms.types import Platform
from members.workspaces import services as workspaces
from telegram_ops.gateway import Access


class HistoryConnection(Protocol):
    """A way to one platform. Made and kept outside the event loop."""

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[HistoryReader]:
        """A reader inside `async with`. This call, and entering, may raise any PlatformError."""

    def keep_books(self) -> None:
        """Store what the reader learnt for the next one."""


class SlackConnection:
    def __init__(self, key: str) -> None:
        self._access = workspaces.Access(key)

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[HistoryReader]:
        return adapters.slack_history.SlackHistoryReader(self._access.config(), meter=meter)

    def keep_books(self) -> None:
        """Slack needs nothing but ids."""


class TelegramConnection:
    def __init__(self, key: str) -> None:
        self._access = Access(key)

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[HistoryReader]:
        return self._access.client(adapters.telegram_history.TelegramHistoryReader, meter)

    def keep_books(self) -> None:
        self._access.keep_books()


def connection_to(way: Way) -> HistoryConnection:
    """Whether it works shows only when it is opened."""
    kind = SlackConnection if way.platform is Platform.SLACK else TelegramConnection
    return kind(way.connection)
