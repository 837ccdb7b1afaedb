"""Read what is missing of one conversation, page by page, and keep each page at once.

A generator that yields the futures it waits for, as the lanes of operations do: many conversations
share one thread, which alone touches the database.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from audits.history.coverage import BEGINNING, Coverage, Span
from audits.history.models import Conversation, Message
from audits.history.paging import Pages
from audits.history.store import (
    Stored,
    Thread,
    latest_of,
    newest_stored,
    note_read,
    store_page,
    store_replies,
)
from audits.history.stretch import OPEN_END, Stretch
from members.operations.loop import BackgroundLoop
from members.operations.waiting import Waiting
from members.platforms.history import HistoryPage, HistoryReader, RepliesPage, micros, moment
from members.platforms.types import Platform, PlatformGroup
from members.services import platform_group

T = TypeVar("T")

THREADS_AHEAD = 4
"""So many threads are asked for at a time: most have one short page."""
HISTORYS_SHARE = 0.5
"""Of a channel's reading, the rest being that of its threads: how many there are shows only then."""
LATE = timedelta(minutes=1)
"""What was stored within so long before we began to read may be newer than what we are told."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be known of a conversation."""

    look_back: timedelta
    """How far back edits and deletions are looked for, though those messages are kept already."""
    since: datetime | None = None
    until: datetime | None = None
    complete: bool = True
    """Whether everything that messages are kept of is to be known, and not a time of it alone."""
    anew: bool = False
    """Whether everything is read again, but for threads that nothing is new in."""
    every_thread: bool = False
    media: bool = False
    """Whether files are fetched, too."""


@dataclass(slots=True)
class Progress:
    """How far one sync has come in one conversation: what it need not read again in its next slice."""

    read: Coverage = field(default_factory=Coverage)
    thread: int | None = None
    """The number that the last thread begins with; threads are read from the newest to the oldest."""
    replies: dict[int, int] = field(default_factory=dict)
    """Up to which reply threads were read that have more: a slice may end within one."""
    share: float = 0.0
    """How much of the conversation that is, from 0 to 1: a guess, for people who wait."""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        replies = {int(thread): reply for thread, reply in stored.get("replies", {}).items()}
        read = Coverage.from_json(stored.get("read", ()))
        return cls(read, stored.get("thread"), replies, stored.get("share", 0.0))

    def to_json(self) -> dict[str, Any]:
        return {
            "read": self.read.to_json(),
            "thread": self.thread,
            "replies": dict(self.replies),
            "share": self.share,
        }


class Steps:
    """Turns the share of one part of the work into that of the whole."""

    def __init__(self, progress: Progress, *, last: float) -> None:
        self._progress, self._first, self._last = progress, min(progress.share, last), last

    def come_to(self, share: float) -> None:
        reached = self._first + (self._last - self._first) * share
        self._progress.share = max(self._progress.share, round(reached, 4))


class Stopped(Exception):
    """No further call is to be made; every page until then is stored."""


@dataclass(slots=True)
class Reading:
    """One conversation, through a reader that is open in `loop`."""

    conversation: Conversation
    reader: HistoryReader
    loop: BackgroundLoop
    wish: Wish
    progress: Progress
    check: Callable[[], None]
    """Called before each call. Raises Stopped when it is not to be made."""
    stored: Callable[[Stored, str], None]
    """Told what each page changed, and how far reading has come."""

    def run(self) -> Waiting[None]:
        """Raises the errors of the adapters, and what `check` raises."""
        began = timezone.now()
        limited = False
        slack = self.conversation.group.platform == Platform.SLACK
        steps = Steps(self.progress, last=HISTORYS_SHARE if slack else 1.0)
        for gap in self._gaps(began):
            limited |= yield from self._fill(gap, began, steps)
        if slack:
            yield from self._read_threads(began, Steps(self.progress, last=1.0))
        if self.wish.until is None:
            whole = self.wish.complete and (self.wish.anew or self.conversation.reread_at is None)
            note_read(conversation=self.conversation, at=began, limited=limited, whole=whole)

    def _gaps(self, now: datetime) -> tuple[Span, ...]:
        """What is not kept, and what may have changed since; newest first."""
        covered = Coverage.from_json(self.conversation.covered)
        covered = Coverage() if self.wish.anew else covered.without(micros(now - self.wish.look_back))
        for span in self.progress.read.spans:
            covered = covered.with_span(span)
        start = BEGINNING if self.wish.since is None else micros(self.wish.since)
        until = self.wish.until
        end = OPEN_END if until is None or until > now - LATE else micros(until)
        return covered.missing(Span(start, end))

    def _fill(self, gap: Span, began: datetime, steps: Steps) -> Waiting[bool]:
        """Read `gap`. Returns whether the platform keeps older messages from us."""
        since = None if gap.start == BEGINNING else moment(gap.start)
        until = None if gap.end == OPEN_END else moment(gap.end)
        stretch = Stretch(gap, settled_before=micros(began - LATE))
        known_to = newest_stored()
        limited = False
        with self._pages(self.reader.history(self._group(), since=since, until=until)) as pages:
            while (page := (yield from pages.next())) is not None:
                stop = self._stop() if page.complete_from is not None else None
                if page.complete_from is not None and stop is None:
                    pages.ask()
                limited |= page.limited
                reach = stretch.grow(page)
                steps.come_to(stretch.share_of(page))
                stored = store_page(
                    conversation=self.conversation, messages=page.messages, reach=reach, known_to=known_to
                )
                if reach.covered is not None:
                    self.progress.read = self.progress.read.with_span(reach.covered)
                self.stored(stored, _how_far(page))
                if stop is not None:
                    raise stop
        return limited

    def _read_threads(self, now: datetime, steps: Steps) -> Waiting[None]:
        """Slack's threads: those with replies that we lack, and those that are alive."""
        threads = self._stale_threads(now)
        asked: deque[tuple[int, Pages[RepliesPage]]] = deque()
        stop = None
        try:
            for place, thread in enumerate(threads):
                for ahead in threads[place + len(asked) : place + THREADS_AHEAD]:
                    stop = stop or self._stop()
                    if stop is None:
                        asked.append((newest_stored(), self._replies_asked(ahead)))
                if not asked:
                    break
                known_to, pages = asked.popleft()
                steps.come_to(place / len(threads))
                with pages:
                    yield from self._keep_replies(
                        thread, pages, known_to, f"thread {place + 1:,} of {len(threads):,}"
                    )
        finally:
            for _, pages in asked:
                pages.close()
        if stop is not None:
            raise stop

    def _replies_asked(self, thread: Thread) -> Pages[RepliesPage]:
        after = self.progress.replies.get(thread.number)
        pages = Pages(self.reader.replies(self._group(), thread.number, after=after), self.loop)
        pages.ask()
        return pages

    def _keep_replies(
        self, thread: Thread, pages: Pages[RepliesPage], known_to: int, how_far: str
    ) -> Waiting[None]:
        """Each page at once: a long thread may take longer than a slice lasts."""
        after = self.progress.replies.get(thread.number)
        while (page := (yield from pages.next())) is not None:
            stop = None if page.is_last else self._stop()
            if not page.is_last and stop is None:
                pages.ask()
            stored = store_replies(
                conversation=self.conversation, thread=thread, page=page, after=after, known_to=known_to
            )
            after = latest_of(thread, page.messages, after)
            if page.is_last:
                self.progress.thread = thread.number
                self.progress.replies.pop(thread.number, None)
            else:
                self.progress.replies[thread.number] = after
            self.stored(stored, how_far)
            if stop is not None:
                raise stop

    def _stop(self) -> Stopped | None:
        """Whether no further call is to be made: what was asked for is stored before that is raised."""
        try:
            self.check()
        except Stopped as stop:
            return stop
        return None

    def _stale_threads(self, now: datetime) -> list[Thread]:
        """Newest first, those alone that reach into the time that was asked for.

        Where all replies were deleted, the message tells of none; ours are not marked as deleted yet.
        """
        every = Message.objects.filter(conversation=self.conversation)
        alive = Q(reply_count__gt=0)
        if not self.wish.every_thread:
            alive &= (
                Q(replies_read_to=None)
                | Q(latest_reply__gt=F("replies_read_to"))
                | Q(latest_reply__gte=micros(now - self.wish.look_back))
            )
        ours = every.filter(thread=OuterRef("number"), deleted_at=None).exclude(pk=OuterRef("pk"))
        emptied = Q(reply_count=0, replies_read_to__isnull=False) & Q(Exists(ours))
        roots = every.filter(alive | emptied)
        if self.wish.since is not None:
            roots = roots.filter(Q(latest_reply=None) | Q(latest_reply__gte=micros(self.wish.since)))
        if self.wish.until is not None:
            roots = roots.filter(number__lt=micros(self.wish.until))
        if self.progress.thread is not None:
            roots = roots.filter(number__lt=self.progress.thread)
        rows = roots.order_by("-number").values_list("pk", "number", "latest_reply")
        return [Thread(*row) for row in rows]

    def _pages(self, source: AsyncGenerator[T, None]) -> Pages[T]:
        self.check()
        return Pages(source, self.loop)

    def _group(self) -> PlatformGroup:
        return platform_group(self.conversation.group)


def _how_far(page: HistoryPage) -> str:
    return f"back to {page.messages[-1].sent_at:%-d %B %Y}" if page.messages else ""
