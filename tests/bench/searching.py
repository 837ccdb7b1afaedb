"""How long a search takes among a million messages."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from statistics import median

from tests.bench.workplace import table

MESSAGES = {"postgresql": 1_000_000, "sqlite": 200_000}
GROUPS, PEOPLE = 500, 2_000
_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_EVERY = timedelta(seconds=80)
_SYLLABLES = ("ba", "ko", "mi", "ru", "ta", "ve", "zo", "ne", "li", "pa", "den", "sor")
_REPEATS = 5


def searching() -> None:
    """The median of five searches of each kind; the words are as frequent as in a language (Zipf)."""
    from django.db import connection

    from audits.history.search import Question, search
    from members.platforms.types import Platform

    count = MESSAGES[connection.vendor]
    _fill(count)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    common, second, rarer = "bababa", "babako", "mimimi"
    questions = {
        "a word in most messages": Question(common),
        "two such words": Question(f"{common} {second}"),
        "a phrase of them": Question(f'"{common} {second}"'),
        "a word in 1 of 100": Question(rarer),
        "a word in 1 of 100,000": Question("needle"),
        "a word that was in use long ago": Question("ancient"),
        "a word that nobody used": Question("nowhere"),
        "a frequent word in one group": Question(common, group="slack:G6"),
        "a frequent word by one person": Question(common, sender="person7"),
        "a frequent word on one platform": Question(common, platform=Platform.SLACK),
        "a frequent word before a date": Question(common, until=_BEGIN + count * _EVERY / 10),
        "everything of one person": Question(sender="person3"),
    }
    rows: list[tuple[object, ...]] = []
    for name, question in questions.items():
        times = []
        for _ in range(_REPEATS):
            started = time.perf_counter()
            found = search(question)
            times.append(1000 * (time.perf_counter() - started))
        rows.append((name, len(found.messages), median(times), max(times)))
    title = f"Searching {count:,} messages ({connection.vendor})"
    table(title, ("looking for", "on the first page", "ms", "slowest of five, ms"), rows)
    _sizes(count)


def _sizes(count: int) -> None:
    """How long a person waits for the size of an export of all groups."""
    from audits.history.exporting import ExportWish, estimate
    from audits.history.formats import Format
    from members.models import Group

    groups = list(Group.objects.all())
    rows: list[tuple[object, ...]] = []
    for name, since in (("all of it", None), ("the newest tenth", _BEGIN + count * _EVERY * 0.9)):
        started = time.perf_counter()
        size = estimate(ExportWish(groups, Format.HTML, since=since))
        rows.append((name, f"{size.messages:,}", 1000 * (time.perf_counter() - started)))
    table(f"Estimating an export of {len(groups)} groups", ("", "messages", "ms"), rows)


def _fill(count: int) -> None:
    from django.db.models import Count, OuterRef, Subquery
    from django.db.models.functions import Coalesce
    from django.utils import timezone

    from audits.history.models import Conversation, Message, Sender
    from members.models import Group
    from members.platforms.types import GroupKind, Platform, Privacy

    now, rng = timezone.now(), random.Random(7)
    groups = Group.objects.bulk_create(
        Group(
            platform=list(Platform)[number % 2],
            external_id=f"G{number}",
            name=f"customer-{number}",
            kind=GroupKind.CHANNEL,
            privacy=Privacy.PRIVATE,
            first_seen_at=now,
            last_seen_at=now,
        )
        for number in range(GROUPS)
    )
    conversations = Conversation.objects.bulk_create(Conversation(group=group) for group in groups)
    senders = Sender.objects.bulk_create(
        Sender(
            platform="slack", external_id=f"U{number}", name=f"Person {number}", username=f"person{number}"
        )
        for number in range(PEOPLE)
    )
    said = list(texts(rng, 20_000))
    for first in range(0, count, 5_000):
        Message.objects.bulk_create(
            (
                Message(
                    conversation=conversations[min(int(rng.expovariate(1 / 60)), GROUPS - 1)],
                    number=number + 1,
                    sent_at=_BEGIN + number * _EVERY,
                    sender=senders[min(int(rng.expovariate(1 / 100)), PEOPLE - 1)],
                    text=rng.choice(said)
                    + (" needle" if number % 100_000 == 500 else "")
                    + (" ancient" if number < count // 50 else ""),
                    raw={"ts": str(number)},
                )
                for number in range(first, min(first + 5_000, count))
            ),
            batch_size=1_000,
        )
    told = Message.objects.filter(conversation=OuterRef("pk")).values("conversation")
    Conversation.objects.update(message_count=Coalesce(Subquery(told.annotate(n=Count("pk")).values("n")), 0))


def texts(rng: random.Random, count: int, longest: int = 30) -> Iterator[str]:
    """4 to `longest` words each, of which the n-th is n times as rare as the first."""
    words = ["".join(parts) for parts in product(_SYLLABLES, repeat=3)]
    weights = [1 / (place + 1) for place in range(len(words))]
    for _ in range(count):
        yield " ".join(rng.choices(words, weights, k=rng.randint(4, longest)))
