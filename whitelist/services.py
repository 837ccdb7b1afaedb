"""Who is protected: grant, burn and revive whitelist entries. Every change is one line of the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from members.clock import shared_now
from whitelist import bulk
from whitelist.burning import Cause, CommunityEvent, burn_cause
from whitelist.models import WhitelistEntry
from whitelist.record import note as note_down
from whitelist.record import note_together

CHUNK = 1000
"""People per query and per transaction."""
_MANY = 100
"""Above it, grants that one person made at once are one line of the record."""
_TRIES = 3


@dataclass(slots=True)
class Granted:
    """What came of granting, by Telegram id."""

    new: list[int] = field(default_factory=list)
    already: list[int] = field(default_factory=list)
    burned: list[int] = field(default_factory=list)
    """Burned earlier, and left so: only `revive` protects them again."""


def is_whitelisted(telegram_id: int) -> bool:
    """Whether the person is protected now; asks the database every time."""
    return WhitelistEntry.objects.filter(pk=telegram_id, revoked_at=None).exists()


def grant(
    *,
    telegram_ids: Iterable[int],
    actor: str,
    source: str = "manual",
    note: str = "",
    at: datetime | None = None,
) -> Granted:
    """Protect people, from `at` (now) on. Whoever is protected stays so, and nobody burned is revived.

    In transactions of `CHUNK` people: interrupted half-way, it can simply be done again.
    """
    moment, total = at or shared_now(), Granted()
    for ids in _chunks(telegram_ids):
        done = _grant_chunk(ids, actor, source, note, moment)
        total.new += done.new
        total.already += done.already
        total.burned += done.burned
    return total


def burn(
    *,
    telegram_ids: Iterable[int],
    cause: Cause,
    actor: str,
    reason: str = "",
    at: datetime | None = None,
) -> list[int]:
    """Take away the protection of those who have it; returns their ids. Done twice it changes nothing.

    `at` is when the cause happened: protection that was granted later stays, so an event that arrives late
    burns nobody who was let in since.
    """
    moment, burned = at or shared_now(), []
    for ids in _chunks(telegram_ids):
        with transaction.atomic():
            held = WhitelistEntry.objects.select_for_update().filter(
                pk__in=ids, revoked_at=None, granted_at__lte=moment
            )
            found = list(held.order_by("pk").values_list("pk", flat=True))
            WhitelistEntry.objects.filter(pk__in=found).update(
                revoked_at=moment, revoked_by=actor, revoke_cause=cause, revoke_reason=reason
            )
            detail = f"{cause.words}: {reason}" if reason else cause.words
            note_down("whitelist.burned", found, actor=actor, at=timezone.now(), detail=detail)
        burned += found
    return burned


def revive(
    *, telegram_ids: Iterable[int], actor: str, note: str = "", at: datetime | None = None
) -> list[int]:
    """Protect again those whose entry was burned; returns their ids. An empty `note` keeps the old one."""
    moment, revived = at or shared_now(), []
    for ids in _chunks(telegram_ids):
        with transaction.atomic():
            burned = WhitelistEntry.objects.select_for_update().filter(pk__in=ids, revoked_at__isnull=False)
            found = list(burned.order_by("pk").values_list("pk", flat=True))
            WhitelistEntry.objects.filter(pk__in=found).update(
                granted_at=moment,
                granted_by=actor,
                revoked_at=None,
                revoked_by="",
                revoke_cause="",
                revoke_reason="",
                **({"note": note} if note else {}),
            )
            note_down("whitelist.revived", found, actor=actor, at=timezone.now(), detail=note)
        revived += found
    return revived


def apply_event(event: CommunityEvent, *, actor: str, at: datetime, reason: str = "") -> bool:
    """Burn the entry of whom the event is about, if it is of the kind that burns. Whether it did."""
    cause = burn_cause(event)
    if cause is None:
        return False
    return bool(burn(telegram_ids=[event.telegram_id], cause=cause, actor=actor, reason=reason, at=at))


def _grant_chunk(ids: Sequence[int], actor: str, source: str, note: str, at: datetime) -> Granted:
    for _ in range(_TRIES - 1):
        try:
            return _grant_once(ids, actor, source, note, at)
        except IntegrityError:  # somebody else granted one of them at the same moment
            continue
    return _grant_once(ids, actor, source, note, at)


@transaction.atomic
def _grant_once(ids: Sequence[int], actor: str, source: str, note: str, at: datetime) -> Granted:
    known = dict(WhitelistEntry.objects.filter(pk__in=ids).values_list("pk", "revoked_at"))
    done = Granted()
    for telegram_id in ids:
        if telegram_id not in known:
            done.new.append(telegram_id)
        elif known[telegram_id] is None:
            done.already.append(telegram_id)
        else:
            done.burned.append(telegram_id)
    bulk.insert(
        WhitelistEntry,
        ["telegram_id"],
        [[telegram_id] for telegram_id in done.new],
        same={"source": source, "note": note, "granted_at": at, "granted_by": actor},
    )
    detail = f"{source}: {note}" if note else source
    write = note_together if len(done.new) > _MANY else note_down
    write("whitelist.granted", done.new, actor=actor, at=timezone.now(), detail=detail)
    return done


def _chunks(telegram_ids: Iterable[int]) -> Iterator[list[int]]:
    ids = list(dict.fromkeys(telegram_ids))
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
