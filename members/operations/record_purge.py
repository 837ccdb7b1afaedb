"""Purging the oldest part of the record so that what stays can still be proven.

The events go from the beginning on, without a gap, and a seal takes their place: an event, appended in the
same transaction, that tells how many went and the hash of the last.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from members.operations import activity
from members.operations.activity import SEALED, Event, fault_of, newest_seal
from members.operations.chain import Seal
from members.operations.models import ActivityEvent, ActivityHead


class RecordBroken(Exception):
    """The record is not whole: nothing of it is purged, since it may be needed to find out what happened."""


def due_events(before: datetime) -> QuerySet[ActivityEvent]:
    """The events from the beginning on, up to the first that is not older than `before`."""
    kept = ActivityEvent.objects.filter(at__gte=before).order_by("pk").values_list("pk", flat=True).first()
    rows = ActivityEvent.objects.filter(at__lt=before)
    return rows if kept is None else rows.filter(pk__lt=kept)


@transaction.atomic
def purge_events(*, before: datetime, actor: str, at: datetime, most: int) -> int:
    """Delete up to `most` of the oldest events that are due, and leave a seal. Returns how many went.

    Whoever appends waits meanwhile. Raises RecordBroken, with nothing deleted.
    """
    if ActivityHead.objects.select_for_update().filter(pk=1).first() is None:
        return 0
    sealed = newest_seal()
    last, key, count = sealed.hash, 0, 0
    for row in due_events(before).order_by("pk")[:most]:
        if problem := fault_of(row, last):
            raise RecordBroken(f"The activity record is not whole: event {row.pk}: {problem}.")
        last, key, count = row.hash, row.pk, count + 1
    if not count:
        return 0
    seal = Seal(sealed.count + count, last)
    activity.record(events=[Event(actor, SEALED, detail=str(seal))], at=at)
    deleted, _ = QuerySet(ActivityEvent).filter(pk__lte=key).delete()  # past the manager that refuses to
    if deleted != count:
        raise RecordBroken(
            f"The activity record is not whole: {count} events were read, {deleted} are there."
        )
    return count
