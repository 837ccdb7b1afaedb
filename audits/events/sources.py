"""The two ways to hear: Slack's Socket Mode, and what is pushed to the Telegram account."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.utils import timezone

from audits.events.state import Record
from audits.history.live import known_on_slack
from members.operations import lease
from members.operations.lease import Hold
from members.platforms import adapters
from members.platforms.base import CallMeter
from members.platforms.bot_news import Cursor
from members.platforms.configs import SlackConfig
from members.platforms.live import Item
from members.platforms.slack_live import parse_items
from members.platforms.types import Platform
from telegram_ops.gateway import Access, remember_hashes

if TYPE_CHECKING:
    from members.platforms.slack_socket import Envelope, SlackSocket
    from members.platforms.telegram_listener import News, TelegramListener

PATIENCE = 20.0
"""Seconds: the longest single wait for a platform's rate limit before the line is given up for a while."""
LOOK_SECONDS = 0.2
"""How often it looks whether somebody else wants the account, however often it is asked."""
RENEW_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Batch:
    """What was heard at once."""

    items: Callable[[], Iterable[Item]] = tuple
    """In our words; may ask the database."""
    whole: bool = True
    """False where the platform does not tell any more what happened."""
    envelopes: Sequence[Envelope] = ()
    news: News | None = field(default=None, repr=False)

    @property
    def is_empty(self) -> bool:
        return not self.envelopes and self.news is None


class Source(Protocol):
    """One platform's events. What is a coroutine speaks to the platform; the rest may ask the database."""

    platform: Platform

    def begin(self, record: Record) -> bool:
        """Make ready to listen; False while somebody else uses the account."""

    async def open(self) -> str:
        """Connect; who listens. Raises PlatformError."""

    async def next(self, seconds: float) -> Batch:
        """What came in, or an empty batch after so long. Raises PlatformError."""

    def keep(self, batch: Batch, record: Record) -> None:
        """Note that `batch` is safe with us."""

    async def acknowledge(self, batch: Batch) -> None:
        """Tell the platform so."""

    def stay(self) -> bool:
        """Renew what is held; False when it has to let go, because somebody else wants the account."""

    def heard_until(self) -> datetime | None:
        """Until when everything that happened is safe with us, or told again; None: nobody can tell."""

    async def close(self) -> None: ...

    def end(self) -> None:
        """Let go of what `begin` took."""


class SlackSource:
    """The Events API over Socket Mode. It uses an app's token, and nobody has to wait for it."""

    platform = Platform.SLACK

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._socket: SlackSocket | None = None

    def begin(self, record: Record) -> bool:
        config = SlackConfig(token=settings.SLACK_APP_TOKEN, api_url=settings.SLACK_API_URL)
        self._socket = adapters.slack_socket.SlackSocket(config, meter=CallMeter(patience=PATIENCE))
        return True

    async def open(self) -> str:
        await self._stack.enter_async_context(self._connected())
        return "Slack app"

    async def next(self, seconds: float) -> Batch:
        envelopes = await self._connected().next(seconds)
        if not envelopes:
            return Batch()
        return Batch(lambda: _told(envelope.payload for envelope in envelopes), envelopes=envelopes)

    def keep(self, batch: Batch, record: Record) -> None:
        """Slack keeps track of what it told."""

    async def acknowledge(self, batch: Batch) -> None:
        for envelope in batch.envelopes:
            await self._connected().acknowledge(envelope)

    def stay(self) -> bool:
        return True

    def heard_until(self) -> datetime | None:
        return timezone.now()

    async def close(self) -> None:
        await self._stack.aclose()

    def end(self) -> None:
        self._socket = None

    def _connected(self) -> SlackSocket:
        if self._socket is None:
            raise RuntimeError("SlackSource listens only after `begin`")
        return self._socket


class TelegramSource:
    """What is pushed to the account in use. It lets go of the account whenever somebody else wants it."""

    platform = Platform.TELEGRAM

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._stack = AsyncExitStack()
        self._hold: Hold | None = None
        self._access: Access | None = None
        self._listener: TelegramListener | None = None
        self._cursors: Mapping[str, Cursor] = {}
        self._left_at: datetime | None = None
        self._first: News | None = None
        self._unkept_since: datetime | None = None
        self._look_at = self._renew_at = 0.0

    def begin(self, record: Record) -> bool:
        self._hold = lease.take_account(self.platform, owner=self._owner, gives_way=True)
        if self._hold is None:
            return False
        self._access = Access()
        self._listener = self._access.client(
            adapters.telegram_listener.TelegramListener, CallMeter(patience=PATIENCE)
        )
        self._cursors, self._left_at = record.cursors(), record.left_at()
        return True

    async def open(self) -> str:
        listener = await self._stack.enter_async_context(self._connected())
        self._first = await listener.start(self._cursors, self._left_at)
        account = await listener.account()
        return f"@{account.username}" if account.username else account.name

    async def next(self, seconds: float) -> Batch:
        first, self._first = self._first, None
        before = self._connected().heard_until
        news = first or await self._connected().next(seconds)
        if first is None and not news.items and news.whole and not news.hashes.channels:
            return Batch()
        self._unkept_since = before
        return Batch(lambda: news.items, whole=news.whole, news=news)

    def keep(self, batch: Batch, record: Record) -> None:
        """Also the ways to the groups: whoever looks at them needs those."""
        account_id = self._connected().account_id
        if batch.news is None or account_id is None:
            return
        if batch.news.hashes.channels:
            remember_hashes(account_id, batch.news.hashes)
        if batch.news.cursor is not None:
            record.keep_cursor(str(account_id), batch.news.cursor)
        self._unkept_since = None

    async def acknowledge(self, batch: Batch) -> None:
        """Telegram is told nothing: the cursor says what we have."""

    def stay(self) -> bool:
        if time.monotonic() < self._look_at:
            return True
        if self._hold is None or lease.is_wanted(self._hold):
            return False
        self._look_at = time.monotonic() + LOOK_SECONDS
        if time.monotonic() < self._renew_at:
            return True
        self._renew_at = time.monotonic() + RENEW_SECONDS
        return lease.renew(self._hold)

    def heard_until(self) -> datetime | None:
        """Supergroups are read again from then on (`TelegramListener.start`): a cursor is for the rest."""
        return self._unkept_since or self._connected().heard_until

    async def close(self) -> None:
        await self._stack.aclose()

    def end(self) -> None:
        if self._access is not None:
            self._access.keep_books()
        if self._hold is not None:
            lease.release(self._hold)
        self._access = self._hold = self._listener = None

    def _connected(self) -> TelegramListener:
        if self._listener is None:
            raise RuntimeError("TelegramSource listens only after `begin`")
        return self._listener


def source_of(platform: Platform, owner: str) -> Source:
    """A new way to hear what happens on `platform`, for one connection."""
    match platform:
        case Platform.SLACK:
            return SlackSource()
        case Platform.TELEGRAM:
            return TelegramSource(owner)


def _told(payloads: Iterable[Mapping[str, Any]]) -> Iterator[Item]:
    for payload in payloads:
        yield from parse_items(payload, known_on_slack)
