"""Kept messages for renderers: read in pieces, so that memory does not grow with a conversation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import starmap
from operator import attrgetter
from typing import Any, NamedTuple

from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from audits.history.models import Conversation, Message, MessageFile, Sender
from audits.history.renderers.base import Chapter, KeptFile, Person, Said, SaidFile
from members.platforms.history import FileKind, MessageKind
from members.platforms.types import GroupKind, Platform, Privacy

PIECE = 1000
"""Messages read with one query."""
_SPARING = {"mmap_size": 0, "cache_size": -2000}
"""SQLite's settings: nothing of the file in memory, but for 2 MB of pages."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Which part of a conversation, and in what shape: see `Renderer` for `threaded`, `replies` and `raw`."""

    since: datetime | None = None
    until: datetime | None = None
    threaded: bool = False
    replies: bool = False
    raw: bool = False
    media: bool = False
    """Whether what files hold is part of it."""
    told: Callable[[int], None] = lambda count: None
    """Called with the number of messages in each piece that was read; what it raises ends the reading."""


def chapter_of(conversation: Conversation, excerpt: Excerpt) -> Chapter:
    """The conversation for a renderer; its messages are read as they are asked for."""
    group = conversation.group
    written = Message.objects.filter(sender=OuterRef("pk"), conversation=conversation)
    people = Sender.objects.filter(Exists(written)).order_by("external_id")
    return Chapter(
        platform=Platform(group.platform),
        id=group.external_id,
        name=group.name,
        kind=GroupKind(group.kind),
        is_private=group.privacy == Privacy.PRIVATE,
        is_archived=group.archived,
        first_at=conversation.first_message_at,
        people=[_person(row) for row in people],
        find_people=partial(_find_people, group.platform),
        messages=_messages(conversation, excerpt),
        media=_media(conversation, excerpt) if excerpt.media else (),
    )


def _person(row: Sender) -> Person:
    return Person(row.external_id, row.name, row.username, row.is_bot)


def _find_people(platform: str, ids: Collection[str]) -> list[Person]:
    wanted = sorted(ids)
    found: list[Person] = []
    for at in range(0, len(wanted), PIECE):
        rows = Sender.objects.filter(platform=platform, external_id__in=wanted[at : at + PIECE])
        found += [_person(row) for row in rows.order_by("external_id")]
    return found


def messages_in(conversation: Conversation, excerpt: Excerpt) -> QuerySet[Message]:
    """The rows of an excerpt: what an export of it will hold."""
    return within(Message.objects.filter(conversation=conversation), excerpt)


def within(rows: QuerySet[Message], excerpt: Excerpt) -> QuerySet[Message]:
    """Those of `rows` that were sent in the time of an excerpt."""
    if excerpt.since is not None:
        rows = rows.filter(sent_at__gte=excerpt.since)
    if excerpt.until is not None:
        rows = rows.filter(sent_at__lt=excerpt.until)
    return rows


@contextmanager
def sparing_memory() -> Iterator[None]:
    """Read with little memory inside: SQLite keeps what it reads, and each row is read but once."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        usual = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in _SPARING}
        try:
            for name, value in _SPARING.items():
                cursor.execute(f"PRAGMA {name}={value}")
            yield
        finally:
            for name, value in usual.items():
                cursor.execute(f"PRAGMA {name}={value}")


class _Row(NamedTuple):
    """The columns of a message, in the order in which they are read."""

    pk: int
    origin: str
    number: int
    sent_at: datetime
    kind: str
    text: str
    sender__external_id: str | None
    sender__name: str | None
    sender__username: str | None
    sender__is_bot: bool | None
    thread: int | None
    reply_to: int | None
    edited_at: datetime | None
    deleted_at: datetime | None
    reply_count: int
    raw_json: str = ""


Answers = Mapping[int, Sequence[_Row]]
"""The answers in each thread, oldest first, by the number of the message that began it."""


def _messages(conversation: Conversation, excerpt: Excerpt) -> Iterator[Said]:
    """Oldest first; when threaded, a thread's answers follow its beginning."""
    rows = messages_in(conversation, excerpt)
    slack = conversation.group.platform == Platform.SLACK
    threaded = excerpt.threaded and slack
    topics = None if slack else _topics(conversation)
    has_files = MessageFile.objects.filter(message__conversation=conversation).exists()
    for piece in _pieces(beginnings(rows) if threaded else rows, excerpt):
        answers = _answers(rows, piece, excerpt) if threaded else {}
        replies = _replies(rows, piece) if excerpt.replies else {}
        shown = [*piece, *(row for line in answers.values() for row in line)] if threaded else piece
        files = _files(shown, excerpt) if has_files else {}
        excerpt.told(len(shown))
        for row in piece:
            yield _said(row, files, topics, replies.get(row.number, ()))
            for answer in answers.get(row.number, ()):
                yield _said(answer, files, topics)


def beginnings(rows: QuerySet[Message]) -> QuerySet[Message]:
    """Everything but the answers in threads whose beginning is there as well."""
    root = rows.filter(number=OuterRef("thread"), origin=OuterRef("origin"), reply_count__gt=0)
    return rows.filter(Q(thread=None) | Q(thread=F("number")) | ~Exists(root))


def _pieces(rows: QuerySet[Message], excerpt: Excerpt) -> Iterator[list[_Row]]:
    """All of `rows` by time, in lists of at most `PIECE`."""
    ordered = _columns(rows, excerpt).order_by("sent_at", "number", "origin")
    piece = list(starmap(_Row, ordered[:PIECE]))
    of_this_moment: set[int] = set()
    while piece:
        yield piece
        last = piece[-1].sent_at
        of_this_moment = {row.pk for row in piece if row.sent_at == last} | (
            of_this_moment if piece[0].sent_at == last else set()
        )
        after = ordered.filter(sent_at__gte=last).exclude(pk__in=of_this_moment)
        piece = list(starmap(_Row, after[:PIECE]))


def _answers(rows: QuerySet[Message], piece: Sequence[_Row], excerpt: Excerpt) -> Answers:
    found: defaultdict[int, list[_Row]] = defaultdict(list)
    answers = starmap(_Row, _columns(_below(rows, piece), excerpt))
    for row in sorted(answers, key=attrgetter("sent_at", "number")):
        found[row.thread or 0].append(row)
    return found


def _replies(rows: QuerySet[Message], piece: Sequence[_Row]) -> Mapping[int, Sequence[tuple[str, int]]]:
    """The same, but only who answered and the numbers of the answers."""
    found: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    columns = ("number", "thread", "sender__external_id")
    for number, thread, sender in sorted(_below(rows, piece).values_list(*columns)):
        found[thread or 0].append((sender or "", number))
    return found


def _below(rows: QuerySet[Message], piece: Sequence[_Row]) -> QuerySet[Message]:
    """In no order: asked for one, a database may walk through the whole conversation to have it."""
    begun = [row.number for row in piece if row.reply_count]
    return rows.filter(thread__in=begun).exclude(thread=F("number")) if begun else rows.none()


def _columns(rows: QuerySet[Message], excerpt: Excerpt) -> QuerySet[Message, tuple[Any, ...]]:
    """What the platform sent is handed on as it is stored: most of it nobody has to read."""
    if not excerpt.raw:
        return rows.values_list(*_Row._fields[:-1])
    return rows.annotate(raw_json=Cast("raw", TextField())).values_list(*_Row._fields)


def _files(rows: Sequence[_Row], excerpt: Excerpt) -> Mapping[int, Sequence[SaidFile]]:
    found: defaultdict[int, list[SaidFile]] = defaultdict(list)
    for at in range(0, len(rows), PIECE):  # databases limit their parameters
        files = MessageFile.objects.filter(message__in=[row.pk for row in rows[at : at + PIECE]])
        for pk, *columns in files.order_by("message", "position").values_list("message_id", *_FILE):
            found[pk].append(_said_file(columns, excerpt))
    return found


_FILE = ("external_id", "kind", "name", "mime_type", "size", "blob__sha256", "left_out")


def _said_file(columns: Sequence[Any], excerpt: Excerpt) -> SaidFile:
    file_id, kind, name, mime_type, size, sha256, left_out = columns
    content = sha256 if excerpt.media and sha256 else ""
    return SaidFile(file_id, FileKind(kind), name, mime_type, size, content, left_out)


def _media(conversation: Conversation, excerpt: Excerpt) -> Iterator[KeptFile]:
    """What is kept of the files, in an order that is the same every time."""
    files = MessageFile.objects.filter(message__in=messages_in(conversation, excerpt), blob__isnull=False)
    rows = files.order_by(*_FILE).values_list("blob__file", *_FILE).distinct()
    for stored, *columns in rows.iterator(PIECE):
        excerpt.told(0)
        yield KeptFile(_said_file(columns, excerpt), partial(default_storage.open, stored))


def _topics(conversation: Conversation) -> dict[int, str]:
    """The last name of each forum topic, by the number of the message that opened it."""
    lines = Message.objects.filter(
        conversation=conversation, kind=MessageKind.SERVICE, thread__isnull=False
    ).order_by("sent_at", "number")
    titles: dict[int, str] = {}
    for thread, raw in lines.values_list("thread", "raw"):
        title = (raw.get("action") or {}).get("title")
        if thread is not None and title:
            titles[thread] = title
    return titles


def _said(
    row: _Row,
    files: Mapping[int, Sequence[SaidFile]],
    topics: Mapping[int, str] | None,
    replies: Sequence[tuple[str, int]] = (),
) -> Said:
    sender_id = row.sender__external_id or ""
    topic = "" if topics is None or row.thread is None else topics.get(row.thread, f"topic {row.thread}")
    return Said(
        number=row.number,
        sent_at=row.sent_at,
        kind=MessageKind(row.kind),
        text=row.text,
        sender_id=sender_id,
        sender_name=row.sender__name or row.sender__username or sender_id,
        is_bot=bool(row.sender__is_bot),
        origin=row.origin,
        thread=row.thread,
        reply_to=row.reply_to,
        edited_at=row.edited_at,
        deleted_at=row.deleted_at,
        files=files.get(row.pk, ()),
        replies=replies,
        raw_json=row.raw_json,
        topic=topic,
    )
