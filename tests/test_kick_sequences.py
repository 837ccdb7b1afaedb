"""Whatever happens in whatever order, and between two kicks of a sweep: nobody whom anything protects is
kicked, and nobody at all while kicks are off. The oracle knows only what was done, not how it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from whitelist import community, flags, services
from whitelist.burning import Cause, JoinRequested, MembershipChanged
from whitelist.community import Member
from whitelist.decision import Role, SubscriptionStatus
from whitelist.kinds import unwanted_kicks
from whitelist.subscriber_file import SubscriberRow
from whitelist.subscriptions import load_subscribers
from whitelist.sweep import plan_sweep

Event = tuple[str, int]
Happened = tuple[str, int | list[Event]]

CHAT = 4200
PEOPLE = (7001, 7002, 7003)
DAY = timedelta(days=1)

events = st.tuples(
    st.sampled_from(
        ["grant", "revive", "burn", "leave", "banned", "join_request", "let_in", "promote"]
        + ["expire", "renew", "cancel", "lapse"]
        + ["on", "off", "on_and_over"]
    ),
    st.sampled_from(PEOPLE),
)
sweeps = st.lists(events, max_size=3).map(lambda between: ("sweep", between))
everything = st.lists(events | sweeps, min_size=4, max_size=14)


@dataclass
class Known:
    """What the oracle knows of one person."""

    listed: bool = False
    protected: bool = False
    entitled: bool = True
    admin: bool = False
    there: bool = True

    @property
    def may_be_kicked(self) -> bool:
        return not (self.protected or self.entitled or self.admin) and self.there


class World:
    """The database, and the oracle beside it."""

    def __init__(self) -> None:
        self.people = {who: Known() for who in PEOPLE}
        self.on = False
        self.kicked = 0
        members = [Member(who) for who in PEOPLE]
        community.reconcile(chat_id=CHAT, members=members, expected=len(PEOPLE), at=timezone.now())
        for who in PEOPLE:
            self.do("expire", who)
        flags.turn_kicks_on(actor="olivia")
        self.on = True

    def do(self, what: str, who: int) -> None:
        now, known = timezone.now(), self.people[who]
        match what:
            case "grant":
                services.grant(telegram_ids=[who], actor="olivia")
                known.protected, known.listed = known.protected or not known.listed, True
            case "revive":
                services.revive(telegram_ids=[who], actor="olivia")
                known.protected = known.listed
            case "burn":
                services.burn(telegram_ids=[who], cause=Cause.MANUAL, actor="olivia")
                known.protected = False
            case "join_request":
                services.apply_event(JoinRequested(who), actor="the bot", at=now)
                known.protected = False
            case "leave" | "banned":
                actor = who if what == "leave" else 1
                event = MembershipChanged(who, actor, was_present=True, is_present=False)
                services.apply_event(event, actor="the bot", at=now)
                community.note_left(chat_id=CHAT, telegram_ids=[who], at=now)
                known.there = False
                known.protected = known.protected and what == "banned"
            case "let_in" | "promote":
                role = Role.ADMIN if what == "promote" else Role.MEMBER
                community.note_joined(chat_id=CHAT, member=Member(who, role=role), at=now)
                known.there, known.admin = True, what == "promote"
            case "expire" | "renew" | "cancel" | "lapse":
                self._subscribe(what, who)
                known.entitled = what in ("renew", "cancel")
            case "on":
                flags.turn_kicks_on(actor="olivia")
                self.on = True
            case "on_and_over":
                flags.turn_kicks_on(actor="olivia", until=now - timedelta(seconds=1))
                self.on = False
            case "off":
                flags.turn_kicks_off(actor="olivia")
                self.on = False

    def sweep(self, between: list[Event]) -> None:
        """The core of a sweep: the plan, and before each kick what happens meanwhile and the last look."""
        meanwhile = iter(between)
        for step in plan_sweep(now=timezone.now()).plan.steps:
            if event := next(meanwhile, None):
                self.do(*event)
            who = int(step.target.user_id)
            if unwanted_kicks([step]):
                continue
            assert self.on, "kicked while kicks are off"
            assert self.people[who].may_be_kicked, f"kicked {who}, of whom {self.people[who]}"
            community.note_left(chat_id=CHAT, telegram_ids=[who], at=timezone.now())
            self.people[who].there = False
            self.kicked += 1
        if self.on and not between:
            assert not any(known.may_be_kicked for known in self.people.values()), "and it misses nobody"

    def _subscribe(self, what: str, who: int) -> None:
        now = timezone.now()
        status, end = {
            "expire": (SubscriptionStatus.EXPIRED, now - 30 * DAY),
            "renew": (SubscriptionStatus.ACTIVE, now + 30 * DAY),
            "cancel": (SubscriptionStatus.CANCELLED, now - 30 * DAY),
            "lapse": (SubscriptionStatus.ACTIVE, now - 30 * DAY),  # time moves it when the sweep is planned
        }[what]
        load_subscribers(rows=[SubscriberRow(who, status, end)], actor="olivia", source="test", now=now)


class TestAnySequence(TestCase):
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(everything)
    def test_nobody_is_kicked_by_mistake(self, happened: list[Happened]) -> None:
        with override_settings(TELEGRAM_GATED_CHAT_ID=CHAT):
            world = World()
            for what, detail in [*happened, ("sweep", [])]:
                if isinstance(detail, list):
                    world.sweep(detail)
                else:
                    world.do(what, detail)
