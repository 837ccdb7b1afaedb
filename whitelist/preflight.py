"""Turning kicks on: what there is to see first, and a confirmation that is bound to exactly that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from members.clock import shared_now
from whitelist import community, facts, flags
from whitelist.facts import Census
from whitelist.models import CommunityReading, Preflight
from whitelist.record import gated_chat_id
from whitelist.sweep import SweepPlan, plan_sweep

VALID_FOR = timedelta(minutes=10)
ENOUGH = 0.99
"""The share of the members that must be accounted for: subscribed, whitelisted, or an admin or a bot."""
LONGEST_HOURS = 24 * 365


class PreflightRefused(Exception):
    """Kicks are not turned on: one line, why and what to do."""


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody has to have seen."""

    census: Census
    sweep: SweepPlan
    accounted: int
    """Members of whom we know why they are there, or that they have expired."""
    size: int
    """How many members Telegram counted when they were last read; 0 when nobody has read them."""
    reading: CommunityReading | None

    @property
    def plan_hash(self) -> str:
        return self.sweep.plan.hash

    @property
    def count(self) -> int:
        return self.sweep.plan.count

    @property
    def share(self) -> float:
        """Of the members, how many are accounted for, 0–1."""
        return min(1.0, self.accounted / self.size) if self.size else 0.0

    @property
    def objection(self) -> str:
        """Why kicks may not be turned on without typing the number at risk; "" when they may."""
        if self.reading is None:
            return "Nobody has read the member list yet: seed the whitelist first."
        if self.share < ENOUGH:
            return (
                f"Only {self.accounted:,} of {self.size:,} members are accounted for ({self.share:.1%}): "
                "seed the whitelist, or load the missing subscribers."
            )
        return ""


def look(*, now: datetime) -> Report:
    """How things stand; changes nothing but subscriptions whose time has come."""
    sweep = plan_sweep(now=now)
    reading, members = community.last_reading(gated_chat_id()), sweep.plan.reach
    return Report(
        census=facts.census(now=now, members=members, at_risk_now=sweep.plan.count),
        sweep=sweep,
        accounted=facts.accounted_for(members=members),
        size=(reading.expected or reading.seen) if reading else 0,
        reading=reading,
    )


def show(*, actor: str) -> Report:
    """The first step: how things stand, kept so that the second step can speak of it."""
    now = shared_now()
    report = look(now=now)
    Preflight.objects.create(plan_hash=report.plan_hash, count=report.count, shown_to=actor, shown_at=now)
    return report


@transaction.atomic
def turn_on(
    *,
    actor: str,
    plan_hash: str,
    count: int,
    hours: int | None = None,
    typed_count: int | None = None,
) -> datetime | None:
    """The second step: turn kicks on, for `hours` or until somebody turns them off. Returns the end.

    Raises PreflightRefused unless the same dry run was shown to `actor` within ten minutes and still is
    what a sweep would do, and is used for the first time; and, where too few members are accounted for,
    unless the number at risk was typed.
    """
    now = shared_now()
    if hours is not None and not 0 < hours <= LONGEST_HOURS:
        raise PreflightRefused(f"Say a whole number of hours from 1 to {LONGEST_HOURS:,}.")
    shown = Preflight.objects.select_for_update().filter(
        plan_hash=plan_hash, count=count, shown_to=actor, used_at=None, shown_at__gt=now - VALID_FOR
    )
    preflight = shown.order_by("-shown_at").first()
    if preflight is None:
        raise PreflightRefused(
            "This dry run was not shown to you in the last ten minutes. Look at a new one."
        )
    report = look(now=now)
    if (report.plan_hash, report.count) != (plan_hash, count):
        raise PreflightRefused("A sweep would do something else by now. Look at a new dry run.")
    if report.objection and typed_count != count:
        raise PreflightRefused(f"{report.objection} To turn them on all the same, type the number at risk.")
    until = None if hours is None else now + timedelta(hours=hours)
    Preflight.objects.filter(pk=preflight.pk).update(used_at=now)
    detail = f"{count} at risk, dry run {plan_hash}"
    if report.objection:
        detail += f", allowed all the same: {report.objection}"
    flags.turn_kicks_on(actor=actor, until=until, detail=detail)
    return until
