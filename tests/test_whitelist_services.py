"""Granting and burning, the switch, time, and the snapshot of the community: idempotent and written down."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django_celery_beat.models import PeriodicTask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import DjangoAssertNumQueries, Settings

from members.operations import activity
from members.operations.models import ActivityEvent
from whitelist import community, facts, flags, services, subscriptions, tasks
from whitelist.burning import Cause, JoinRequested, MembershipChanged
from whitelist.community import Member
from whitelist.decision import Reason, Role, SubscriptionStatus, decide
from whitelist.models import CommunityMember, FeatureFlag, Subscriber, Subscription, WhitelistEntry
from whitelist.record import gated_chat_id
from whitelist.subscriber_file import SubscriberRow
from whitelist.subscriptions import load_subscribers

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CHAT = 1234567890
ADA, BOB, CAROL = 7001, 7002, 7003


@pytest.fixture(autouse=True)
def gated(settings: Settings) -> None:
    settings.TELEGRAM_GATED_CHAT_ID = -1001234567890


def said() -> list[tuple[str, str, str, str]]:
    """The record: who did what to whom, and the detail."""
    events = ActivityEvent.objects.order_by("pk")
    return list(events.values_list("actor", "action", "subject", "detail"))


def active() -> set[int]:
    return set(WhitelistEntry.objects.filter(revoked_at=None).values_list("pk", flat=True))


def read(
    *telegram_ids: int, expected: int | None = None, at: datetime = NOW, **options: Any
) -> tuple[int, bool]:
    """Keep a member list; how many entries it burned, and whether it was whole."""
    reading = community.reconcile(
        chat_id=CHAT,
        members=[Member(telegram_id) for telegram_id in telegram_ids],
        expected=len(telegram_ids) if expected is None else expected,
        at=at,
        **options,
    )
    return reading.burned, reading.whole


def test_the_community_is_the_same_however_its_id_is_written(settings: Settings) -> None:
    written = {-1001234567890: CHAT, CHAT: CHAT, -4200: 4200, None: 0}
    for value, bare in written.items():
        settings.TELEGRAM_GATED_CHAT_ID = value
        assert gated_chat_id() == bare


class TestWhitelist:
    def test_granting_twice_grants_once(self) -> None:
        first = services.grant(telegram_ids=[ADA, BOB, ADA], actor="olivia", note="VIP", at=NOW)
        again = services.grant(telegram_ids=[ADA, CAROL], actor="olivia", at=NOW)

        assert (first.new, again.new, again.already) == ([ADA, BOB], [CAROL], [ADA])
        assert services.is_whitelisted(ADA)
        assert WhitelistEntry.objects.get(pk=ADA).note == "VIP"
        assert [line[:3] for line in said()] == [
            ("olivia", "whitelist.granted", str(who)) for who in (ADA, BOB, CAROL)
        ]

    def test_burning_twice_burns_once_and_says_why(self) -> None:
        services.grant(telegram_ids=[ADA], actor="olivia")
        for _ in range(2):
            services.burn(telegram_ids=[ADA, BOB], cause=Cause.MANUAL, actor="olivia", reason="No longer VIP")

        entry = WhitelistEntry.objects.get()
        assert (entry.revoke_cause, entry.revoked_by, entry.active) == (Cause.MANUAL, "olivia", False)
        assert said()[1:] == [
            ("olivia", "whitelist.burned", str(ADA), "removed by hand: No longer VIP"),
        ]

    def test_only_reviving_protects_again_whom_we_burned(self) -> None:
        services.grant(telegram_ids=[ADA], actor="olivia", note="VIP")
        services.burn(telegram_ids=[ADA], cause=Cause.LEFT, actor="the bot")

        assert services.grant(telegram_ids=[ADA], actor="olivia", source="seeding").burned == [ADA]
        assert not services.is_whitelisted(ADA)
        assert services.revive(telegram_ids=[ADA, BOB], actor="olivia") == [ADA]
        assert services.revive(telegram_ids=[ADA], actor="olivia") == []
        entry = WhitelistEntry.objects.get()
        assert (entry.active, entry.note, entry.revoke_cause) == (True, "VIP", "")

    def test_an_event_that_arrives_late_burns_nobody_who_was_let_in_since(self) -> None:
        services.grant(telegram_ids=[ADA], actor="olivia", at=NOW)
        left = MembershipChanged(ADA, ADA, was_present=True, is_present=False)

        assert not services.apply_event(left, actor="the bot", at=NOW - DAY)
        assert services.apply_event(left, actor="the bot", at=NOW + DAY)
        assert not services.apply_event(JoinRequested(ADA), actor="the bot", at=NOW + DAY), "burned already"

    def test_many_at_once(self, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
        crowd = range(1, 2001)
        with django_assert_max_num_queries(60):
            services.grant(telegram_ids=crowd, actor="olivia", source="seeding")
        assert active() == set(crowd)
        lines = [detail for _, _, _, detail in said()]
        assert [line[:35] for line in lines] == [
            "1,000 people (seeding): 1, 2, 3, 4,",
            "1,000 people (seeding): 1001, 1002,",
        ]
        assert not activity.verify().problem


class TestTheSwitch:
    def test_it_is_off_by_default_and_when_nothing_is_stored(self) -> None:
        assert FeatureFlag.objects.get(key="kick_enabled").bool_value is False
        assert not flags.kick_enabled()
        FeatureFlag.objects.all().delete()
        assert not flags.kick_enabled()
        assert not PeriodicTask.objects.get(task="whitelist.tasks.sweep_on_schedule").enabled

    def test_it_can_be_turned_off_with_nothing_but_the_database(self) -> None:
        flags.turn_kicks_on(actor="olivia")
        assert flags.kick_enabled()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE feature_flags SET bool_value=false WHERE key='kick_enabled'")
        assert not flags.kick_enabled()

    def test_turning_off_is_one_step_and_written_down_once(self) -> None:
        flags.turn_kicks_on(actor="olivia")
        assert flags.turn_kicks_off(actor="omar") is True
        assert flags.turn_kicks_off(actor="omar") is False
        assert [line[:2] for line in said()] == [("olivia", "kicks.on"), ("omar", "kicks.off")]

    def test_its_hours_end_by_themselves(self) -> None:
        flags.turn_kicks_on(actor="olivia", until=NOW)  # long over by the real clock
        assert not flags.kick_enabled()

        tasks.let_time_pass()
        tasks.let_time_pass()

        assert flags.switch().bool_value is False
        assert [line[:2] for line in said()] == [("olivia", "kicks.on"), ("the clock", "kicks.off")]


class TestTime:
    """Active → grace → expired, in UTC, whatever was missed meanwhile."""

    @pytest.fixture(autouse=True)
    def three_days(self, settings: Settings) -> None:
        settings.SUBSCRIPTION_GRACE_DAYS = 3

    def status_after(self, now: datetime, status: SubscriptionStatus, **dates: Any) -> str:
        rows = [SubscriberRow(ADA, status, **dates)]
        load_subscribers(rows=rows, actor="olivia", source="test", now=NOW)
        subscriptions.let_time_pass(now=now)
        return Subscription.objects.get().status

    @pytest.mark.parametrize(
        ("later", "status"),
        [
            (-timedelta(microseconds=1), "active"),
            (timedelta(0), "grace"),
            (3 * DAY - timedelta(microseconds=1), "grace"),
            (3 * DAY, "expired"),
            (400 * DAY, "expired"),
        ],
    )
    def test_an_active_one_has_its_grace_before_it_expires(self, later: timedelta, status: str) -> None:
        assert self.status_after(NOW + later, SubscriptionStatus.ACTIVE, expires_at=NOW) == status

    def test_a_grace_that_was_promised_is_kept(self) -> None:
        promised: dict[str, Any] = {"expires_at": NOW, "grace_until": NOW + 10 * DAY}
        assert self.status_after(NOW + 9 * DAY, SubscriptionStatus.ACTIVE, **promised) == "grace"

    @pytest.mark.parametrize("status", ["pending", "cancelled", "expired"])
    def test_nothing_else_moves_by_time(self, status: str) -> None:
        assert self.status_after(NOW + DAY, SubscriptionStatus(status), expires_at=NOW) == status

    def test_one_without_an_end_goes_on(self) -> None:
        assert self.status_after(NOW + 9999 * DAY, SubscriptionStatus.ACTIVE) == "active"

    def test_every_move_is_written_down_and_the_second_time_nothing_moves(self) -> None:
        self.status_after(NOW + 4 * DAY, SubscriptionStatus.ACTIVE, expires_at=NOW)
        moved = subscriptions.let_time_pass(now=NOW + 4 * DAY)
        assert (moved.to_grace, moved.to_expired) == (0, 0)
        assert [line[:3] for line in said()] == [
            ("olivia", "subscription.changed", str(ADA)),
            ("the clock", "subscription.grace", str(ADA)),
            ("the clock", "subscription.expired", str(ADA)),
        ]


class TestReconciliation:
    @pytest.fixture(autouse=True)
    def three_members(self) -> None:
        services.grant(telegram_ids=[ADA, BOB, CAROL], actor="olivia", at=NOW - 9 * DAY)
        assert read(ADA, BOB, CAROL, at=NOW - DAY) == (0, True)

    def test_who_left_while_nobody_listened_is_burned(self) -> None:
        assert read(ADA, CAROL) == (1, True)
        assert active() == {ADA, CAROL}
        assert said()[-1] == ("reconciliation", "whitelist.burned", str(BOB), "left while nobody listened")
        assert read(ADA, CAROL, at=NOW + DAY) == (0, True), "done twice it changes nothing"

    def test_an_incomplete_list_burns_nobody_and_forgets_nobody(self) -> None:
        assert read(ADA, expected=3) == (0, False)
        assert active() == community.present_ids(CHAT) == {ADA, BOB, CAROL}

    def test_whom_we_removed_is_gone_but_not_burned(self) -> None:
        community.note_left(chat_id=CHAT, telegram_ids=[BOB], at=NOW - timedelta(hours=1))
        assert read(ADA, removed={CAROL}) == (0, True)
        assert active() == {ADA, BOB, CAROL}
        assert community.present_ids(CHAT) == {ADA}

    def test_a_list_older_than_what_we_were_told_brings_nobody_back(self) -> None:
        community.note_left(chat_id=CHAT, telegram_ids=[BOB], at=NOW + timedelta(seconds=1))
        read(ADA, BOB, CAROL)
        assert community.present_ids(CHAT) == {ADA, CAROL}
        read(ADA, BOB, CAROL, at=NOW + DAY)
        assert community.present_ids(CHAT) == {ADA, BOB, CAROL}, "and a newer one does"

    def test_who_was_protected_after_the_list_was_begun_stays_so(self) -> None:
        services.burn(telegram_ids=[BOB], cause=Cause.MANUAL, actor="olivia")
        services.revive(telegram_ids=[BOB], actor="olivia", at=NOW + timedelta(seconds=1))
        assert read(ADA, CAROL) == (0, True)
        assert BOB in active()

    def test_who_came_while_it_was_read_and_is_on_no_page_of_it_did_not_leave(self) -> None:
        dan, at = 7004, NOW + timedelta(seconds=1)
        services.grant(telegram_ids=[dan], actor="olivia", note="VIP", at=NOW - DAY)
        community.note_joined(chat_id=CHAT, member=Member(dan), at=at)
        assert read(ADA, BOB, CAROL) == (0, True)
        assert dan in active() & community.present_ids(CHAT)

    def test_another_community_is_another_list(self) -> None:
        community.reconcile(chat_id=99, members=[Member(ADA)], expected=1, at=NOW)
        assert active() == {ADA, BOB, CAROL}
        assert community.present_ids(CHAT) == {ADA, BOB, CAROL}


class TestFacts:
    def test_the_database_finds_those_whom_the_decision_would_kick(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        people = mixed_crowd()

        with django_assert_num_queries(3):
            verdicts = {p.telegram_id: decide(p, kicks_on=True, now=NOW) for p in facts.subscribers()}

        assert set(verdicts) == people
        assert {verdict.reason for verdict in verdicts.values()} == set(Reason) - {
            Reason.NO_SUBSCRIPTION,
            Reason.KICKS_OFF,
        }
        kicked = {telegram_id for telegram_id, verdict in verdicts.items() if verdict.kick}
        assert set(facts.at_risk(now=NOW).values_list("pk", flat=True)) == kicked
        assert facts.census(now=NOW).at_risk == len(kicked) == 1

    def test_of_strangers_it_is_known_that_nothing_is_known(self) -> None:
        services.grant(telegram_ids=[BOB], actor="olivia")
        found = facts.people([ADA, BOB])
        assert decide(found[ADA], kicks_on=True, now=NOW).reason is Reason.NO_SUBSCRIPTION
        assert found[BOB].whitelisted


def mixed_crowd() -> set[int]:
    """One subscriber for every reason there is, and a whole reading of the community."""
    over: dict[str, Any] = {"expires_at": NOW - 9 * DAY, "grace_until": NOW - 6 * DAY}
    expired = SubscriptionStatus.EXPIRED
    ids = range(8001, 8010)
    rows = [SubscriberRow(telegram_id, expired, **over) for telegram_id in ids[:-2]]
    rows.append(SubscriberRow(ids[-2], SubscriptionStatus.CANCELLED, **over))
    rows.append(SubscriberRow(ids[-1], expired, expires_at=NOW + DAY))
    load_subscribers(rows=rows, actor="olivia", source="test", now=NOW)
    services.grant(telegram_ids=[8001], actor="olivia")
    members: Iterable[Member] = (
        Member(8001),
        Member(8002, role=Role.OWNER),
        Member(8003, role=Role.ADMIN),
        Member(8004, is_bot=True),
        Member(8005, is_our_account=True),
        Member(8006),  # whom nothing protects
        *map(Member, ids[-2:]),  # 8007 is not there
    )
    community.reconcile(chat_id=CHAT, members=list(members), expected=8, at=NOW - DAY)
    return set(ids)


class TestAnySequence(TestCase):
    """Whatever happens in whatever order: who is protected follows from the last thing that happened."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["grant", "revive", "leave", "kicked", "join_request", "remove", "reading"]),
                st.sampled_from([ADA, BOB]),
            ),
            max_size=8,
        )
    )
    def test_the_last_word_counts(self, happened: list[tuple[str, int]]) -> None:
        expected: dict[int, bool] = {}
        community.reconcile(chat_id=CHAT, members=[Member(ADA), Member(BOB)], expected=2, at=NOW)
        for number, (what, who) in enumerate(happened, start=1):
            at = NOW + timedelta(minutes=number)
            match what:
                case "grant":
                    services.grant(telegram_ids=[who], actor="olivia", at=at)
                    expected.setdefault(who, True)
                case "revive":
                    services.revive(telegram_ids=[who], actor="olivia", at=at)
                    expected |= {who: True} if who in expected else {}
                case "leave":
                    event = MembershipChanged(who, who, was_present=True, is_present=False)
                    services.apply_event(event, actor="the bot", at=at)
                case "kicked":
                    event = MembershipChanged(who, 1, was_present=True, is_present=False)
                    services.apply_event(event, actor="the bot", at=at)
                case "join_request":
                    services.apply_event(JoinRequested(who), actor="the bot", at=at)
                case "remove":
                    services.burn(telegram_ids=[who], cause=Cause.MANUAL, actor="olivia", at=at)
                case "reading":  # both are there: it burns nobody
                    community.reconcile(chat_id=CHAT, members=[Member(ADA), Member(BOB)], expected=2, at=at)
            if what in ("leave", "join_request", "remove"):
                expected |= {who: False} if who in expected else {}
            assert active() == {person for person, protected in expected.items() if protected}
        assert not activity.verify().problem


def test_a_person_keeps_their_name_when_a_row_tells_none() -> None:
    active_until = {"status": SubscriptionStatus.ACTIVE, "expires_at": NOW + DAY}
    first = SubscriberRow(ADA, username="adaexample", first_name="Ada", **active_until)  # type: ignore[arg-type]
    again = SubscriberRow(ADA, first_name="Ada E.", **active_until)  # type: ignore[arg-type]
    for row in (first, again):
        loaded = load_subscribers(rows=[row], actor="olivia", source="test", now=NOW)
    assert (loaded.new, loaded.changed, loaded.same) == (0, 0, 1)
    assert Subscriber.objects.values_list("username", "first_name").get() == ("adaexample", "Ada E.")
    assert not CommunityMember.objects.exists()
