"""A conversation to read: one page of it, with threads and files. Queries → dataclasses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from audits.history.feed import beginnings
from audits.history.models import Conversation, Message, MessageFile
from audits.history.renderers.text import visible
from members.platforms.history import MessageKind
from members.platforms.types import Platform

PAGE = 60
"""Messages on a page."""
REPLIES = 5
"""How many answers of a thread stand below its beginning."""
_QUOTED = 80
"""Characters that are shown of a message that was answered."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which page: around a message, before or after one, or of one thread; all by the keys of messages."""

    message: int | None = None
    before: int | None = None
    after: int | None = None
    thread: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One message as the page shows it."""

    message: Message
    text: str
    sender: str
    files: Sequence[MessageFile] = ()
    replies: Sequence[Line] = ()
    more_replies: int = 0
    topic: str = ""
    topic_id: int | None = None
    """The key of the message that opened its forum topic."""
    answered: Message | None = None
    """The message that it answers, where that is kept."""
    quote: str = ""
    wanted: bool = False
    """Whether somebody came here for it."""

    @property
    def is_service(self) -> bool:
        return self.message.kind == MessageKind.SERVICE


@dataclass(frozen=True, slots=True)
class Transcript:
    """A page, oldest message first."""

    lines: Sequence[Line]
    earlier: int | None = None
    """Before which message the page before ends; None on the first one."""
    later: int | None = None
    thread: Message | None = None
    """The beginning of the thread, or forum topic, that alone is shown."""


def load_transcript(conversation: Conversation, where: Where) -> Transcript:
    """The page that `where` asks for, or else the newest one. Its queries do not grow with what it shows."""
    slack = conversation.group.platform == Platform.SLACK
    every = Message.objects.filter(conversation=conversation)
    wanted = every.filter(pk=where.message).first() if where.message else None
    thread = every.filter(pk=where.thread).first() if where.thread else None
    if thread is None and wanted is not None and slack and wanted.thread not in (None, wanted.number):
        thread = every.filter(number=wanted.thread, origin=wanted.origin).first()
    rows = beginnings(every) if slack else every
    if thread is not None:
        rows = every.filter(Q(thread=thread.number) | Q(pk=thread.pk), origin=thread.origin)
    page, earlier, later = _page(rows, every, where, wanted)
    folded = _replies(every, page) if slack and thread is None else {}
    return Transcript(
        lines=_lines(every, page, folded, slack=slack, wanted=wanted),
        earlier=page[0].pk if page and earlier else None,
        later=page[-1].pk if page and later else None,
        thread=thread,
    )


def _page(
    rows: QuerySet[Message], every: QuerySet[Message], where: Where, wanted: Message | None
) -> tuple[list[Message], bool, bool]:
    """The page's messages, and whether there are earlier and later ones."""
    if wanted is not None:
        before, earlier = _before(rows, wanted, PAGE // 2)
        after, later = _after(rows, wanted, PAGE // 2)
        return [*before, wanted, *after], earlier, later
    near = where.before or where.after
    mark = every.filter(pk=near).first() if near else None
    if mark is not None and where.after:
        page, later = _after(rows, mark, PAGE)
        return page, True, later
    if mark is None and where.thread:  # a thread is read from its beginning
        page, later = _after(rows, None, PAGE)
        return page, False, later
    page, earlier = _before(rows, mark, PAGE)
    return page, earlier, mark is not None


def _before(rows: QuerySet[Message], mark: Message | None, limit: int) -> tuple[list[Message], bool]:
    if mark is not None:
        smaller = Q(sent_at__lt=mark.sent_at) | Q(sent_at=mark.sent_at, number__lt=mark.number)
        rows = rows.filter(smaller, sent_at__lte=mark.sent_at)  # the second is for the index
    found = list(_with_sender(rows).order_by("-sent_at", "-number")[: limit + 1])
    return found[:limit][::-1], len(found) > limit


def _after(rows: QuerySet[Message], mark: Message | None, limit: int) -> tuple[list[Message], bool]:
    if mark is not None:
        larger = Q(sent_at__gt=mark.sent_at) | Q(sent_at=mark.sent_at, number__gt=mark.number)
        rows = rows.filter(larger, sent_at__gte=mark.sent_at)
    found = list(_with_sender(rows).order_by("sent_at", "number")[: limit + 1])
    return found[:limit], len(found) > limit


def _with_sender(rows: QuerySet[Message]) -> QuerySet[Message]:
    return rows.select_related("sender").defer("raw")


def _replies(every: QuerySet[Message], page: Iterable[Message]) -> Mapping[int, Sequence[Message]]:
    """The first answers in the threads that begin on the page, by the number of each beginning."""
    begun = [message.number for message in page if message.reply_count]
    found: defaultdict[int, list[Message]] = defaultdict(list)
    if begun:
        below = _with_sender(every.filter(thread__in=begun).exclude(thread=F("number")))
        place = Window(RowNumber(), partition_by=F("thread"), order_by=[F("sent_at"), F("number")])
        for reply in below.annotate(place=place).filter(place__lte=REPLIES).order_by("sent_at", "number"):
            found[reply.thread or 0].append(reply)
    return found


def _lines(
    every: QuerySet[Message],
    page: Sequence[Message],
    folded: Mapping[int, Sequence[Message]],
    *,
    slack: bool,
    wanted: Message | None,
) -> list[Line]:
    shown = [*page, *(reply for replies in folded.values() for reply in replies)]
    files = _files(shown)
    topics = {} if slack else _topics(every, page)
    answered = _answered(every, page)

    def line(message: Message, replies: Sequence[Message] = ()) -> Line:
        topic_id, topic = topics.get(message.thread or 0, (None, ""))
        quoted = answered.get((message.origin, message.reply_to or 0))
        return Line(
            message=message,
            text=visible(message.text),
            sender=visible(str(message.sender)) if message.sender is not None else "?",
            files=files.get(message.pk, ()),
            replies=[line(reply) for reply in replies],
            more_replies=max(0, message.reply_count - len(replies)) if replies else 0,
            topic=topic,
            topic_id=topic_id,
            answered=quoted,
            quote=_quote(quoted),
            wanted=message == wanted,
        )

    return [line(message, folded.get(message.number, ())) for message in page]


def _files(shown: Sequence[Message]) -> Mapping[int, Sequence[MessageFile]]:
    found: defaultdict[int, list[MessageFile]] = defaultdict(list)
    for file in MessageFile.objects.filter(message__in=[message.pk for message in shown]):
        found[file.message_id].append(file)
    return found


def _topics(every: QuerySet[Message], page: Sequence[Message]) -> Mapping[int, tuple[int, str]]:
    """Key and name of the forum topics, by the number of the message that opened each."""
    threads = {message.thread for message in page if message.thread is not None}
    opened = every.filter(number__in=threads, kind=MessageKind.SERVICE, thread=F("number"))
    rows = opened.values_list("number", "pk", "raw")
    return {number: (pk, visible((raw.get("action") or {}).get("title", ""))) for number, pk, raw in rows}


def _answered(every: QuerySet[Message], page: Sequence[Message]) -> Mapping[tuple[str, int], Message]:
    numbers = {message.reply_to for message in page if message.reply_to is not None}
    if not numbers:
        return {}
    return {(row.origin, row.number): row for row in _with_sender(every.filter(number__in=numbers))}


def _quote(message: Message | None) -> str:
    if message is None:
        return ""
    text = " ".join(visible(message.text).split())
    return f"{text[:_QUOTED]}…" if len(text) > _QUOTED else text
