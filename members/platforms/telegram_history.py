"""The conversations of Telegram: `HistoryReader` over MTProto."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.errors import Refused
from members.platforms.history import Chunks, FilePlace, HistoryPage, Message, RepliesPage
from members.platforms.telegram import TelegramReader
from members.platforms.telegram_errors import BAD_ANSWER
from members.platforms.telegram_files import TelegramFiles
from members.platforms.telegram_messages import Names, parse_message
from members.platforms.telegram_parse import parse_details, parse_groups
from members.platforms.types import AdminStatus, GroupKind, History, PlatformGroup

MESSAGES_A_PAGE = 100
"""The most that messages.getHistory gives at once."""

_SECOND = timedelta(seconds=1)


class TelegramHistoryReader(TelegramReader):
    """A reader of what is said as well."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._listing = asyncio.Lock()

    async def history(
        self, group: PlatformGroup, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncGenerator[HistoryPage, None]:
        """messages.getHistory, newest first, and then what was said before the group became a supergroup.

        Dates are whole seconds here: a page is complete from the second after its oldest message's.
        """
        before: str | None = None
        async with aclosing(self._pages(await self._history_peer(group), "", since, until)) as pages:
            async for page in pages:
                if page.complete_from is not None or group.kind is not GroupKind.SUPERGROUP:
                    yield page
                    continue
                before, limited = await self._what_was_before(group)
                if before is None:
                    yield HistoryPage(page.messages, None, limited=limited)
        if before is None:
            return
        try:
            async with aclosing(self._pages(tl.InputPeerChat(int(before)), before, since, until)) as pages:
                async for page in pages:
                    yield page
        except Refused:  # whoever joined later never saw the basic group
            yield HistoryPage((), None, limited=True)

    async def replies(
        self, group: PlatformGroup, thread: int, *, after: int | None = None
    ) -> AsyncGenerator[RepliesPage, None]:
        """None: Telegram's history holds every answer in its place."""
        return
        yield RepliesPage((), is_last=True)

    async def locate(self, group: PlatformGroup, places: Sequence[FilePlace]) -> Sequence[Chunks | Refused]:
        """By reading the messages again, which tells the ways to their files anew: they run out."""
        peer = await self._history_peer(group)
        files = TelegramFiles(self._call, self._transport)
        return await files.locate(peer if isinstance(peer, tl.InputChannel) else None, places)

    async def _pages(
        self, peer: Any, origin: str, since: datetime | None, until: datetime | None
    ) -> AsyncGenerator[HistoryPage, None]:
        """One peer's messages, down to its first or to `since`. Paging: https://core.telegram.org/api/offsets"""
        names = Names()
        offset_id = 0
        while True:
            answer = await self._call(
                functions.messages.GetHistoryRequest(
                    peer,
                    offset_id=offset_id,
                    offset_date=_whole_second_after(until) if until and not offset_id else None,
                    add_offset=0,
                    limit=MESSAGES_A_PAGE,
                    max_id=0,
                    min_id=0,
                    hash=0,
                )
            )
            if isinstance(answer, tl.messages.MessagesNotModified):  # we hold no copy: it cannot be the same
                raise Refused("Telegram did not tell the messages", code=BAD_ANSWER)
            names.learn(answer.users, answer.chats)
            lines = sorted(answer.messages, key=_id, reverse=True)
            if not lines or (offset_id and lines[-1].id >= offset_id):
                yield HistoryPage((), None)
                return
            offset_id = lines[-1].id
            parsed = (parse_message(line, names, origin=origin) for line in lines)
            told = [message for message in parsed if message is not None]
            wanted = [message for message in told if _within(message.sent_at, since, until)]
            if since is not None and any(message.sent_at < since for message in told):
                yield HistoryPage(wanted, since)
                return
            if told:
                yield HistoryPage(wanted, _oldest(told))

    async def _what_was_before(self, group: PlatformGroup) -> tuple[str | None, bool]:
        """The basic group that this one was, and whether older messages are hidden from us.

        What was said before somebody joined may be hidden from all but admins (hidden_prehistory).
        """
        channel = self._book.input_channel(int(group.id))
        answer = await self._call(functions.channels.GetFullChannelRequest(channel))
        details = parse_details(answer.full_chat)
        own = next((line for line in parse_groups(answer.chats) if line.id == group.id), None)
        member = own is None or own.admin_status is AdminStatus.MEMBER
        return details.migrated_from, details.history is History.HIDDEN and member

    async def _history_peer(self, group: PlatformGroup) -> Any:
        """How to speak of the group; one whose access hash no earlier connection kept is looked for once."""
        if group.kind is GroupKind.BASIC:
            return tl.InputPeerChat(int(group.id))
        try:
            return self._book.input_channel(int(group.id))
        except Refused:
            async with self._listing:
                if self._listed is None:
                    async for _ in self.groups():
                        pass
            return self._book.input_channel(int(group.id))


def _id(message: Any) -> int:
    number: int = message.id
    return number


def _oldest(messages: Sequence[Message]) -> datetime | None:
    return messages[-1].sent_at + _SECOND if messages else None


def _within(moment: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or moment >= since) and (until is None or moment < until)


def _whole_second_after(moment: datetime) -> datetime:
    """Telegram tells what was sent before it."""
    return datetime.fromtimestamp(math.ceil(moment.timestamp()), UTC)
