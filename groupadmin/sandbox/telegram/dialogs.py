"""The order of everybody's dialogs, and finding the place in it where the next page begins."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import NamedTuple

from telethon import utils

from groupadmin.sandbox.telegram.build.messages import peer_of
from groupadmin.sandbox.telegram.memo import Memo
from groupadmin.sandbox.telegram.messages import Conversation, TelegramMessage
from groupadmin.sandbox.telegram.world import Place, TelegramWorld

ARCHIVE = 1
"""The id of the archive folder; 0 is the main one."""


class Position(NamedTuple):
    """Sorts dialogs as clients show them: newest top message first, ties broken by message id and peer."""

    minus_date: float
    minus_message_id: float
    minus_peer_id: float

    @classmethod
    def of(cls, date: float, message_id: float, peer_id: float) -> Position:
        return cls(-date, -message_id, -peer_id)


@dataclass(frozen=True)
class Entry:
    position: Position
    place: Place
    top: TelegramMessage | None
    pin: int | None
    """The rank among the pinned dialogs."""
    archived: bool

    def is_visible_to(self, viewer: int) -> bool:
        return isinstance(self.place, Conversation) or self.place.is_listed_for(viewer)


@dataclass(frozen=True)
class Offset:
    """The three offsets of messages.getDialogs; 0 and None where the request gives none."""

    date: int
    message_id: int
    peer_id: int | None


class DialogList:
    """The dialogs of one account: the pinned ones in their own order, then the rest by date."""

    def __init__(self, viewer: int, pinned: list[Entry], rest: list[Entry]) -> None:
        self._viewer = viewer
        self._pinned = pinned
        self._rest = rest

    def __len__(self) -> int:
        return len(self._pinned) + len(self._rest)

    def page(self, offset: Offset, limit: int) -> list[Entry]:
        found = (entry for entry in self._from(offset) if entry.is_visible_to(self._viewer))
        return list(islice(found, limit))

    def _from(self, offset: Offset) -> Iterator[Entry]:
        start = self._start(offset)
        if start == 0:
            yield from self._pinned
        yield from islice(self._rest, start, None)

    def _start(self, offset: Offset) -> int:
        if not offset.date:
            return 0 if offset.peer_id is None else self._behind(offset.peer_id)
        if offset.peer_id is None:
            oldest_of_that_moment = Position.of(offset.date, offset.message_id, -inf)
            return bisect_right(self._rest, oldest_of_that_moment, key=_position)
        exact = Position.of(offset.date, offset.message_id, offset.peer_id)
        start = bisect_left(self._rest, exact, key=_position)
        if start < len(self._rest) and self._rest[start].position == exact:
            return start + 1
        # A client may name the message of one dialog and the peer of another (Telethon does when it
        # drops migrated groups). It knows duplicates; it would not know what it never got.
        return bisect_left(self._rest, Position.of(offset.date, offset.message_id, inf), key=_position)

    def _behind(self, peer_id: int) -> int:
        places = (n for n, entry in enumerate(self._rest) if entry.position.minus_peer_id == -peer_id)
        return next(places, -1) + 1


class DialogLists:
    """Everybody's dialogs; a list is sorted once for all its pages."""

    def __init__(self, world: TelegramWorld, memo: Memo) -> None:
        self._world = world
        self._memo = memo

    def get(self, viewer: int, folder: int | None, *, pinned: bool) -> DialogList:
        """The dialogs of `viewer` in `folder` (None: everywhere), the pinned ones only with `pinned`."""
        key = ("dialogs", viewer, folder, pinned)
        return self._memo.get(key, lambda: self._build(viewer, folder, pinned=pinned))

    def _build(self, viewer: int, folder: int | None, *, pinned: bool) -> DialogList:
        places: list[Place] = [*self._world.chats_of(viewer), *self._world.conversations_of(viewer)]
        entries = [self._entry(place, viewer) for place in places]
        if folder is not None:
            entries = [entry for entry in entries if entry.archived == (folder == ARCHIVE)]
        on_top = sorted((e for e in entries if e.pin is not None), key=lambda entry: entry.pin or 0)
        rest = sorted((e for e in entries if e.pin is None), key=_position)
        return DialogList(viewer, on_top if pinned else [], rest)

    def _entry(self, place: Place, viewer: int) -> Entry:
        top = place.messages[-1] if place.messages else None
        pin, archived, date = None, False, top.date if top else 0
        if not isinstance(place, Conversation):
            date = top.date if top else place.created
            pins = self._world.pinned.get(viewer, [])
            pin = pins.index(place.id) if place.id in pins else None
            archived = place.id in self._world.archived.get(viewer, ())
        peer_id = utils.get_peer_id(peer_of(place, viewer))
        position = Position.of(date, top.id if top else 0, peer_id)
        return Entry(position, place, top, pin, archived)


def _position(entry: Entry) -> Position:
    return entry.position
