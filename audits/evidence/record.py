"""The stretch of the activity record that belongs to a period."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet

from audits.evidence.period import Period
from members.operations.activity import fault_of, newest_seal
from members.operations.chain import SAID, moment
from members.operations.models import ActivityEvent


class RecordGap(Exception):
    """The record is not whole there: one line."""


class PurgedMeanwhile(Exception):
    """A part of what was to be packed is gone: one line, what to do."""

    def __init__(self) -> None:
        super().__init__("Old records were purged while the evidence was written: make it again.")


@dataclass(slots=True)
class Stretch:
    """The events from the first of the period to its last, without a gap, and where they are in the chain.

    Their order is that of the record. Some are a moment older or newer than their neighbours: what stands
    between two events of the period belongs to it.
    """

    events: QuerySet[ActivityEvent]
    count: int
    before: int
    hash_before: str
    purged: bool
    """Whether a part of the period was purged."""

    @classmethod
    def of(cls, period: Period) -> Stretch:
        rows = ActivityEvent.objects.order_by("pk")
        sealed = newest_seal()
        first = rows.filter(at__gte=period.start).first()
        last = rows.filter(at__lt=period.end).last()
        if first is None or last is None or first.pk > last.pk:  # nothing happened
            events, until = rows.none(), rows.filter(at__lt=period.start).last()
            place = rows.filter(pk__lte=until.pk).count() if until else 0
            return cls(
                events,
                0,
                sealed.count + place,
                until.hash if until else sealed.hash,
                sealed.count > 0 and not until,
            )
        events = rows.filter(pk__gte=first.pk, pk__lte=last.pk)
        place = rows.filter(pk__lt=first.pk).count()
        purged = sealed.count > 0 and place == 0
        return cls(events, events.count(), sealed.count + place, first.previous_hash, purged)

    def lines(self) -> Iterator[tuple[bytes, str]]:
        """Each event as a line of JSON, with its hash. Raises RecordGap."""
        last = self.hash_before
        for row in self.events.iterator(chunk_size=2000):
            if problem := fault_of(row, last):
                raise RecordGap(f"The activity record is not whole: event {row.pk}: {problem}.")
            last = row.hash
            said = {name: getattr(row, name) for name in SAID}
            line = {
                "id": row.pk,
                "previous_hash": row.previous_hash,
                "at": moment(row.at),
                **said,
                "hash": row.hash,
            }
            yield json.dumps(line, ensure_ascii=False).encode() + b"\n", row.hash
