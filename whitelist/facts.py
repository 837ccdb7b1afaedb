"""What the database knows of people, as decisions need it: the same for one person and for 100,000."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Value, When

from whitelist.decision import Person, Presence, Role, SubscriptionFacts, SubscriptionStatus
from whitelist.models import CommunityMember, CommunityReading, Subscription, WhitelistEntry
from whitelist.record import gated_chat_id

ENTITLED = (SubscriptionStatus.ACTIVE, SubscriptionStatus.GRACE)
"""The states in which somebody counts as subscribed."""


@dataclass(frozen=True, slots=True)
class Census:
    """How large the community is, and who in it is how safe."""

    members: int
    subscribed: int
    """Subscriptions that are active or in their grace."""
    whitelisted: int
    burned: int
    at_risk: int
    """Whom a sweep would kick if kicks were on."""


def subscribers(telegram_ids: Iterable[int] | None = None, *, expired: bool = False) -> Iterator[Person]:
    """Everybody with a subscription, or those of `telegram_ids`, in the order of their ids.

    `expired` leaves out those whose subscription does not say so: at any time most of them, and all are
    kept. Of everybody at once, dates come with the expired alone: no decision asks for those of others, and
    to read them takes longer than to decide. One query that grows with the people, and two small ones
    before it.
    """
    known_whole = _list_was_read_whole()
    rows = _subscriptions(known_whole=known_whole)
    if telegram_ids is not None:
        rows = rows.filter(pk__in=list(telegram_ids))
    if expired:
        rows = rows.filter(status=SubscriptionStatus.EXPIRED)
    dates = ("expires_at", "grace_until")
    if telegram_ids is None and not expired:
        has_expired = {"status": SubscriptionStatus.EXPIRED}
        rows = rows.annotate(**{f"{name}_of_expired": Case(When(**has_expired, then=name)) for name in dates})
        dates = ("expires_at_of_expired", "grace_until_of_expired")
    yield from _people(rows, dates, known_whole)


def candidates(*, now: datetime) -> Iterator[Person]:
    """Those of whom the database does not see what would keep them at `now`, in the order of their ids."""
    yield from _people(at_risk(now=now), ("expires_at", "grace_until"), _list_was_read_whole())


def expired_by_kind(*, now: datetime) -> list[tuple[Person, int]]:
    """Those whose subscription says expired, put together where a decision at `now` cannot tell them apart.

    One who stands for each kind, and how many there are: counted in the database, however many.
    """
    special, known_whole = _special(), _list_was_read_whole()
    ahead = Case(When(Q(expires_at__gt=now) | Q(grace_until__gt=now), then=Value(True)), default=Value(False))
    rows = _subscriptions(known_whole=known_whole).filter(status=SubscriptionStatus.EXPIRED)
    kinds = rows.exclude(pk__in=list(special)).annotate(ahead=ahead).order_by()
    # Where somebody protected is, no decision asks: nor does the database, of whom most are.
    protected = kinds.filter(whitelisted=True).values_list("ahead").annotate(Count("pk"))
    others = kinds.filter(whitelisted=False).values_list("ahead", "present", "gone").annotate(Count("pk"))
    counted = [(lies_ahead, True, Presence.UNKNOWN, count) for lies_ahead, count in protected]
    counted += [
        (lies_ahead, False, _presence(present, gone, known_whole), count)
        for lies_ahead, present, gone, count in others
    ]
    ordinary = [
        (
            Person(
                telegram_id=0,
                subscription=SubscriptionFacts(
                    SubscriptionStatus.EXPIRED, expires_at=now + timedelta(days=1) if lies_ahead else None
                ),
                whitelisted=whitelisted,
                presence=presence,
            ),
            count,
        )
        for lies_ahead, whitelisted, presence, count in counted
    ]
    return ordinary + [(person, 1) for person in subscribers(special, expired=True)]


def people(telegram_ids: Iterable[int]) -> dict[int, Person]:
    """These people by their ids, with or without a subscription, in a constant number of queries."""
    ids = list(dict.fromkeys(telegram_ids))
    found = {person.telegram_id: person for person in subscribers(ids)}
    strangers = [telegram_id for telegram_id in ids if telegram_id not in found]
    if strangers:
        special, known_whole = _special(), _list_was_read_whole()
        protected = set(_protected().filter(pk__in=strangers).values_list("pk", flat=True))
        left = dict(_members().filter(telegram_id__in=strangers).values_list("telegram_id", "left_at"))
        for telegram_id in strangers:
            role, is_bot, is_our_account = special.get(telegram_id, _ORDINARY)
            there = telegram_id in left and left[telegram_id] is None
            found[telegram_id] = Person(
                telegram_id=telegram_id,
                whitelisted=telegram_id in protected,
                role=role,
                is_bot=is_bot,
                is_our_account=is_our_account,
                presence=_presence(there, telegram_id in left and not there, known_whole),
            )
    return found


def endangered(*, now: datetime) -> QuerySet[Any]:
    """The subscriptions of those whom the whitelist alone protects at `now`, if anything does."""
    known_whole = _list_was_read_whole()
    rows = _subscriptions(known_whole=known_whole).filter(
        Q(expires_at=None) | Q(expires_at__lte=now),
        Q(grace_until=None) | Q(grace_until__lte=now),
        status=SubscriptionStatus.EXPIRED,
    )
    rows = rows.filter(present=True) if known_whole else rows.filter(gone=False)
    return rows.exclude(pk__in=list(_special()))


def at_risk(*, now: datetime) -> QuerySet[Any]:
    """The subscriptions of those whom `decide` would have kicked at `now` if kicks were on.

    In the database's words, for counting and listing: a kick is decided by `decide` alone.
    """
    return endangered(now=now).filter(whitelisted=False)


def not_expired() -> int:
    """How many subscriptions do not say that they have expired."""
    return Subscription.objects.exclude(status=SubscriptionStatus.EXPIRED).count()


def census(*, now: datetime, members: int | None = None, at_risk_now: int | None = None) -> Census:
    """The numbers of the community, each counted in the database, unless it is known from a sweep's plan."""
    return Census(
        members=community_size() if members is None else members,
        subscribed=Subscription.objects.filter(status__in=ENTITLED).count(),
        whitelisted=_protected().count(),
        burned=WhitelistEntry.objects.filter(revoked_at__isnull=False).count(),
        at_risk=at_risk(now=now).count() if at_risk_now is None else at_risk_now,
    )


def community_size() -> int:
    """How many people are in the community, as far as we know."""
    return _members().filter(left_at=None).count()


def accounted_for(*, members: int | None = None) -> int:
    """How many of them have a subscription of any state, are whitelisted, or are no ordinary members.

    `members` is how many they are, if that is known.
    """
    unknown = _members().filter(
        ~Exists(Subscription.objects.filter(pk=OuterRef("telegram_id"))),
        ~Exists(_protected().filter(pk=OuterRef("telegram_id"))),
        left_at=None,
    )
    return (community_size() if members is None else members) - unknown.exclude(SPECIAL).count()


SPECIAL = ~Q(role=Role.MEMBER) | Q(is_bot=True) | Q(is_our_account=True)
"""Of community members: those who are more or less than a member."""
_ORDINARY = (Role.MEMBER, False, False)


def _special() -> dict[int, tuple[Role, bool, bool]]:
    """The few who are more or less than a member: role, whether a bot, whether our own account."""
    rows = _members().filter(SPECIAL)
    return {
        telegram_id: (Role(role), is_bot, is_our_account)
        for telegram_id, role, is_bot, is_our_account in rows.values_list(
            "telegram_id", "role", "is_bot", "is_our_account"
        )
    }


def _list_was_read_whole() -> bool:
    return CommunityReading.objects.filter(chat_id=gated_chat_id(), whole=True).exists()


def _presence(present: bool, gone: bool, known_whole: bool) -> Presence:
    if present:
        return Presence.PRESENT
    return Presence.ABSENT if gone or known_whole else Presence.UNKNOWN


def _people(rows: QuerySet[Any], dates: tuple[str, str], known_whole: bool) -> Iterator[Person]:
    """The people of `rows`, which are `_subscriptions`; `dates` name the end and the grace's end."""
    special = _special()
    columns = rows.order_by("pk").values_list("pk", "status", *dates, "whitelisted", "present", "gone")
    dateless = {
        str(status): SubscriptionFacts(status) for status in SubscriptionStatus
    }  # shared: most have none
    for pk, status, expires_at, grace_until, whitelisted, present, gone in columns.iterator(chunk_size=5000):
        role, is_bot, is_our_account = special.get(pk, _ORDINARY)
        subscription = dateless[status]
        if expires_at is not None or grace_until is not None:
            subscription = SubscriptionFacts(subscription.status, expires_at, grace_until)
        yield Person(
            telegram_id=pk,
            subscription=subscription,
            whitelisted=whitelisted,
            role=role,
            is_bot=is_bot,
            is_our_account=is_our_account,
            presence=_presence(present, gone, known_whole),
        )


def _members() -> QuerySet[CommunityMember]:
    return CommunityMember.objects.filter(chat_id=gated_chat_id()).order_by()


def _protected() -> QuerySet[WhitelistEntry]:
    return WhitelistEntry.objects.filter(revoked_at=None)


def _subscriptions(*, known_whole: bool) -> QuerySet[Any]:
    """With `whitelisted`, `present` (seen in the community) and `gone` (seen there, and left).

    Where the list was read whole, who is not present is absent: then nobody asks who is `gone`.
    """
    seen = _members().filter(telegram_id=OuterRef("pk"))
    return Subscription.objects.annotate(
        whitelisted=Exists(_protected().filter(pk=OuterRef("pk"))),
        present=Exists(seen.filter(left_at=None)),
        gone=Value(False) if known_whole else Exists(seen.filter(left_at__isnull=False)),
    )
