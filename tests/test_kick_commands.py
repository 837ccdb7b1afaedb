"""`kicks` and `loadsubscribers`: what scripts rely on, and that kicks are never turned on by one step."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from members.management.base import ExitCode
from members.operations.models import ActivityEvent
from whitelist import community, flags, preflight, services
from whitelist.burning import Cause
from whitelist.community import Member
from whitelist.decision import SubscriptionStatus
from whitelist.models import Preflight, Subscription
from whitelist.preflight import PreflightRefused
from whitelist.subscriber_file import SubscriberFileError, read_subscribers

pytestmark = pytest.mark.django_db

CHAT = 4200
HEADER = "telegram_id,username,first_name,status,expires_at,grace_until\n"
FILE = (
    HEADER
    + "7001,adaexample,Ada,active,2099-01-31,\n"
    + "7002,@bobexample,Bob,expired,2026-01-31,2026-02-03 18:00\n"
    + "7003,,Carol,Expired,2026-01-31T18:00+02:00,\n"
    + "7004,danexample,Dan,active,2026-01-31,\n"
)


@pytest.fixture(autouse=True)
def gated(settings: Settings) -> None:
    settings.TELEGRAM_GATED_CHAT_ID = CHAT


@pytest.fixture
def loaded(tmp_path: Path) -> None:
    """Ada pays, Bob has expired and is whitelisted, Carol has expired, and so has Dan: long ago."""
    path = tmp_path / "subscribers.csv"
    path.write_text(FILE)
    call_command("loadsubscribers", str(path), verbosity=0)
    services.grant(telegram_ids=[7002], actor="olivia", source="seeding")


def read_members(*telegram_ids: int, expected: int | None = None) -> None:
    community.reconcile(
        chat_id=CHAT,
        members=[Member(telegram_id) for telegram_id in telegram_ids],
        expected=expected or len(telegram_ids),
        at=timezone.now(),
    )


def document(tmp_path: Path, *args: str) -> dict[str, Any]:
    path = tmp_path / "out.json"
    call_command("kicks", *args, "--json", str(path))
    answer: dict[str, Any] = json.loads(path.read_text())
    return answer


class TestLoadSubscribers:
    def test_the_rows_become_subscriptions(self, loaded: None) -> None:
        ada, bob, carol = Subscription.objects.select_related("subscriber").order_by("pk")[:3]
        assert (ada.subscriber.username, ada.status) == ("adaexample", "active")
        assert ada.expires_at == datetime(2099, 2, 1, tzinfo=UTC), "a day without a time means its end"
        assert bob.grace_until == datetime(2026, 2, 3, 18, tzinfo=UTC)
        assert (carol.status, carol.expires_at) == ("expired", datetime(2026, 1, 31, 16, tzinfo=UTC))

    def test_loading_it_again_changes_nothing(self, loaded: None, tmp_path: Path) -> None:
        events = ActivityEvent.objects.count()
        out = tmp_path / "out.json"
        call_command("loadsubscribers", str(tmp_path / "subscribers.csv"), "--json", str(out))
        assert json.loads(out.read_text()) == {"dry_run": False, "new": 0, "changed": 0, "same": 4}
        assert ActivityEvent.objects.count() == events

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("telegram_id\n7\n", "line 1: the column 'status' is missing"),
            ("telegram_id,status,name\n7,active,x\n", "line 1: unknown column 'name'"),
            (FILE + "ada,,,active,,\n", "line 6: 'ada' is no Telegram id"),
            (FILE + "7001,,,active,,\n", "line 6: 7001 stands in line 2 already"),
            (FILE + "7005,,,retired,,\n", "line 6: 'retired' is no status"),
            (FILE + "7005,,,active,31.1.2027,\n", "line 6: “31.1.2027” is no time"),
            (FILE + "7005,,,active\n", "line 6: 4 cells, the header has 6"),
            (FILE + "7005,,,grace,,\n", "line 6: a grace has an end"),
            (FILE + "7005,,,active,2027-01-02,2027-01-01\n", "line 6: the grace ends before"),
        ],
    )
    def test_a_wrong_file_names_the_line_and_changes_nothing(
        self, tmp_path: Path, text: str, problem: str
    ) -> None:
        with pytest.raises(SubscriberFileError) as refusal:
            read_subscribers(text)
        assert str(refusal.value).startswith(problem)
        path = tmp_path / "wrong.csv"
        path.write_text(text)
        with pytest.raises(CommandError, match="Nothing was changed") as error:
            call_command("loadsubscribers", str(path))
        assert error.value.returncode == ExitCode.USAGE
        assert not Subscription.objects.exists()


class TestStatusAndDryRun:
    def test_status(self, loaded: None, tmp_path: Path) -> None:
        read_members(7001, 7002, 7003, 7009)
        told = document(tmp_path, "status")
        numbers = {name: told[name] for name in ("members", "subscribed", "whitelisted", "at_risk")}
        assert told["kick_enabled"] is False
        assert numbers == {"members": 4, "subscribed": 2, "whitelisted": 1, "at_risk": 1}

    def test_a_dry_run_moves_what_is_due_and_says_who_would_go_and_who_stay(
        self, loaded: None, tmp_path: Path
    ) -> None:
        told = document(tmp_path, "dryrun")
        assert (told["count"], told["keep"]) == (2, {"not_expired": 1, "whitelisted": 1})
        assert told["kick"] == [
            {"telegram_id": 7003, "username": None, "reason": "expired"},
            {"telegram_id": 7004, "username": "danexample", "reason": "expired"},
        ]
        assert document(tmp_path, "dryrun")["plan_hash"] == told["plan_hash"]

    def test_who_is_not_there_is_not_counted(self, loaded: None, tmp_path: Path) -> None:
        read_members(7001, 7003)
        told = document(tmp_path, "dryrun")
        assert [line["telegram_id"] for line in told["kick"]] == [7003]
        assert told["keep"]["not_there"] == 1

    def test_an_empty_installation_has_an_answer(self, tmp_path: Path, settings: Settings) -> None:
        settings.TELEGRAM_GATED_CHAT_ID = None
        assert document(tmp_path, "dryrun")["count"] == 0
        assert document(tmp_path, "status")["members"] == 0


class TestTurningOn:
    @pytest.fixture(autouse=True)
    def everybody_is_accounted_for(self, loaded: None) -> None:
        read_members(7001, 7002, 7003, 7004)

    def test_it_takes_a_dry_run_and_its_confirmation(self, tmp_path: Path) -> None:
        shown = document(tmp_path, "on")
        assert not flags.kick_enabled(), "the first step only shows"
        assert (shown["count"], shown["objection"]) == (2, "")

        confirmed = document(tmp_path, "on", "--confirm", shown["plan_hash"], "--count", "2", "--hours", "3")

        assert confirmed["kick_enabled"] is True
        until = flags.switch().expires_at
        assert until is not None
        assert timedelta(hours=2.9) < until - timezone.now() < timedelta(hours=3)
        with pytest.raises(CommandError, match="Look at a new one"):
            call_command("kicks", "on", "--confirm", shown["plan_hash"], "--count", "2")
        assert document(tmp_path, "off")["kick_enabled"] is False

    @pytest.mark.parametrize("args", [["--count", "2"], ["--hours", "2"], ["--confirm", "0123456789abcdef"]])
    def test_half_a_confirmation_is_none(self, args: list[str]) -> None:
        call_command("kicks", "on")
        with pytest.raises(CommandError) as error:
            call_command("kicks", "on", *args)
        assert error.value.returncode == ExitCode.USAGE
        assert not flags.kick_enabled()

    def test_a_wrong_hash_or_count_or_person_is_refused(self) -> None:
        shown = preflight.show(actor="olivia")
        for actor, plan_hash, count in (
            ("olivia", "0" * 16, 2),
            ("olivia", shown.plan_hash, 3),
            ("omar", shown.plan_hash, 2),
        ):
            with pytest.raises(PreflightRefused):
                preflight.turn_on(actor=actor, plan_hash=plan_hash, count=count)
        assert not flags.kick_enabled()

    def test_after_ten_minutes_it_is_too_late(self) -> None:
        shown = preflight.show(actor="olivia")
        Preflight.objects.update(shown_at=timezone.now() - preflight.VALID_FOR)
        with pytest.raises(PreflightRefused, match="last ten minutes"):
            preflight.turn_on(actor="olivia", plan_hash=shown.plan_hash, count=2)

    def test_when_a_sweep_would_do_something_else_by_now_it_is_shown_again(self) -> None:
        shown = preflight.show(actor="olivia")
        services.burn(telegram_ids=[7002], cause=Cause.MANUAL, actor="omar")
        with pytest.raises(PreflightRefused, match="something else by now"):
            preflight.turn_on(actor="olivia", plan_hash=shown.plan_hash, count=2)

    def test_too_many_of_whom_nobody_knows_why_they_are_there(self) -> None:
        read_members(*range(7001, 7101))
        shown = preflight.show(actor="olivia")
        assert shown.objection.startswith("Only 4 of 100 members are accounted for (4.0%)")
        with pytest.raises(PreflightRefused, match="type the number at risk"):
            preflight.turn_on(actor="olivia", plan_hash=shown.plan_hash, count=2)
        assert not flags.kick_enabled()
        preflight.turn_on(actor="olivia", plan_hash=shown.plan_hash, count=2, typed_count=2)
        assert "allowed all the same" in ActivityEvent.objects.latest("pk").detail

    def test_members_that_telegram_counts_and_does_not_show_are_not_accounted_for(self) -> None:
        read_members(7001, 7002, 7003, 7004, expected=5)
        assert "Only 4 of 5 members" in preflight.show(actor="olivia").objection


def test_nobody_has_read_the_members_yet(loaded: None) -> None:
    shown = preflight.show(actor="olivia")
    assert shown.objection.startswith("Nobody has read the member list yet")
    with pytest.raises(PreflightRefused):
        preflight.turn_on(actor="olivia", plan_hash=shown.plan_hash, count=shown.count)
    assert Subscription.objects.filter(status=SubscriptionStatus.EXPIRED).count() == 3
