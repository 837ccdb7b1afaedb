"""Numbered sequences of events, and who is told of them: https://core.telegram.org/api/updates

Messages in channels are numbered per channel, all other messages per account (`pts`), and what
only bots hear of per bot (`qts`). A client that sees a gap asks for the difference.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from groupadmin.sandbox.telegram.build.updates import update
from groupadmin.sandbox.telegram.build.view import View
from groupadmin.sandbox.telegram.events import (
    BotEvent,
    ChatChanged,
    Event,
    JoinRequested,
    MessageEvent,
    MessagesDeleted,
    people_of,
)
from groupadmin.sandbox.telegram.messages import Conversation
from groupadmin.sandbox.telegram.wire.connection import Connection
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramWorld


@dataclass(frozen=True)
class Stamped:
    """An event, the number of its sequence after it, and by how much it moved that number."""

    event: Event
    pts: int
    count: int


class Timeline:
    """One sequence of events."""

    def __init__(self) -> None:
        self.pts = 1  # 0 would tell a client that there is no state yet
        self._events: list[Stamped] = []

    def append(self, event: Event) -> Stamped:
        count = len(event.ids) if isinstance(event, MessagesDeleted) else 1
        self.pts += count
        stamped = Stamped(event, self.pts, count)
        self._events.append(stamped)
        return stamped

    def after(self, pts: int) -> list[Stamped]:
        first = bisect_right(self._events, pts, key=lambda stamped: stamped.pts)
        return self._events[first:]


@dataclass(frozen=True)
class Origin:
    """Who made something happen, and the connection that gets the updates in its answer instead."""

    user_id: int
    connection: Connection | None = None


class UpdateCenter:
    def __init__(
        self,
        world: TelegramWorld,
        view_of: Callable[[int], View],
        listeners: Callable[[], Iterable[tuple[Connection, int]]],
    ) -> None:
        """`listeners` gives the connections that want updates, each with the account behind it."""
        self._world = world
        self._view_of = view_of
        self._listeners = listeners
        self.accounts: dict[int, Timeline] = defaultdict(Timeline)
        self.channels: dict[int, Timeline] = defaultdict(Timeline)
        self.bots: dict[int, Timeline] = defaultdict(Timeline)
        self.slice = 100
        """How many events one difference tells at most; the rest is asked for again."""
        self.longest_difference = 10_000
        """A client that missed more is told the new state, and nothing of what happened."""

    def tell_readers(self, event: MessageEvent, origin: Origin) -> list[Any]:
        """Tell everybody who reads there; returns the TL updates for the origin's own answer."""
        place = event.place
        if isinstance(place, TelegramChat) and place.is_channel:
            stamped = self.channels[place.id].append(event)
            audience = {user_id for _, user_id in self._listeners()} | {origin.user_id}
            stamps = {user_id: stamped for user_id in audience if self._reads(event, user_id)}
        else:
            people = place.users if isinstance(place, Conversation) else place.members
            readers = [user_id for user_id in dict.fromkeys(people) if self._reads(event, user_id)]
            stamps = {user_id: self.accounts[user_id].append(event) for user_id in readers}
        return self._deliver(stamps, origin)

    def tell_bots(self, event: BotEvent, origin: Origin) -> list[Any]:
        """Tell the bots that are admins of the chat."""
        stamps = {}
        for user_id, rights in event.place.admins.items():
            may_know = rights.invite_users or not isinstance(event, JoinRequested)
            if self._world.users[user_id].is_bot and may_know:
                stamps[user_id] = self.bots[user_id].append(event)
        return self._deliver(stamps, origin)

    def tell(self, user_id: int, event: ChatChanged, origin: Origin) -> list[Any]:
        """Tell one account something that no sequence counts."""
        return self._deliver({user_id: Stamped(event, 0, 0)}, origin)

    def _reads(self, event: MessageEvent, user_id: int) -> bool:
        place = event.place
        if isinstance(place, Conversation):
            return user_id in place.users
        if user_id not in place.members:
            return False
        if not self._world.users[user_id].is_bot or place.rights_of(user_id) is not None:
            return True
        # Privacy mode (core.telegram.org/bots/features#privacy-mode): commands and service messages.
        if isinstance(event, MessagesDeleted):
            return False
        return event.message.action is not None or event.message.text.startswith("/")

    def _deliver(self, stamps: dict[int, Stamped], origin: Origin) -> list[Any]:
        for connection, user_id in self._listeners():
            if user_id in stamps and connection is not origin.connection:
                connection.push(self._envelope(user_id, stamps[user_id]))
        own = stamps.get(origin.user_id)
        if own is None:
            return []
        return [update(self._view_of(origin.user_id), own.event, own.pts, own.count)]

    def _envelope(self, user_id: int, stamped: Stamped) -> Any:
        view = self._view_of(user_id)
        inside = update(view, stamped.event, stamped.pts, stamped.count)
        return view.updates([inside], people_of(stamped.event), [stamped.event.place])
