"""The switch of the kicks: read from the database every time, off unless it says on."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from members.clock import SharedNow
from members.dates import moment_in_words
from members.notices import services as notices
from members.notices.kinds import NoticeKind
from members.operations import activity
from members.operations.activity import Event
from whitelist.models import FeatureFlag

KICKS = "kick_enabled"
CLOCK = "the clock"
"""Who turns kicks off when their hours are over."""

log = structlog.get_logger(__name__)


def kick_enabled() -> bool:
    """Whether kicks are on now. Always asks the database: ask again before every single kick.

    A database that does not answer raises, so nobody is kicked on a guess.
    """
    not_over = Q(expires_at=None) | Q(expires_at__gt=SharedNow())
    return FeatureFlag.objects.filter(_on(), not_over, key=KICKS).exists()


def switch() -> FeatureFlag:
    """The switch as stored: who changed it last, and until when it is on."""
    return FeatureFlag.objects.filter(key=KICKS).first() or FeatureFlag(key=KICKS)


def turn_kicks_off(*, actor: str) -> bool:
    """Turn kicks off at once. False when they were off already.

    The switch comes first and by itself: nothing else that may fail or wait can keep it on.
    """
    now = timezone.now()
    was_on = FeatureFlag.objects.filter(_on(), key=KICKS).update(
        bool_value=False, expires_at=None, changed_by=actor, changed_at=now
    )
    if was_on:
        try:
            _note("kicks.off", actor, now)
        except DatabaseError:  # they are off, and that is what counts
            log.exception("kicks.off_not_recorded", actor=actor)
    return bool(was_on)


def turn_kicks_on(*, actor: str, until: datetime | None = None, detail: str = "") -> None:
    """Turn kicks on, until a moment (aware) or until somebody turns them off.

    For whoever has shown the dry run and had it confirmed (`whitelist.preflight`); nothing else calls it.
    """
    now = timezone.now()
    FeatureFlag.objects.update_or_create(
        key=KICKS,
        defaults={"bool_value": True, "expires_at": until, "changed_by": actor, "changed_at": now},
    )
    limit = f"until {moment_in_words(until)}" if until else "until somebody turns them off"
    _note("kicks.on", actor, now, detail="; ".join(filter(None, (limit, detail))))


def close_what_is_over(*, now: datetime) -> bool:
    """Show a switch whose hours are over as the off that it reads as since. True when there was one."""
    over = FeatureFlag.objects.filter(_on(), key=KICKS, expires_at__lte=now).update(
        bool_value=False, expires_at=None, changed_by=CLOCK, changed_at=now
    )
    if over:
        _note("kicks.off", CLOCK, now, detail="the hours for which they were on are over")
    return bool(over)


def _on() -> Q:
    return Q(bool_value=True)


@transaction.atomic
def _note(action: str, actor: str, at: datetime, *, detail: str = "") -> None:
    activity.record(events=[Event(actor, action, detail=detail)], at=at)
    how = f"\n{detail[:1].upper()}{detail[1:]}." if detail else ""
    notices.write(
        kind=NoticeKind.KICK_SWITCH,
        text=f"Kicks are {action.removeprefix('kicks.')}, by {actor}.{how}",
        path=reverse("admin:whitelist_featureflag_changelist"),
    )
    log.warning(action, actor=actor, detail=detail)
