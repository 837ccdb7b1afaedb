"""Keep or kick, and why. Pure.

Every kick and every preview of one goes through `decide`: nothing else in the product may conclude that
somebody has to leave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SubscriptionStatus(StrEnum):
    """Where a subscription stands. Time moves it from active through grace to expired, and no other way."""

    PENDING = "pending"
    ACTIVE = "active"
    GRACE = "grace"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Role(StrEnum):
    """What somebody is in the gated community."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class Presence(StrEnum):
    """Whether somebody is in the gated community, as last read."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    """Nobody has read the whole member list yet."""


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """What a subscription says. `expires_at` and `grace_until` are aware, or None where there is no end."""

    status: SubscriptionStatus
    expires_at: datetime | None = None
    grace_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """All that a decision is made of."""

    telegram_id: int
    subscription: SubscriptionFacts | None = None
    whitelisted: bool = False
    role: Role = Role.MEMBER
    is_bot: bool = False
    is_our_account: bool = False
    presence: Presence = Presence.PRESENT


class Reason(StrEnum):
    """Why somebody stays, or has to leave."""

    NO_SUBSCRIPTION = "no_subscription"
    NOT_EXPIRED = "not_expired"
    DATES_DISAGREE = "dates_disagree"
    KICKS_OFF = "kicks_off"
    WHITELISTED = "whitelisted"
    OUR_ACCOUNT = "our_account"
    OWNER = "owner"
    ADMIN = "admin"
    BOT = "bot"
    NOT_THERE = "not_there"
    EXPIRED = "expired"

    @property
    def words(self) -> str:
        """The reason as it follows "would be kept because" or "would be kicked because"."""
        return _WORDS[self]

    @property
    def to_report(self) -> bool:
        """Whether somebody should look at it: we keep people about whom the records are not clear."""
        return self in (Reason.NO_SUBSCRIPTION, Reason.DATES_DISAGREE)


_WORDS = {
    Reason.NO_SUBSCRIPTION: "no subscription is known",
    Reason.NOT_EXPIRED: "the subscription has not expired",
    Reason.DATES_DISAGREE: "the subscription says expired, but its dates lie ahead: look at it",
    Reason.KICKS_OFF: "kicks are off",
    Reason.WHITELISTED: "they are whitelisted",
    Reason.OUR_ACCOUNT: "this is our own account",
    Reason.OWNER: "they own the community",
    Reason.ADMIN: "they are an admin of the community",
    Reason.BOT: "this is a bot",
    Reason.NOT_THERE: "they are not in the community",
    Reason.EXPIRED: "the subscription has expired and nothing protects them",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a decision came to."""

    kick: bool
    reason: Reason

    def __str__(self) -> str:
        return f"would be {'kicked' if self.kick else 'kept'} because {self.reason.words}"


def decide(person: Person, *, kicks_on: bool, now: datetime) -> Verdict:
    """Whether `person` has to leave at `now` (aware).

    Not expired → keep; kicks off → keep; whitelisted → keep; owners, admins, bots, ourselves and whoever is
    not there → keep; otherwise kick.
    """
    reason = _why_keep(person, kicks_on, now)
    return Verdict(kick=False, reason=reason) if reason else Verdict(kick=True, reason=Reason.EXPIRED)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the flow, and what it says of somebody."""

    topic: str
    answer: str
    keeps: Reason | None
    """Why they stay, going by this step alone; None when the flow goes on."""
    decides: bool
    """Whether the flow ends here."""
    asked: bool
    """Whether the flow gets so far."""


def explain(person: Person, *, kicks_on: bool, now: datetime) -> tuple[Step, ...]:
    """The flow of `decide`, step by step: also those after the one that decided."""
    reasons = [check.keeps(person, kicks_on, now) for check in _FLOW]
    decisive = next((at for at, reason in enumerate(reasons) if reason is not None), len(reasons))
    return tuple(
        Step(check.topic, reason.words if reason else check.passed, reason, at == decisive, at <= decisive)
        for at, (check, reason) in enumerate(zip(_FLOW, reasons, strict=True))
    )


def _why_keep(person: Person, kicks_on: bool, now: datetime) -> Reason | None:
    """The first reason to keep somebody, in the order of the flow; None when there is none."""
    for check in _FLOW:
        if (reason := check.keeps(person, kicks_on, now)) is not None:
            return reason
    return None


def _subscription(person: Person, kicks_on: bool, now: datetime) -> Reason | None:
    subscription = person.subscription
    if subscription is None:
        return Reason.NO_SUBSCRIPTION
    if subscription.status is not SubscriptionStatus.EXPIRED:
        return Reason.NOT_EXPIRED
    if any(end is not None and end > now for end in (subscription.expires_at, subscription.grace_until)):
        return Reason.DATES_DISAGREE
    return None


def _switch(person: Person, kicks_on: bool, now: datetime) -> Reason | None:
    return None if kicks_on else Reason.KICKS_OFF


def _whitelist(person: Person, kicks_on: bool, now: datetime) -> Reason | None:
    return Reason.WHITELISTED if person.whitelisted else None


def _role(person: Person, kicks_on: bool, now: datetime) -> Reason | None:
    if person.is_our_account:
        return Reason.OUR_ACCOUNT
    match person.role:
        case Role.OWNER:
            return Reason.OWNER
        case Role.ADMIN:
            return Reason.ADMIN
    return Reason.BOT if person.is_bot else None


def _presence(person: Person, kicks_on: bool, now: datetime) -> Reason | None:
    return Reason.NOT_THERE if person.presence is Presence.ABSENT else None


@dataclass(frozen=True, slots=True)
class _Check:
    topic: str
    keeps: Callable[[Person, bool, datetime], Reason | None]
    passed: str
    """What it says of somebody whom it does not keep."""


_FLOW = (
    _Check("Subscription", _subscription, "it has expired"),
    _Check("Switch", _switch, "kicks are on"),
    _Check("Whitelist", _whitelist, "they are not whitelisted"),
    _Check("Role", _role, "they are an ordinary member"),
    _Check("Community", _presence, "they are in it, as far as we know"),
)
