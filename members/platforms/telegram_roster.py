"""Everybody in one supergroup, with their names and what they are there.

`channels.getParticipants` shows at most 10,000 people through one filter, and sometimes fewer than it
counts. Whoever is missing then is looked for by the first letters of their names, as Telegram's own apps
search a member list; who has a name in another script may stay missing, so compare with the count.
https://core.telegram.org/method/channels.getParticipants
"""

from __future__ import annotations

import string
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.telegram_parse import parse_standing, parse_user, present_user_id
from members.platforms.telegram_people import MEMBERS_A_PAGE
from members.platforms.types import PlatformUser, Role

REACH = 10_000
"""How many people one filter shows."""
LONGEST_PREFIX = 3
LETTERS = string.ascii_lowercase + string.digits + "абвгдежзиклмнопрстуфхцчшщэюя"


@dataclass(frozen=True, slots=True)
class RosterLine:
    """Somebody in the group, and what they are there: owner, admin or member."""

    user: PlatformUser
    role: Role


@dataclass(frozen=True, slots=True)
class RosterPage:
    """People whom no earlier page showed; `expected` is Telegram's own count of the group."""

    lines: tuple[RosterLine, ...]
    expected: int


async def read_roster(
    call: Callable[[Any], Awaitable[Any]], channel: tl.InputChannel
) -> AsyncGenerator[RosterPage, None]:
    """The member list, page by page, each person once. May raise any PlatformError."""
    reading = _Reading(call, channel)
    async for page in reading.pages(tl.ChannelParticipantsRecent()):
        yield page
    if reading.complete:
        return
    for few in (tl.ChannelParticipantsAdmins(), tl.ChannelParticipantsBots()):
        async for page in reading.pages(few):
            yield page
    prefixes = list(LETTERS)
    for prefix in prefixes:  # grows on the way
        if reading.complete:
            return
        async for page in reading.pages(tl.ChannelParticipantsSearch(prefix)):
            yield page
        if reading.matching > REACH and len(prefix) < LONGEST_PREFIX:
            prefixes += (prefix + letter for letter in LETTERS)


async def read_banned(call: Callable[[Any], Awaitable[Any]], channel: tl.InputChannel) -> frozenset[int]:
    """Who was thrown out and is kept out. Told to admins alone: raises Refused to others."""
    banned: set[int] = set()
    offset = 0
    while True:
        answer = await call(
            functions.channels.GetParticipantsRequest(
                channel, tl.ChannelParticipantsKicked(""), offset=offset, limit=MEMBERS_A_PAGE, hash=0
            )
        )
        lines = getattr(answer, "participants", ())
        banned |= {
            line.peer.user_id
            for line in lines
            if isinstance(line, tl.ChannelParticipantBanned) and isinstance(line.peer, tl.PeerUser)
        }
        offset += len(lines)
        if not lines or offset >= answer.count:
            return frozenset(banned)


async def search_roster(
    call: Callable[[Any], Awaitable[Any]], channel: tl.InputChannel, text: str
) -> Sequence[RosterLine]:
    """The first members whose names or usernames begin with the words of `text`; needs no access hash."""
    answer = await call(
        functions.channels.GetParticipantsRequest(
            channel, tl.ChannelParticipantsSearch(text), offset=0, limit=MEMBERS_A_PAGE, hash=0
        )
    )
    return list(_lines(getattr(answer, "participants", ()), getattr(answer, "users", ())))


def _lines(participants: Iterable[Any], users: Iterable[Any]) -> Iterator[RosterLine]:
    known = {user.id: user for user in users if isinstance(user, tl.User)}
    for line in participants:
        user_id = present_user_id(line)
        if user_id in known:
            yield RosterLine(parse_user(known[user_id]), parse_standing(line).role)


class _Reading:
    def __init__(self, call: Callable[[Any], Awaitable[Any]], channel: tl.InputChannel) -> None:
        self.matching = 0
        """How many people the last filter counted."""
        self._call = call
        self._channel = channel
        self._expected: int | None = None
        self._seen: set[str] = set()

    @property
    def complete(self) -> bool:
        return self._expected is not None and len(self._seen) >= self._expected

    async def pages(self, people: Any) -> AsyncGenerator[RosterPage, None]:
        """Those whom the filter `people` shows; the first filter's count is that of the group."""
        offset = self.matching = 0
        while True:
            answer = await self._call(
                functions.channels.GetParticipantsRequest(
                    self._channel, people, offset=offset, limit=MEMBERS_A_PAGE, hash=0
                )
            )
            lines = getattr(answer, "participants", ())
            self.matching = getattr(answer, "count", 0)
            if self._expected is None:
                self._expected = self.matching
            if not lines:
                return
            fresh = tuple(line for line in _lines(lines, answer.users) if line.user.id not in self._seen)
            self._seen |= {line.user.id for line in fresh}
            yield RosterPage(fresh, self._expected)
            offset += len(lines)
            if offset >= min(self.matching, REACH) or self.complete:
                return
