"""What is kept of a conversation is known exactly, wherever reading was cut off."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from audits.history.coverage import Coverage, Span
from audits.history.stretch import OPEN_END, Key, Stretch
from members.platforms.history import HistoryPage, Message, micros, moment

SECOND = 1_000_000
spans = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda ends: Span(min(ends), max(ends)))


def moments(coverage: Coverage) -> set[int]:
    return {at for span in coverage.spans for at in range(span.start, span.end)}


@given(st.lists(spans), spans)
def test_coverage_is_the_set_of_its_moments(added: list[Span], wanted: Span) -> None:
    coverage, model = Coverage(), set[int]()
    for span in added:
        coverage = coverage.with_span(span)
        model |= set(range(span.start, span.end))
        ends = [end for each in coverage.spans for end in (each.start, each.end)]
        assert ends == sorted(set(ends)), "disjoint, in order, and never touching"
    assert moments(coverage) == model
    gaps = coverage.missing(wanted)
    assert moments(Coverage(gaps)) == set(range(wanted.start, wanted.end)) - model
    assert list(gaps) == sorted(gaps, reverse=True), "newest first"
    assert moments(coverage.without(wanted.start)) == {at for at in model if at < wanted.start}
    assert Coverage.from_json(coverage.to_json()) == coverage


def message(number: int, second: int) -> Message:
    return Message(number=number, sent_at=moment(second * SECOND))


def read(there: list[Message], size: int, *, by_second: bool) -> Iterator[HistoryPage]:
    """Pages as platforms tell them; Telegram's are complete from the second after their oldest message."""
    newest_first = there[::-1]
    for at in range(0, len(newest_first), size):
        page = newest_first[at : at + size]
        reached = moment(micros(page[-1].sent_at) + (SECOND if by_second else 0))
        yield HistoryPage(page, reached)
    yield HistoryPage((), None)


@given(
    seconds=st.lists(st.integers(1, 12), max_size=30),
    deleted=st.sets(st.integers(0, 29)),
    size=st.integers(1, 7),
    pages=st.integers(1, 40),
)
def test_only_what_is_gone_is_taken_for_gone(
    seconds: list[int], deleted: set[int], size: int, pages: int
) -> None:
    """Wherever reading stops after `pages` of them, and however many messages share a second."""
    stored = [message(number, second) for number, second in enumerate(sorted(seconds))]
    there = [each for each in stored if each.number not in deleted]
    stretch = Stretch(Span(0, OPEN_END), settled_before=20 * SECOND)
    taken_for_gone: set[Key] = set()
    covered = Coverage()
    told: set[int] = set()
    for _, page in zip(range(pages), read(there, size, by_second=True), strict=False):
        reach = stretch.grow(page)
        shown = {(each.origin, each.number) for each in page.messages} | reach.seen_before
        told |= {each.number for each in page.messages}
        if reach.proven is not None:
            taken_for_gone |= {
                (each.origin, each.number)
                for each in stored
                if reach.proven.start <= micros(each.sent_at) < reach.proven.end
                and (each.origin, each.number) not in shown
            }
        if reach.covered is not None:
            covered = covered.with_span(reach.covered)
    really_gone = {("", each.number) for each in stored if each.number in deleted}
    assert taken_for_gone <= really_gone
    assert {each.number for each in there if covers(covered, each)} <= told
    if pages > len(there) // size + 1:
        assert taken_for_gone == really_gone


def covers(coverage: Coverage, each: Message) -> bool:
    return any(span.start <= micros(each.sent_at) < span.end for span in coverage.spans)


@given(st.lists(st.integers(1, 10**6), unique=True, max_size=30), st.integers(1, 7))
def test_slacks_pages_meet_without_overlap(times: list[int], size: int) -> None:
    there = [Message(number=at, sent_at=moment(at)) for at in sorted(times)]
    stretch = Stretch(Span(0, OPEN_END), settled_before=0)
    reaches = [stretch.grow(page) for page in read(there, size, by_second=False)]
    assert all(reach.seen_before == frozenset() for reach in reaches)
    assert reaches[-1].covered == (Span(0, max(times)) if times else None)
