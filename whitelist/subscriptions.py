"""Subscriptions: what is told of them, and how time moves them. All in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from members.dates import moment_in_words
from whitelist.decision import SubscriptionStatus
from whitelist.models import Subscriber, Subscription
from whitelist.record import note, note_each
from whitelist.services import CHUNK
from whitelist.subscriber_file import SubscriberRow

CLOCK = "the clock"
"""Who acts when nothing but time has passed."""
_BATCH = 200
_TOLD = ("status", "expires_at", "grace_until", "updated_at")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Loaded:
    """How many subscribers were new, changed, and as they were already."""

    new: int = 0
    changed: int = 0
    same: int = 0


@dataclass(slots=True)
class Moved:
    """How many subscriptions time has moved."""

    to_grace: int = 0
    to_expired: int = 0


def grace_after(end: datetime) -> datetime:
    """When the usual grace is over after a subscription that ends at `end`."""
    return end + timedelta(days=settings.SUBSCRIPTION_GRACE_DAYS)


def let_time_pass(*, now: datetime) -> Moved:
    """Move what is due: active at its end to grace, grace at its end to expired. Nothing else moves by time.

    In transactions of `CHUNK` people, each with its lines in the record. Done twice it changes nothing;
    what two do at once is done once.
    """
    moved = Moved()
    while count := _lapse(now):
        moved.to_grace += count
    while count := _end(now):
        moved.to_expired += count
    if moved.to_grace or moved.to_expired:
        log.info("subscriptions.moved", to_grace=moved.to_grace, to_expired=moved.to_expired)
    return moved


def load_subscribers(*, rows: Sequence[SubscriberRow], actor: str, source: str, now: datetime) -> Loaded:
    """Make the subscriptions of these people what `rows` say; others stay. One row a person.

    In transactions of `CHUNK` people, each with its lines in the record. `source` says where the rows are
    from.
    """
    loaded = Loaded()
    for start in range(0, len(rows), CHUNK):
        _load_chunk(rows[start : start + CHUNK], actor, source, now, loaded)
    return loaded


def note_changes(
    pairs: Iterable[tuple[Subscription | None, Subscription]], *, actor: str, source: str, now: datetime
) -> None:
    """Write down what became of subscriptions: each as it was (None for a new one) and as it is."""
    details = {after.subscriber_id: f"{_change(before, after)} ({source})" for before, after in pairs}
    note_each("subscription.changed", details, actor=actor, at=now)


@transaction.atomic
def _lapse(now: datetime) -> int:
    rows = _due(status=SubscriptionStatus.ACTIVE, expires_at__lte=now)
    for row in rows:
        if row.expires_at is not None and row.grace_until is None:
            row.grace_until = grace_after(row.expires_at)
        row.status, row.updated_at = SubscriptionStatus.GRACE, now
    Subscription.objects.bulk_update(rows, ["status", "grace_until", "updated_at"], batch_size=_BATCH)
    note("subscription.grace", [row.subscriber_id for row in rows], actor=CLOCK, at=now)
    return len(rows)


@transaction.atomic
def _end(now: datetime) -> int:
    ids = [row.subscriber_id for row in _due(status=SubscriptionStatus.GRACE, grace_until__lte=now)]
    Subscription.objects.filter(pk__in=ids).update(status=SubscriptionStatus.EXPIRED, updated_at=now)
    note("subscription.expired", ids, actor=CLOCK, at=now)
    return len(ids)


def _due(**condition: Any) -> list[Subscription]:
    """The next rows that time moves, ours alone until the transaction ends."""
    free = Subscription.objects.select_for_update(skip_locked=True)
    return list(free.filter(**condition).order_by("pk")[:CHUNK])


@transaction.atomic
def _load_chunk(
    rows: Sequence[SubscriberRow], actor: str, source: str, now: datetime, loaded: Loaded
) -> None:
    _store_people(rows)
    held = Subscription.objects.select_for_update().in_bulk([row.telegram_id for row in rows])
    told = [_subscription(row, now) for row in rows]
    pairs = [(held.get(after.subscriber_id), after) for after in told]
    new = [after for before, after in pairs if before is None]
    changed = [
        (before, after) for before, after in pairs if before is not None and before.facts != after.facts
    ]
    Subscription.objects.bulk_create(new)
    Subscription.objects.bulk_update([after for _, after in changed], _TOLD, batch_size=_BATCH)
    note_changes([*((None, after) for after in new), *changed], actor=actor, source=source, now=now)
    loaded.new += len(new)
    loaded.changed += len(changed)
    loaded.same += len(rows) - len(new) - len(changed)


def _store_people(rows: Sequence[SubscriberRow]) -> None:
    known = Subscriber.objects.in_bulk([row.telegram_id for row in rows])
    told = []
    for row in rows:
        person = known.get(row.telegram_id) or Subscriber(telegram_id=row.telegram_id)
        names = {"username": row.username, "first_name": row.first_name}
        fresh = {name: value for name, value in names.items() if value not in (None, getattr(person, name))}
        for name, value in fresh.items():
            setattr(person, name, value)
        if fresh or row.telegram_id not in known:
            told.append(person)
    Subscriber.objects.bulk_create(
        told, update_conflicts=True, unique_fields=["telegram_id"], update_fields=["username", "first_name"]
    )


def _subscription(row: SubscriberRow, now: datetime) -> Subscription:
    grace_until = row.grace_until
    if row.status is SubscriptionStatus.GRACE and grace_until is None and row.expires_at is not None:
        grace_until = grace_after(row.expires_at)
    return Subscription(
        subscriber_id=row.telegram_id,
        status=row.status,
        expires_at=row.expires_at,
        grace_until=grace_until,
        updated_at=now,
    )


def _change(before: Subscription | None, after: Subscription) -> str:
    earlier = "" if before is None else f"{_words(before)} → "
    return f"{earlier}{_words(after)}"


def _words(subscription: Subscription) -> str:
    ends = (("ends", subscription.expires_at), ("grace until", subscription.grace_until))
    said = [f"{word} {moment_in_words(moment)}" for word, moment in ends if moment is not None]
    return ", ".join([str(subscription.status), *said])
