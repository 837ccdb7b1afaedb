"""The community in numbers, for the page that charts it: a constant number of queries, whatever its size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, CharField, Count, Exists, OuterRef, QuerySet, Value, When
from django.db.models.functions import Coalesce, TruncWeek

from members.operations.models import Operation, Step
from members.operations.states import StepState
from members.platforms.outcomes import Outcome
from whitelist import community, facts, flags
from whitelist.burning import Cause
from whitelist.decision import SubscriptionStatus
from whitelist.facts import Census
from whitelist.models import (
    Bot,
    CommunityMember,
    CommunityReading,
    FeatureFlag,
    Subscription,
    WhitelistEntry,
)
from whitelist.record import gated_chat_id
from whitelist.sweep import KIND

WEEKS = 12
READINGS = 60
SWEEPS = 8

STAFF, SUBSCRIBED, PROTECTED, EXPIRED, OTHERS = "staff", "subscribed", "protected", "expired", "others"
_UNDECIDED = "undecided"
"""Of the others: those with a subscription that says neither."""


@dataclass(frozen=True, slots=True)
class CommunityReport:
    """Everything that the page shows."""

    census: Census
    kicks_on: bool
    switch: FeatureFlag
    accounted: int
    size: int
    """How many members Telegram counted when they were last read; 0 when nobody has read them."""
    reading: CommunityReading | None
    make_up: dict[str, int]
    """Of those who are there, how many are what, by the first of the words above that is true of them."""
    subscriptions: dict[str, int]
    protected_by: Sequence[tuple[str, int]]
    burned_because: Sequence[tuple[str, int]]
    ending: Sequence[tuple[datetime, int]]
    """Subscriptions that will have expired, by the week in which they do."""
    members: Sequence[int]
    """How many were seen at each of the last readings, the oldest first."""
    burned: Sequence[int]
    """By week, the last one being this."""
    kicked: Sequence[int]
    sweeps: Sequence[Operation]
    bot: Bot | None


def load_report(*, now: datetime) -> CommunityReport:
    """How the community stands at `now`."""
    reading = community.last_reading(gated_chat_id())
    protected = WhitelistEntry.objects.filter(revoked_at=None)
    burned = WhitelistEntry.objects.filter(revoked_at__isnull=False)
    make_up = _make_up()
    members, unknown, undecided = sum(make_up.values()), make_up.get(OTHERS, 0), make_up.pop(_UNDECIDED, 0)
    subscriptions = dict(_tally(Subscription.objects.all(), "status"))
    protected_by, burned_because = _tally(protected, "source"), _tally(burned, "revoke_cause")
    return CommunityReport(
        # A look at 100,000 people takes longer than all else here: what is counted already is summed up.
        census=Census(
            members=members,
            subscribed=sum(subscriptions.get(status, 0) for status in facts.ENTITLED),
            whitelisted=sum(count for _, count in protected_by),
            burned=sum(count for _, count in burned_because),
            at_risk=facts.at_risk(now=now).count(),
        ),
        kicks_on=flags.kick_enabled(),
        switch=flags.switch(),
        accounted=members - unknown,
        size=(reading.expected or reading.seen) if reading else 0,
        reading=reading,
        make_up=make_up | {OTHERS: unknown + undecided},
        subscriptions=subscriptions,
        protected_by=protected_by,
        burned_because=[(Cause(cause or Cause.MANUAL).words, count) for cause, count in burned_because],
        ending=_ending(now),
        members=_members(),
        burned=_by_week(burned, "revoked_at", now),
        kicked=_by_week(_kicks(), "finished_at", now),
        sweeps=list(Operation.objects.filter(kind=KIND).order_by("-pk")[:SWEEPS]),
        bot=Bot.objects.defer("session").order_by("-heard_at").first(),
    )


def _make_up() -> dict[str, int]:
    def held(*states: SubscriptionStatus) -> Exists:
        return Exists(Subscription.objects.filter(pk=OuterRef("telegram_id"), status__in=states))

    whitelisted = Exists(WhitelistEntry.objects.filter(pk=OuterRef("telegram_id"), revoked_at=None))
    what = Case(
        When(facts.SPECIAL, then=Value(STAFF)),
        When(held(*facts.ENTITLED), then=Value(SUBSCRIBED)),
        When(whitelisted, then=Value(PROTECTED)),
        When(held(SubscriptionStatus.EXPIRED), then=Value(EXPIRED)),
        When(held(*SubscriptionStatus), then=Value(_UNDECIDED)),
        default=Value(OTHERS),
        output_field=CharField(),
    )
    there = CommunityMember.objects.filter(chat_id=gated_chat_id(), left_at=None)
    return dict(_tally(there.annotate(what=what), "what"))


def _ending(now: datetime) -> list[tuple[datetime, int]]:
    """Counted from the end of the grace where there is one."""
    over = Subscription.objects.filter(status__in=facts.ENTITLED).annotate(
        over=Coalesce("grace_until", "expires_at")
    )
    soon = over.filter(over__gt=now, over__lte=now + timedelta(weeks=WEEKS))
    weeks = soon.annotate(week=TruncWeek("over")).order_by("week").values_list("week")
    return list(weeks.annotate(Count("pk")))


def _members() -> list[int]:
    readings = CommunityReading.objects.filter(chat_id=gated_chat_id()).order_by("-read_at", "-pk")
    return list(readings.values_list("seen", flat=True)[:READINGS])[::-1]


def _kicks() -> QuerySet[Step]:
    return Step.objects.filter(operation__kind=KIND, state=StepState.DONE, outcome=Outcome.DONE)


def _by_week(rows: QuerySet[Any], field: str, now: datetime) -> list[int]:
    """How many rows each of the last `WEEKS` weeks has."""
    this_week = (now - timedelta(days=now.weekday())).date()
    first = this_week - timedelta(weeks=WEEKS - 1)
    recent = rows.filter(**{f"{field}__gte": now - timedelta(weeks=WEEKS)})
    counted = recent.annotate(week=TruncWeek(field)).order_by("week").values_list("week")
    counts = {week.date(): count for week, count in counted.annotate(Count("pk"))}
    return [counts.get(first + timedelta(weeks=number), 0) for number in range(WEEKS)]


def _tally(rows: QuerySet[Any], field: str) -> list[tuple[str, int]]:
    counted: Iterable[tuple[str, int]] = (
        rows.order_by().values_list(field).annotate(number=Count("pk")).order_by("-number")
    )
    return list(counted)
