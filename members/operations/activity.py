"""The record of who did what: appended to, never changed, provably whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from django.db import transaction

from members.operations.models import ActivityEvent, ActivityHead

_BEGINNING = "0" * 64
_BATCH = 500
_end = (_BEGINNING, 0)
"""Hash and length of the record when last seen: a guess, proven before it is used, that saves a query."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened. `outcome` and `detail` are words for people; keys and ids stay plain."""

    actor: str
    action: str
    operation_id: int | None = None
    platform: str = ""
    group_id: str = ""
    group_name: str = ""
    subject: str = ""
    outcome: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the record is whole. `broken_at` is the first event that does not fit."""

    length: int
    problem: str = ""
    broken_at: int | None = None


@transaction.atomic(savepoint=False)
def record(*, events: Iterable[Event], at: datetime) -> None:
    """Append `events` in their order, all at `at`. Others who append wait for our transaction to end."""
    global _end
    waiting = list(events)
    if not waiting:
        return
    last, length = _end
    rows = _chain(waiting, at, after=last)
    if not _move_head(last, rows[-1].hash, length + len(rows)):
        head, _ = ActivityHead.objects.select_for_update().get_or_create(pk=1, defaults={"hash": _BEGINNING})
        rows, length = _chain(waiting, at, after=head.hash), head.length
        _move_head(head.hash, rows[-1].hash, length + len(rows))
    ActivityEvent.objects.bulk_create(rows, batch_size=_BATCH)
    _end = rows[-1].hash, length + len(rows)


def _chain(events: Iterable[Event], at: datetime, *, after: str) -> list[ActivityEvent]:
    rows = []
    for event in events:
        row = ActivityEvent(at=at, previous_hash=after, **asdict(event))
        after = row.hash = digest(row)
        rows.append(row)
    return rows


def _move_head(last: str, new: str, length: int) -> bool:
    """Lock the head and move it on, if it is at `last`."""
    return bool(ActivityHead.objects.filter(pk=1, hash=last).update(hash=new, length=length))


def verify() -> Verdict:
    """Read the whole record and check every link, and that its end is the end that was stored.

    Nobody waits meanwhile: what is appended while we read is checked as well, and the end that counts
    is the one from before.
    """
    head = ActivityHead.objects.filter(pk=1).first() or ActivityHead(hash=_BEGINNING)
    last, length = _BEGINNING, 0
    ends_well = head.length == 0
    for row in ActivityEvent.objects.order_by("pk").iterator(chunk_size=2000):
        length += 1
        if row.previous_hash != last:
            return Verdict(length, "an event before it is missing, or was put in", row.pk)
        if row.hash != digest(row):
            return Verdict(length, "it was changed", row.pk)
        last = row.hash
        ends_well |= (length, last) == (head.length, head.hash)
    recorded = ActivityHead.objects.filter(pk=1).values_list("length", flat=True).first() or 0
    if not ends_well or length > recorded:
        return Verdict(length, f"it ends wrongly: {recorded} events were recorded, {length} are there")
    return Verdict(length)


def digest(row: ActivityEvent) -> str:
    """SHA-256 over everything the event says, and the hash of the one before."""
    said = [
        row.previous_hash,
        row.at.astimezone(UTC).isoformat(timespec="microseconds"),
        row.actor,
        row.action,
        row.operation_id,
        row.platform,
        row.group_id,
        row.group_name,
        row.subject,
        row.outcome,
        row.detail,
    ]
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
