"""Hears what is pushed to a signed-in person's account, and reads what was missed of it.

Telegram numbers what concerns the account itself (its basic groups, its own comings and goings), and tells
what happened after any number (updates.getDifference). Supergroups are numbered each for itself: there the
messages are read that were sent meanwhile (`telegram_catch_up`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.base import CallMeter
from members.platforms.bot_news import Cursor
from members.platforms.configs import AccessHashes, TelegramConfig
from members.platforms.errors import Refused
from members.platforms.live import Item
from members.platforms.telegram import TelegramReader
from members.platforms.telegram_catch_up import read_missed
from members.platforms.telegram_live import TOLD, parse_updates
from members.platforms.telegram_transport import Ear

LOOK_BACK_SECONDS = 60.0
"""How often it reads what it may have missed although nothing was pushed."""
CLOCKS_APART = timedelta(seconds=10)
"""By so much Telegram's clock and ours may differ, and by so much what is read twice overlaps."""
MOST_SLICES = 50
"""Of one difference. More is left to the next one."""


@dataclass(frozen=True, slots=True)
class News:
    """What was heard since the last time, and how far the account has been read with it."""

    items: tuple[Item, ...] = ()
    cursor: Cursor | None = None
    hashes: AccessHashes = field(default_factory=AccessHashes)
    """The ways to the supergroups that were heard of."""
    whole: bool = True
    """False where Telegram does not tell any more what happened to the account."""


class TelegramListener(TelegramReader):
    """A reader that is told what happens. Begin with `start`; every method may raise PlatformError."""

    def __init__(
        self,
        config: TelegramConfig,
        *,
        meter: CallMeter | None = None,
        known_hashes: Mapping[int, AccessHashes] | None = None,
        concurrency: int = 8,
    ) -> None:
        super().__init__(
            config,
            meter=meter,
            known_hashes=known_hashes,
            concurrency=concurrency,
            ear=Ear(TOLD, self._heard),
        )
        self._cursor: Cursor | None = None
        self._pushed: list[Any] = []
        self._something = asyncio.Event()
        self._broken = False
        self._caught_up = False
        self._read_at = 0.0
        self._sure_at: datetime | None = None
        self._met: set[int] = set()

    @property
    def heard_until(self) -> datetime | None:
        """Until when it has surely heard everything: now, unless a line has ended or what was missed is still
        to be read."""
        return datetime.now(UTC) if self._caught_up and not self._broken else self._sure_at

    async def start(self, since: Mapping[str, Cursor], left_at: datetime | None = None) -> News:
        """What happened since the cursor of this account (`since` is by account id), and since `left_at` in
        its supergroups; without a cursor, nothing."""
        self._cursor = since.get((await self.account()).id)
        self._sure_at = left_at if self._cursor is not None else None
        return await self._look_back(groups=True)

    async def next(self, seconds: float) -> News:
        """What was pushed, or nothing after so long. A line that has ended is opened again."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._something.wait(), seconds)
        self._something.clear()
        if self._broken or time.monotonic() > self._read_at + LOOK_BACK_SECONDS:
            return await self._look_back(groups=self._broken)
        return self._news(self._take_pushed())

    async def _look_back(self, *, groups: bool) -> News:
        """What was missed, after what was pushed; in supergroups only if asked to."""
        self._broken = self._caught_up = False
        items, whole = self._take_pushed(), True
        if self._cursor is None:
            self._cursor = await self._latest()
        for _ in range(MOST_SLICES):
            answer = await self._difference(self._cursor)
            self._remember(getattr(answer, "chats", ()))
            items += _items_of(answer)
            match answer:
                case tl.updates.Difference():
                    self._cursor = _cursor(answer.state)
                    break
                case tl.updates.DifferenceSlice():
                    before, self._cursor = self._cursor, _cursor(answer.intermediate_state)
                    if (before.pts, before.qts) == (self._cursor.pts, self._cursor.qts):
                        self._cursor, whole = await self._latest(), False  # else it would be read for ever
                        break
                case None | tl.updates.DifferenceTooLong():
                    self._cursor, whole = await self._latest(), False
                    break
                case _:
                    break
        if groups and self._sure_at is not None:
            missed, all_of_it = await read_missed(self._transport.call, self._sure_at - CLOCKS_APART)
            whole = whole and all_of_it
            for each in missed:
                self._remember(each.chats)
                told = [tl.UpdateNewChannelMessage(message, 0, 0) for message in each.messages]
                items += parse_updates(told, each.users, each.chats)
        self._read_at, self._sure_at, self._caught_up = time.monotonic(), datetime.now(UTC), True
        return self._news(items, whole=whole)

    async def _difference(self, since: Cursor) -> Any | None:
        """updates.getDifference; None where Telegram cannot tell any more."""
        try:
            return await self._transport.call(
                functions.updates.GetDifferenceRequest(since.pts, since.at, since.qts)
            )
        except Refused as error:
            if not error.code.startswith("PERSISTENT_TIMESTAMP_"):
                raise
            return None

    async def _latest(self) -> Cursor:
        """updates.getState."""
        return _cursor(await self._transport.call(functions.updates.GetStateRequest()))

    def _take_pushed(self) -> list[Item]:
        pushed, self._pushed = self._pushed, []
        if pushed:
            self._sure_at = datetime.now(UTC)
        items: list[Item] = []
        for update in pushed:
            entities = (getattr(update, "_entities", None) or {}).values()
            chats = [each for each in entities if not isinstance(each, tl.User)]
            self._remember(chats)
            items += parse_updates([update], [e for e in entities if isinstance(e, tl.User)], chats)
        return items

    def _remember(self, chats: Sequence[Any]) -> None:
        """The way to the supergroups among `chats`: whoever looks at them needs it."""
        self._book.learn(tl.Updates([], [], list(chats), date=None, seq=0))
        self._met |= {chat.id for chat in chats if isinstance(chat, tl.Channel)}

    def _news(self, items: Iterable[Item], *, whole: bool = True) -> News:
        met, self._met = self._met, set()
        return News(tuple(items), self._cursor, self._book.hashes_of((), met), whole)

    def _heard(self, update: Any | None) -> None:
        """Something was pushed, or the line has ended (None)."""
        if update is None:
            self._broken = True
        else:
            self._pushed.append(update)
        self._something.set()


def _items_of(answer: Any) -> list[Item]:
    """What a difference tells: new messages apart from everything else."""
    written = (tl.UpdateNewMessage(message, 0, 0) for message in getattr(answer, "new_messages", ()))
    updates = [*written, *getattr(answer, "other_updates", ())]
    return list(parse_updates(updates, getattr(answer, "users", ()), getattr(answer, "chats", ())))


def _cursor(state: tl.updates.State) -> Cursor:
    return Cursor(state.pts, state.qts, state.date)
