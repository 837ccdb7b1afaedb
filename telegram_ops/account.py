"""The Telegram account as something to write through."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from members.platforms import adapters
from members.platforms.base import CallMeter
from members.platforms.writing import PlatformWriter
from telegram_ops.gateway import Access


class AccountToWrite:
    """The account in use, or a further one, with what earlier connections learnt."""

    def __init__(self, connection: str = "") -> None:
        self._access = Access(connection)

    @property
    def largest_invitation(self) -> int:
        """How many people one invitation through it may hold."""
        return adapters.telegram_writer.TelegramWriter.largest_invitation

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformWriter]:
        """A writer inside `async with`. Raises NotConfigured, and on entering any PlatformError."""
        return self._access.writer(meter)

    def keep_books(self) -> None:
        """Store what the writer learnt."""
        self._access.keep_books()
