"""The record of who did what: appended to, never changed, provably whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from members.operations import chain
from members.operations.chain import BEGINNING, SAID, Seal
from members.operations.models import ActivityEvent, ActivityHead

SEALED = "record.purged"
"""The action of an event whose detail is a `Seal`."""
_BATCH = 500
_end = (BEGINNING, 0)
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
    """How many events were read."""
    problem: str = ""
    broken_at: int | None = None
    purged: int = 0
    """How many older ones are not there any more, because their time was over."""


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
        head, _ = ActivityHead.objects.select_for_update().get_or_create(pk=1, defaults={"hash": BEGINNING})
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

    It begins where the newest seal says, which is a link itself. Nobody waits meanwhile: what is appended
    while we read is checked as well, and the end that counts is the one from before.
    """
    while True:
        sealed = newest_seal()
        verdict = _verify_after(sealed)
        if not verdict.problem or newest_seal() == sealed:  # else somebody purged while we read
            return verdict


def newest_seal() -> Seal:
    """What the last purge left, or one of no events at all.

    Only a whole record proves it: a seal that somebody spoiled is taken for none, and its link is broken.
    """
    details = ActivityEvent.objects.filter(action=SEALED).order_by("-pk").values_list("detail", flat=True)
    try:
        return Seal.parse(details.first() or "")
    except ValueError:
        return Seal()


def _verify_after(sealed: Seal) -> Verdict:
    head = ActivityHead.objects.filter(pk=1).first() or ActivityHead(hash=BEGINNING)
    last, length = sealed.hash, 0
    ends_well = head.length == 0
    for row in ActivityEvent.objects.order_by("pk").iterator(chunk_size=2000):
        length += 1
        if problem := fault_of(row, last):
            return Verdict(length, problem, row.pk, sealed.count)
        last = row.hash
        ends_well |= (sealed.count + length, last) == (head.length, head.hash)
    recorded = ActivityHead.objects.filter(pk=1).values_list("length", flat=True).first() or 0
    recorded -= sealed.count
    if not ends_well or length > recorded:
        problem = f"it ends wrongly: {recorded} events were recorded, {length} are there"
        return Verdict(length, problem, purged=sealed.count)
    return Verdict(length, purged=sealed.count)


def fault_of(row: ActivityEvent, last: str) -> str:
    """What is wrong with an event that should follow the one with the hash `last`; "" when nothing is."""
    if row.previous_hash != last:
        return "an event before it is missing, or was put in"
    return "it was changed" if row.hash != digest(row) else ""


def digest(row: ActivityEvent) -> str:
    """The hash over everything the event says, and the hash of the one before."""
    said = [getattr(row, name) for name in SAID]
    return chain.digest(row.previous_hash, chain.moment(row.at), said)
