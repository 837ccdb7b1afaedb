"""How the listeners do: written by themselves, read by pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from audits.events.models import Listener, LiveEvent
from members.operations.owner import is_dead
from members.platforms.bot_news import Cursor
from members.platforms.types import Platform

SILENT_AFTER = timedelta(seconds=45)
"""A listener that gave no sign of life for so long listens no more."""


@dataclass(frozen=True, slots=True)
class ListenerState:
    """One platform's live events, as people want to know them."""

    platform: Platform
    configured: bool
    """Whether there is what a listener needs; somebody may still have to sign in."""
    listening_since: datetime | None
    """None while nobody listens."""
    account: str
    last_event_at: datetime | None
    last_event: str
    problem: str
    """What went wrong last; "" when all is well since."""
    problem_at: datetime | None
    waiting: int
    """Groups in which something happened and which no audit has looked at yet."""

    @property
    def is_listening(self) -> bool:
        return self.listening_since is not None


def live_state() -> tuple[ListenerState, ...]:
    """Every platform's listener, in two queries."""
    rows = {row.platform: row for row in Listener.objects.all()}
    looked_for = (LiveEvent.State.WAITING, LiveEvent.State.LOOKING)
    waiting = LiveEvent.objects.filter(state__in=looked_for).order_by().values("platform")
    counts = {row["platform"]: row["count"] for row in waiting.annotate(count=Count("pk"))}
    now = timezone.now()
    return tuple(_state(platform, rows.get(platform), counts.get(platform, 0), now) for platform in Platform)


def is_configured(platform: Platform) -> bool:
    """Whether the settings have what the platform's listener needs."""
    match platform:
        case Platform.SLACK:
            return bool(settings.SLACK_APP_TOKEN.strip())
        case Platform.TELEGRAM:
            return bool(settings.TELEGRAM_API_ID and settings.TELEGRAM_API_HASH)


def _state(platform: Platform, row: Listener | None, waiting: int, now: datetime) -> ListenerState:
    row = row or Listener(platform=platform)
    return ListenerState(
        platform=platform,
        configured=is_configured(platform),
        listening_since=row.listening_since if is_alive(row, now) else None,
        account=row.account,
        last_event_at=row.last_event_at,
        last_event=row.last_event,
        problem=row.problem,
        problem_at=row.problem_at,
        waiting=waiting,
    )


def is_alive(row: Listener, now: datetime) -> bool:
    """Whether the process that wrote the row last still runs, as far as can be told."""
    return row.beat_at is not None and row.beat_at > now - SILENT_AFTER and not is_dead(row.owner)


class Record:
    """What a listener writes of itself. Every method is one short query."""

    def __init__(self, platform: Platform, owner: str) -> None:
        self._rows = Listener.objects.filter(pk=platform)
        row, _ = Listener.objects.get_or_create(pk=platform)
        if row.listening_since is not None:  # the one before was killed
            self._rows.update(listening_since=None, left_at=row.beat_at)
        self._rows.update(owner=owner, beat_at=timezone.now())

    def beat(self) -> None:
        self._rows.update(beat_at=timezone.now())

    def began(self, account: str) -> None:
        """It listens from now on."""
        self._rows.update(listening_since=timezone.now(), account=account[:255], problem="", problem_at=None)

    def left_at(self) -> datetime | None:
        """Until when it listened before."""
        return self._rows.values_list("left_at", flat=True).get()

    def left(self, until: datetime | None) -> None:
        """It listens no more; `until` is when it last was sure to have heard everything."""
        self._rows.filter(listening_since__isnull=False).update(listening_since=None, left_at=until)

    def heard(self, what: str) -> None:
        self._rows.update(last_event_at=timezone.now(), last_event=what[:255])

    def trouble(self, problem: str) -> None:
        self._rows.update(problem=problem, problem_at=timezone.now())

    def cursors(self) -> dict[str, Cursor]:
        """How far the account was read that the listener had last, by its id."""
        row = self._rows.get()
        if row.read_to is None:
            return {}
        return {row.account_id: Cursor(row.pts, row.qts, row.read_to)}

    def keep_cursor(self, account_id: str, cursor: Cursor) -> None:
        self._rows.update(account_id=account_id, pts=cursor.pts, qts=cursor.qts, read_to=cursor.at)
