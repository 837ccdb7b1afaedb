"""Which stretches of a group's history are kept: intervals of time, and what is missing in them. Pure.

Times are whole microseconds since 1970 (UTC), because a Slack message's `ts` is one. A span is
half-open: a moment that lies on its end belongs to the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BEGINNING = 0
"""Before the first message of anybody."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `start` on, up to before `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Disjoint spans that do not touch, oldest first."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def from_json(cls, pairs: Iterable[Sequence[int]]) -> Coverage:
        """What `to_json` wrote."""
        return cls(tuple(Span(start, end) for start, end in pairs))

    def to_json(self) -> list[list[int]]:
        return [[span.start, span.end] for span in self.spans]

    def with_span(self, new: Span) -> Coverage:
        """This and `new`, joined with whatever it meets. An empty span adds nothing."""
        if new.start >= new.end:
            return self
        apart = [span for span in self.spans if span.end < new.start or new.end < span.start]
        met = [span for span in self.spans if span.start <= new.end and new.start <= span.end]
        joined = Span(min(s.start for s in (*met, new)), max(s.end for s in (*met, new)))
        return Coverage(tuple(sorted((*apart, joined))))

    def without(self, start: int) -> Coverage:
        """This, with everything from `start` on forgotten: to be read again."""
        kept = (Span(span.start, min(span.end, start)) for span in self.spans)
        return Coverage(tuple(span for span in kept if span.start < span.end))

    def from_on(self, start: int) -> Coverage:
        """This, with everything before `start` forgotten: it is not kept any more."""
        kept = (Span(max(span.start, start), span.end) for span in self.spans)
        return Coverage(tuple(span for span in kept if span.start < span.end))

    def missing(self, wanted: Span) -> tuple[Span, ...]:
        """The parts of `wanted` that are not covered, newest first."""
        gaps = []
        at = wanted.start
        for span in self.spans:
            if span.end <= at:
                continue
            if span.start >= wanted.end:
                break
            if span.start > at:
                gaps.append(Span(at, span.start))
            at = span.end
        if at < wanted.end:
            gaps.append(Span(at, wanted.end))
        return tuple(reversed(gaps))
