"""The Telegram account as something to write through."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from members.platforms.base import CallMeter
from members.platforms.telegram_writer import TelegramWriter
from members.platforms.writing import PlatformWriter
from telegram_ops import gateway


class TelegramAccount:
    """The account of the settings, with what earlier connections learnt."""

    largest_invitation: int = TelegramWriter.largest_invitation

    def __init__(self) -> None:
        self._known_hashes = gateway.known_hashes()
        self._writer: TelegramWriter | None = None

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformWriter]:
        """A writer inside `async with`. Raises NotConfigured, and on entering any PlatformError."""
        config = gateway.telegram_config()
        self._writer = TelegramWriter(config, meter=meter, known_hashes=self._known_hashes)
        return self._writer

    def keep_books(self) -> None:
        """Store the access hashes that the writer learnt."""
        if self._writer is not None:
            gateway.remember_hashes(self._writer.account_id, self._writer.learned_hashes())
