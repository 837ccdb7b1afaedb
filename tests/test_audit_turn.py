"""Never two clients on Telegram's one session: audits and operations take turns."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from audits import services
from audits.models import AuditRun, Trigger
from audits.progress import ProgressView
from audits.remediation.missing import plan_missing
from audits.remediation.selections import MissingSelection
from audits.turn import Turn, TurnLost
from groupadmin.sandbox.slack.faults import Delay as SlackDelay
from groupadmin.sandbox.telegram.effects import Delay
from members.operations import lease, runner
from members.operations.models import Lease
from members.platforms.errors import TryLater
from members.platforms.types import Platform
from tests.audit_world import Meanwhile, Office, shared_office
from tests.remediation_world import confirmed, planned

SOMEBODY = "another-machine:1:operation"


office = pytest.fixture(shared_office)


def account() -> str:
    return lease.connection_of(Platform.TELEGRAM)


def taken_by_somebody() -> lease.Hold:
    hold = lease.take(connection=account(), owner=SOMEBODY)
    assert hold is not None
    return hold


def holder() -> str:
    return Lease.objects.filter(connection=account()).values_list("owner", flat=True).first() or ""


def request(*platforms: Platform) -> AuditRun:
    return services.request_audit(platforms=platforms or tuple(Platform), trigger=Trigger.PERSON)


class TestAnAudit:
    def test_holds_the_account_while_it_looks_and_gives_it_back(self, office: Office) -> None:
        office.telegram.script.add("GetDialogs", Delay(1.5))
        run = request()
        holders: set[bool] = set()

        def watch(view: ProgressView) -> None:
            looking = run.parts.get(platform=Platform.TELEGRAM)
            assert looking.owner
            holders.add(holder().startswith(looking.owner))

        services.execute_audit(run.pk, show=watch)

        run.refresh_from_db()
        assert (run.state, holders, holder()) == ("complete", {True}, "")

    def test_keeps_an_operation_waiting(self, office: Office) -> None:
        office.audit()
        operation = confirmed(planned(plan_missing(MissingSelection(platforms=(Platform.TELEGRAM,)))))
        office.telegram.script.add("GetDialogs", Delay(1.5))
        waited: list[str] = []

        def begin(view: ProgressView) -> None:
            if not waited:
                waited.append(runner.run_operation(operation.pk).state)

        services.execute_audit(request().pk, show=begin)

        assert waited == ["waiting"]

    def test_waits_for_its_turn_and_says_for_what(self, office: Office) -> None:
        hold = taken_by_somebody()
        labels: list[str] = []

        def watch(view: ProgressView) -> None:
            labels.append(view.label)
            lease.release(hold)

        run = services.execute_audit(request().pk, show=watch)

        assert run.state == "complete"
        assert "Telegram is waiting for an operation that uses the account" in labels[0]

    def test_looks_at_slack_meanwhile_and_is_partial_when_it_waited_in_vain(
        self, office: Office, settings: Settings
    ) -> None:
        settings.AUDIT_PATIENCE_SECONDS = 0.2
        taken_by_somebody()

        run = services.execute_audit(request().pk)

        assert (run.state, run.account_trouble) == ("partial", False)
        assert "an operation uses the account" in run.message
        assert {result.group.platform for result in run.results.select_related("group")} == {"slack"}
        assert office.telegram.calls.total == 0
        assert holder() == SOMEBODY

    def test_takes_over_from_a_holder_who_died(self, office: Office) -> None:
        taken_by_somebody()
        Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

        assert services.execute_audit(request().pk).state == "complete"

    def test_stops_when_somebody_else_took_the_account_and_starts_anew_later(self, office: Office) -> None:
        office.telegram.script.add("GetDialogs", Delay(30))

        def lose(view: ProgressView) -> None:
            Lease.objects.update(owner=SOMEBODY, token=99)

        run = services.execute_audit(request().pk, show=lose)

        assert (run.state, run.results.count()) == ("queued", 0)
        assert "took over the Telegram account" in run.message
        assert holder() == SOMEBODY

    def test_that_a_person_runs_says_what_happened_and_what_to_do(self, office: Office) -> None:
        def lose() -> None:
            Lease.objects.update(owner=SOMEBODY, token=99)
            connection.close()

        office.slack.script.add("users.conversations", Meanwhile(lose))
        office.telegram.script.add("GetDialogs", Delay(30))

        outcome = office.audit()

        (run,) = AuditRun.objects.all()
        assert (outcome.code, run.state) == (1, "queued")
        assert outcome.error == (
            "Another process took over the Telegram account: this one gave no sign of life for 45 seconds. "
            "Nothing was recorded here: run manage.py audit again, or leave it to the workers, "
            f"for whom it waits as {run}."
        )

    def test_waits_for_nothing_where_telegram_is_not_set_up(self, office: Office, settings: Settings) -> None:
        settings.TELEGRAM_SESSION = ""
        office.slack.script.add("users.conversations", SlackDelay(1.2))
        taken_by_somebody()
        labels: list[str] = []

        run = services.execute_audit(request().pk, show=lambda view: labels.append(view.label))

        assert run.state == "partial"
        assert labels and not any("waiting for an operation" in label for label in labels)

    def test_of_slack_alone_needs_no_turn(self, office: Office) -> None:
        taken_by_somebody()

        assert services.execute_audit(request(Platform.SLACK).pk).state == "complete"

    def test_gives_the_account_back_when_it_is_cancelled(self, office: Office) -> None:
        office.telegram.script.add("GetDialogs", Delay(30))
        run = request()

        def cancel(view: ProgressView) -> None:
            services.cancel_audit(run_id=run.pk)

        services.execute_audit(run.pk, show=cancel)

        run.refresh_from_db()
        assert (run.state, holder()) == ("cancelled", "")


@pytest.mark.django_db
class TestATurn:
    def turn(self, patience: float = 0.0) -> Turn:
        return Turn(Platform.TELEGRAM, owner="this-machine:1:audit", patience=patience)

    def use(self, turn: Turn) -> None:
        async def use() -> None:
            async with turn.taken():
                pass

        asyncio.run(use())

    def test_ends_with_its_use(self) -> None:
        turn = self.turn()
        self.use(turn)

        turn.keep()

        assert (holder(), turn.waiting) == ("", False)

    def test_that_never_came_is_not_taken_later(self) -> None:
        hold = taken_by_somebody()
        turn = self.turn()
        assert not turn.waiting, "nobody has asked for it yet"
        with pytest.raises(TryLater, match="an operation uses the account"):
            self.use(turn)
        lease.release(hold)

        turn.keep()

        assert (holder(), turn.waiting) == ("", False)

    def test_that_was_lost_is_told(self) -> None:
        turn = self.turn()
        Lease.objects.update(owner=SOMEBODY, token=99)

        with pytest.raises(TurnLost):
            turn.keep()

        turn.release()
        assert holder() == SOMEBODY
