"""How far the reading of one gap has come, and what that proves. Pure.

A gap is read from its end to its start, newest message first. Each page makes a stretch of it whole:
what is stored there and was not told is there no more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from audits.history.coverage import BEGINNING, Span
from members.platforms.history import HistoryPage, Message, micros

OPEN_END = 1 << 62
"""The end of a gap that reaches up to whatever was said last."""

Key = tuple[str, int]
"""Origin and number: what tells a message from the others of its conversation."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known with one more page."""

    covered: Span | None = None
    """The stretch that is whole so far."""
    proven: Span | None = None
    """Where this page, with `seen_before`, told everything that there is."""
    seen_before: frozenset[Key] = frozenset()
    """Messages of earlier pages that lie in `proven`: Telegram's pages meet within a second."""


@dataclass(slots=True)
class Stretch:
    """Grows downwards from the gap's end with every page."""

    gap: Span
    settled_before: int
    """What was stored by this moment and is newer than the newest message was deleted; what was stored
    later may only have been too quick for us."""
    _top: int | None = None
    _bottom: int | None = None
    _newest: Message | None = None
    _below: dict[Key, int] = field(default_factory=dict)
    """What was told of before it was time, and when it was sent."""

    def grow(self, page: HistoryPage) -> Reach:
        """What is known after `page`, which follows the ones before."""
        if self._bottom is None:
            self._begin(page)
        start = self._start_of(page)
        if start is None or self._bottom is None:
            return Reach()
        covered = None if self._top is None else Span(start, self._top)
        reach = Reach(covered, Span(start, self._bottom), frozenset(self._below))
        self._bottom = start
        self._below |= {(each.origin, each.number): micros(each.sent_at) for each in page.messages}
        self._below = {key: sent for key, sent in self._below.items() if sent < start}
        return reach

    def share_of(self, page: HistoryPage) -> float:
        """How much of the gap was read with `page`, from 0 to 1: a guess; 0 where nobody can tell.

        By time. Where nobody knows when the first message was sent, the numbers of Telegram's messages
        tell, which count from 1; Slack's are the time itself.
        """
        if not page.messages or page.complete_from is None:
            return 0.0
        oldest = page.messages[-1]
        self._newest = newest = self._newest or page.messages[0]
        if self.gap.start != BEGINNING:
            at = micros(newest.sent_at)
            return (at - micros(oldest.sent_at)) / max(at - self.gap.start, 1)
        counted = newest.number < micros(newest.sent_at)
        return 1 - oldest.number / newest.number if counted else 0.0

    def _begin(self, page: HistoryPage) -> None:
        """An open end is as late as the newest message: more may be said in the same moment."""
        if self.gap.end < OPEN_END:
            self._top = self._bottom = self.gap.end
            return
        if page.messages:
            self._top = micros(page.messages[0].sent_at)
        self._bottom = max(self.settled_before, self._top or self.gap.start)

    def _start_of(self, page: HistoryPage) -> int | None:
        """From where on everything is known; None when nothing can be said."""
        if page.complete_from is not None:
            return micros(page.complete_from)
        if not page.limited:
            return self.gap.start
        return micros(page.messages[-1].sent_at) if page.messages else None
