"""Look for what was said: by words, sender, group, platform and time; newest first."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Field, Lookup, Q, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from audits.history.models import Conversation, Message, Sender
from audits.history.query import Term, parse, to_fts5, to_websearch
from audits.history.search_index import COLUMN, SHADOW
from members.platforms.types import Platform

PAGE = 50
LONGEST_SEARCH = 5.0
"""Seconds: a search that takes longer is given up, so that nobody can keep the database busy."""
_FEW = 10_000
"""How many messages may match so that to read and sort them all is quick."""
_RECENT = 20_000
"""Among how many of the newest messages a frequent word is looked for first."""
_NO_INDEX_FOR_THIS = ExpressionWrapper(F("sent_at") + timedelta(), output_field=DateTimeField())
"""The time plus nothing: so PostgreSQL sorts what it found by the words, instead of going by the time."""
_SENDERS = 200
"""How many people a part of a name may mean."""
_STEPS = 50_000
"""SQLite's own steps between two looks at the clock."""
_SHOWN = (
    "sent_at",
    "text",
    "deleted_at",
    "sender__name",
    "sender__username",
    "sender__external_id",
    "conversation__group__name",
    "conversation__group__platform",
)
"""What a result tells: not what the platform sent, which may be large."""


class TooBroad(Exception):
    """The search took too long: one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for. Everything that is said has to hold."""

    words: str = ""
    sender: str = ""
    """A part of the name, a username, or an id."""
    group: str = ""
    """A part of the name, an id, or "platform:id"."""
    platform: Platform | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def says_something(self) -> bool:
        return bool(self.terms or self.sender or self.group or self.since or self.until)

    @property
    def is_narrow(self) -> bool:
        """Whether something beside words and dates narrows it down."""
        return bool(self.sender or self.group or self.platform)

    @property
    def terms(self) -> tuple[Term, ...]:
        return parse(self.words)


@dataclass(frozen=True, slots=True)
class Place:
    """A message's place in the order of all."""

    sent_at: datetime
    pk: int


@dataclass(frozen=True, slots=True)
class Found:
    """One page of results."""

    messages: Sequence[Message]
    rest: Place | None = None
    """After which the next page begins; None on the last one."""


def search(question: Question, *, after: Place | None = None, limit: int = PAGE) -> Found:
    """The newest messages that match, `after` the last one of the page before. Raises TooBroad.

    A handful of queries, whatever is looked for; nothing is counted.
    """
    if not question.says_something or (question.words.strip() and not question.terms):
        return Found(())
    with _not_for_long():
        messages = _read(question, after, limit + 1)
    more = len(messages) > limit
    last = messages[limit - 1] if more else None
    return Found(messages[:limit], Place(last.sent_at, last.pk) if last is not None else None)


def _read(question: Question, after: Place | None, limit: int) -> list[Message]:
    """Through the words where few messages have them, else back through the time.

    PostgreSQL believes that what matches is spread evenly over time, and would read back through a
    million messages for a word that was in use long ago. So we choose.
    """
    rows = _before(_matching(question), after).select_related("sender", "conversation__group").only(*_SHOWN)
    by_time = rows.order_by("-sent_at", "-pk")
    if not question.terms or connection.vendor != "postgresql":
        return list(by_time[:limit])
    by_word = rows.order_by(_NO_INDEX_FOR_THIS.desc(), "-pk")
    if _estimate(question.terms) <= _FEW:
        return list(by_word[:limit])
    if question.is_narrow:
        return list(by_time[:limit])
    everything = _before(_between(Message.objects.all(), question), after).order_by("-sent_at", "-pk")
    edge = everything.values_list("sent_at", flat=True)[_RECENT : _RECENT + 1].first()
    found = list((by_time if edge is None else by_time.filter(sent_at__gte=edge))[:limit])
    return found if edge is None or len(found) == limit else list(by_word[:limit])


def _before(rows: QuerySet[Message], place: Place | None) -> QuerySet[Message]:
    if place is None:
        return rows
    earlier = Q(sent_at__lt=place.sent_at) | Q(sent_at=place.sent_at, pk__lt=place.pk)
    return rows.filter(earlier, sent_at__lte=place.sent_at)  # the second is for the index


def _estimate(terms: tuple[Term, ...]) -> int:
    """How many messages match, as PostgreSQL guesses from its statistics; nothing is read for it."""
    plan = json.loads(Message.objects.filter(text__words=terms).explain(format="json"))
    return int(plan[0]["Plan"]["Plan Rows"])


def _matching(question: Question) -> QuerySet[Message]:
    rows = Message.objects.all()
    if question.terms:
        rows = rows.filter(text__words=question.terms)
    if question.sender:
        rows = rows.filter(sender__in=_senders(question.sender))
    if question.group:
        rows = rows.filter(conversation__in=_conversations(question.group))
    if question.platform is not None:
        rows = rows.filter(conversation__group__platform=question.platform)
    return _between(rows, question)


def _between(rows: QuerySet[Message], question: Question) -> QuerySet[Message]:
    if question.since is not None:
        rows = rows.filter(sent_at__gte=question.since)
    if question.until is not None:
        rows = rows.filter(sent_at__lt=question.until)
    return rows


def _senders(text: str) -> list[int]:
    bare = text.strip().removeprefix("@").replace("\0", "")
    who = Q(name__icontains=bare) | Q(username__iexact=bare) | Q(external_id=bare)
    return list(Sender.objects.filter(who).values_list("pk", flat=True)[:_SENDERS])


def _conversations(text: str) -> list[int]:
    """Found first: the database knows how much was said in each, and plans accordingly."""
    bare = text.strip().removeprefix("#").replace("\0", "")
    platform, _, external_id = bare.partition(":")
    which = Q(group__name__icontains=bare) | Q(group__external_id=bare)
    if platform in list(Platform) and external_id:
        which = Q(group__platform=platform, group__external_id=external_id)
    return list(Conversation.objects.filter(which).values_list("pk", flat=True))


@contextmanager
def _not_for_long() -> Iterator[None]:
    """Give up queries that take longer than `LONGEST_SEARCH`. Raises TooBroad."""
    limit = _limit_postgresql if connection.vendor == "postgresql" else _limit_sqlite
    try:
        with transaction.atomic(), limit():
            yield
    except OperationalError as error:
        if any(word in str(error) for word in ("interrupted", "statement timeout")):
            raise TooBroad("This matches too much: add a word, a group or dates.") from error
        raise


@contextmanager
def _limit_postgresql() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {int(1000 * LONGEST_SEARCH)}")
    yield


@contextmanager
def _limit_sqlite() -> Iterator[None]:
    connection.ensure_connection()
    handle: Callable[..., None] = connection.connection.set_progress_handler
    end = time.monotonic() + LONGEST_SEARCH
    handle(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    finally:
        handle(None, 0)


class Words(Lookup):
    """`text__words=terms`: through the index that the database keeps (see `search_index`)."""

    lookup_name = "words"
    prepare_rhs = False

    def as_postgresql(self, compiler: SQLCompiler, _: Any) -> tuple[str, list[Any]]:
        table = compiler.quote_name_unless_alias(self.lhs.alias)
        return f"{table}.\"{COLUMN}\" @@ websearch_to_tsquery('simple', %s)", [to_websearch(self.rhs)]

    def as_sqlite(self, compiler: SQLCompiler, _: Any) -> tuple[str, list[Any]]:
        table = compiler.quote_name_unless_alias(self.lhs.alias)
        matches = f"SELECT rowid FROM {SHADOW} WHERE {SHADOW} MATCH %s"  # noqa: S608 - names of our own
        return f'{table}."id" IN ({matches})', [to_fts5(self.rhs)]


_text: Field = Message._meta.get_field("text")
_text.register_lookup(Words)
