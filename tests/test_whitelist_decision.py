"""Keep or kick: not expired → keep; kicks off → keep; whitelisted → keep; otherwise kick. Every cell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitelist.decision import (
    Person,
    Presence,
    Reason,
    Role,
    SubscriptionFacts,
    SubscriptionStatus,
    Verdict,
    decide,
)

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
STATUSES = list(SubscriptionStatus)
EXPIRED = SubscriptionFacts(SubscriptionStatus.EXPIRED, NOW - 4 * DAY, NOW - DAY)
AT_RISK = Person(telegram_id=7, subscription=EXPIRED)
"""Somebody whom nothing protects but the switch."""

moments = st.none() | st.datetimes(
    NOW.replace(tzinfo=None) - 400 * DAY, NOW.replace(tzinfo=None) + 400 * DAY, timezones=st.timezones()
)
subscriptions = st.none() | st.builds(
    SubscriptionFacts, st.sampled_from(SubscriptionStatus), moments, moments
)
people = st.builds(
    Person,
    telegram_id=st.integers(1, 2**52),
    subscription=subscriptions,
    whitelisted=st.booleans(),
    role=st.sampled_from(Role),
    is_bot=st.booleans(),
    is_our_account=st.booleans(),
    presence=st.sampled_from(Presence),
)


def holding(status: SubscriptionStatus) -> Person:
    return replace(AT_RISK, subscription=SubscriptionFacts(status, NOW - 4 * DAY, NOW - DAY))


@pytest.mark.parametrize("whitelisted", [False, True])
@pytest.mark.parametrize("kicks_on", [False, True])
@pytest.mark.parametrize("status", [*STATUSES, None])
def test_the_flow_cell_by_cell(status: SubscriptionStatus | None, kicks_on: bool, whitelisted: bool) -> None:
    person = holding(status) if status else replace(AT_RISK, subscription=None)

    verdict = decide(replace(person, whitelisted=whitelisted), kicks_on=kicks_on, now=NOW)

    if status is None:
        assert verdict == Verdict(False, Reason.NO_SUBSCRIPTION)
    elif status is not SubscriptionStatus.EXPIRED:
        assert verdict == Verdict(False, Reason.NOT_EXPIRED)
    elif not kicks_on:
        assert verdict == Verdict(False, Reason.KICKS_OFF)
    elif whitelisted:
        assert verdict == Verdict(False, Reason.WHITELISTED)
    else:
        assert verdict == Verdict(True, Reason.EXPIRED)


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        (replace(AT_RISK, role=Role.OWNER), Reason.OWNER),
        (replace(AT_RISK, role=Role.ADMIN), Reason.ADMIN),
        (replace(AT_RISK, is_bot=True), Reason.BOT),
        (replace(AT_RISK, is_our_account=True), Reason.OUR_ACCOUNT),
        (replace(AT_RISK, is_our_account=True, role=Role.OWNER), Reason.OUR_ACCOUNT),
        (replace(AT_RISK, presence=Presence.ABSENT), Reason.NOT_THERE),
    ],
)
def test_some_always_stay(person: Person, reason: Reason) -> None:
    assert decide(person, kicks_on=True, now=NOW) == Verdict(False, reason)


def test_where_nobody_has_read_the_members_yet_the_subscription_decides() -> None:
    assert decide(replace(AT_RISK, presence=Presence.UNKNOWN), kicks_on=True, now=NOW).kick


class TestClocks:
    """One that says "expired" while its dates lie ahead is a mistake of somebody's: keep, and report."""

    @pytest.mark.parametrize("field", ["expires_at", "grace_until"])
    def test_a_date_that_lies_ahead_keeps(self, field: str) -> None:
        ahead: dict[str, Any] = {field: NOW + timedelta(microseconds=1)}
        renewed = replace(AT_RISK, subscription=replace(EXPIRED, **ahead))
        verdict = decide(renewed, kicks_on=True, now=NOW)
        assert verdict == Verdict(False, Reason.DATES_DISAGREE)
        assert verdict.reason.to_report

    def test_the_end_itself_is_over(self) -> None:
        at_its_end = replace(AT_RISK, subscription=replace(EXPIRED, expires_at=NOW, grace_until=NOW))
        assert decide(at_its_end, kicks_on=True, now=NOW).kick

    def test_zones_change_nothing(self) -> None:
        """23:00 in Honolulu is 09:00 of the next day in UTC: not over at 23:30 of the wrong day."""
        honolulu = timezone(-10 * timedelta(hours=1))
        end = datetime(2026, 5, 4, 23, tzinfo=honolulu)
        person = replace(AT_RISK, subscription=SubscriptionFacts(SubscriptionStatus.EXPIRED, end))
        assert not decide(person, kicks_on=True, now=datetime(2026, 5, 4, 23, 30, tzinfo=UTC)).kick
        assert decide(person, kicks_on=True, now=datetime(2026, 5, 5, 9, 0, tzinfo=UTC)).kick


@given(person=people, kicks_on=st.booleans())
def test_nobody_is_kicked_whom_anything_protects(person: Person, kicks_on: bool) -> None:
    verdict = decide(person, kicks_on=kicks_on, now=NOW)

    facts = person.subscription
    protected = (
        not kicks_on
        or person.whitelisted
        or person.role is not Role.MEMBER
        or person.is_bot
        or person.is_our_account
        or person.presence is Presence.ABSENT
        or facts is None
        or facts.status is not SubscriptionStatus.EXPIRED
        or any(end is not None and end > NOW for end in (facts.expires_at, facts.grace_until))
    )
    assert verdict.kick == (not protected)
    assert verdict.kick == (verdict.reason is Reason.EXPIRED)
    assert verdict.reason.words in str(verdict)


@given(person=people)
def test_protection_only_ever_helps(person: Person) -> None:
    """Granting, being an admin, or turning kicks off never turns "keep" into "kick"."""
    before = decide(person, kicks_on=True, now=NOW).kick
    for safer in (
        decide(replace(person, whitelisted=True), kicks_on=True, now=NOW),
        decide(replace(person, role=Role.ADMIN), kicks_on=True, now=NOW),
        decide(person, kicks_on=False, now=NOW),
    ):
        assert not safer.kick or before
