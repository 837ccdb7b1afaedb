"""Whom a sweep would kick: the plan, which is also the dry run. Nothing here kicks anybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from members.models import Group
from members.operations.plan import Plan, PlannedStep, Target
from members.platforms.types import Platform
from whitelist import facts, subscriptions
from whitelist.decision import Reason, decide
from whitelist.names import names_of
from whitelist.record import gated_chat_id

KIND = "sweep"
KICK = "kick"


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """Whom a sweep would kick if kicks were on, and how many it would keep for which reason."""

    plan: Plan
    kept: Mapping[Reason, int]


def plan_sweep(*, now: datetime) -> SweepPlan:
    """Decide about everybody whose subscription has expired at `now`, after time has moved what is due.

    Decided as though kicks were on: whether they are is asked right before each kick.
    """
    subscriptions.let_time_pass(now=now)
    kept: Counter[Reason] = Counter({Reason.NOT_EXPIRED: facts.not_expired()})
    kicked: list[int] = []
    for person, count in facts.expired_by_kind(now=now):
        verdict = decide(person, kicks_on=True, now=now)
        if not verdict.kick:
            kept[verdict.reason] += count
    # Of thousands who have expired most are protected: only those are looked at who may not be.
    for person in facts.candidates(now=now):
        if decide(person, kicks_on=True, now=now).kick:
            kicked.append(person.telegram_id)
    chat = str(gated_chat_id() or "")
    names = names_of(kicked)
    group_name = _name_of(chat)
    steps = tuple(
        PlannedStep(
            KICK,
            Target(
                platform=Platform.TELEGRAM,
                group_id=chat,
                group_name=group_name,
                subject=str(telegram_id),
                subject_name=str(names[telegram_id]) or str(telegram_id),
                user_id=str(telegram_id),
            ),
        )
        for telegram_id in kicked
    )
    return SweepPlan(Plan(KIND, steps, reach=facts.community_size()), dict(+kept))


def _name_of(chat: str) -> str:
    known = Group.objects.filter(platform=Platform.TELEGRAM, external_id=chat).values_list("name", flat=True)
    return known.first() or "the gated community"
