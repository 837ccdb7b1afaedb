"""When somebody loses their place on the whitelist. Pure.

Three things burn it: asking to join, leaving of one's own accord, and removal by hand. What others do to a
person never does: our own kick is a ban and its end, and must not look like a leave.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why an entry was burned."""

    JOIN_REQUEST = "join_request"
    LEFT = "left"
    LEFT_UNSEEN = "left_unseen"
    MANUAL = "manual"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Cause.JOIN_REQUEST: "asked to join",
    Cause.LEFT: "left the community",
    Cause.LEFT_UNSEEN: "left while nobody listened",
    Cause.MANUAL: "removed by hand",
}


@dataclass(frozen=True, slots=True)
class JoinRequested:
    """Somebody asks to be let in."""

    telegram_id: int


@dataclass(frozen=True, slots=True)
class MembershipChanged:
    """Somebody came, left, was removed, banned or unbanned; a restricted member who is in is present."""

    telegram_id: int
    actor_id: int | None
    """Who did it; None when Telegram does not say."""
    was_present: bool
    is_present: bool


@dataclass(frozen=True, slots=True)
class RemovedByHand:
    """Somebody who may do so took a person off the whitelist."""

    telegram_id: int


CommunityEvent = JoinRequested | MembershipChanged | RemovedByHand


def burn_cause(event: CommunityEvent) -> Cause | None:
    """Why `event` burns the whitelist entry of whom it is about; None when it does not.

    A leave is voluntary only when the member itself acted. Where Telegram does not say who did, nothing is
    burned: the next reconciliation finds whoever has left.
    """
    match event:
        case JoinRequested():
            return Cause.JOIN_REQUEST
        case RemovedByHand():
            return Cause.MANUAL
        case MembershipChanged(was_present=True, is_present=False):
            return Cause.LEFT if event.actor_id == event.telegram_id else None
    return None


@dataclass(frozen=True, slots=True)
class Reading:
    """A member list as Telegram told it: it may show fewer people than it counts."""

    present: Set[int]
    expected: int | None
    """Telegram's own count; None when it told none."""

    @property
    def missing(self) -> int | None:
        """How many people Telegram counts and does not show; None when nobody can tell."""
        return None if self.expected is None else max(0, self.expected - len(self.present))

    @property
    def whole(self) -> bool:
        """Whether whoever is not on the list is not in the community. An empty list proves nothing."""
        return self.missing == 0 and bool(self.present)


def left_unseen(
    before: Set[int],
    reading: Reading,
    *,
    removed: Set[int] = frozenset(),
    still_there: Set[int] = frozenset(),
) -> frozenset[int]:
    """Who of those present `before` left by themselves while nobody listened.

    Nobody, unless the list is whole. `removed` are those whom we or an admin took out; `still_there` those
    of whom the community itself says that they are members.
    """
    if not reading.whole:
        return frozenset()
    return frozenset(before - reading.present - removed - still_there)
