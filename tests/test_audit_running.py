"""Audits as jobs: run by a worker, watched, cancelled, woken in turn, and taken up again after a death."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread
from time import sleep

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone

from audits import services
from audits.models import AuditRun, Finding, GroupResult, RunState, Trigger
from audits.record import RunLost, record
from audits.tasks import enqueue, wake_audits
from groupadmin.celery import app
from groupadmin.embedded import Engine
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack.faults import Delay
from members.models import Category, Group
from members.platforms.types import Platform
from tests.audit_world import TINY, Office
from tests.processes import environment, eventually, running, test_database_url
from tests.worlds import channel, in_groups, judge, person, policy, seen

AUDIT = [sys.executable, "manage.py", "audit", "--platform=slack"]
SLACK = (Platform.SLACK,)


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """In a database that other threads and processes see. Ask for it before `worker`."""
    return Office(start_sandbox(build_company(TINY)))


def request(*platforms: Platform, **fields: object) -> AuditRun:
    run = services.request_audit(platforms=platforms or SLACK, trigger=Trigger.PERSON)
    AuditRun.objects.filter(pk=run.pk).update(**fields)
    run.refresh_from_db()
    return run


def finished(run: AuditRun) -> AuditRun:
    """The run as soon as it has ended."""

    def ended() -> bool:
        run.refresh_from_db()
        return run.finished

    eventually(ended)
    return run


def linger(office: Office, seconds: float) -> None:
    """From now on Slack takes its time to tell who is in which channel."""
    office.slack.script.add("users.conversations", Delay(seconds), times=None)


def lists_to_read(office: Office) -> int:
    """How many people Slack is asked about: all but those whose account is off."""
    return sum(not member.slack_account.deleted for member in office.company.staff.values())


def store(*, total_members: int) -> None:
    """What an audit does with a channel that it saw; in any thread."""
    run = request(state="running", owner="this-machine:1:x")
    evaluation = judge(policy(), seen([channel("C1", total_members=total_members)]))
    try:
        record(run=run, evaluation=evaluation, state=RunState.COMPLETE, message="", at=timezone.now())
    finally:
        if threading.current_thread() is not threading.main_thread():
            connection.close()


class TestOnAWorker:
    def test_runs_to_its_end(self, office: Office, worker: None) -> None:
        run = request(*Platform)

        enqueue(run.pk)

        assert (finished(run).state, run.message, run.attempts) == ("complete", "", 1)
        assert run.results.count() == TINY.slack_in_scope + TINY.telegram_shared
        eventually(lambda: run.reports.count() == 3)

    def test_shows_how_far_it_is(self, office: Office, worker: None) -> None:
        office.slack.script.add("users.list", Delay(0.5))  # the list of channels is there first
        linger(office, 1.5)
        run = request()
        seen: set[tuple[str, int]] = set()

        def watched() -> bool:
            run.refresh_from_db()
            seen.add((run.progress_label, run.progress_percent))
            return run.finished

        enqueue(run.pk)
        eventually(watched)

        asked = len(office.company.staff)
        assert [label for label, percent in seen if label.endswith(f" of {asked}") and 20 < percent < 100]
        assert (run.state, run.progress_percent) == ("complete", 100)

    def test_is_cancelled_while_it_runs_and_records_nothing(self, office: Office, worker: None) -> None:
        linger(office, 30)
        run = request()
        enqueue(run.pk)
        eventually(lambda: "users.conversations" in office.slack.calls.counts())

        assert services.cancel_audit(run_id=run.pk)

        assert eventually(lambda: finished(run), seconds=15)
        assert (run.state, run.message) == ("cancelled", "Cancelled; nothing was recorded.")
        assert not (Group.objects.exists() or Finding.objects.exists() or GroupResult.objects.exists())

    def test_one_waits_for_the_other(self, office: Office, worker: None) -> None:
        linger(office, 0.5)
        runs = [request(), request()]

        for run in runs:
            enqueue(run.pk)

        assert {finished(run).state for run in runs} == {"complete"}
        first, second = AuditRun.objects.order_by("started_at")
        assert first.finished_at is not None and second.started_at is not None
        assert first.finished_at <= second.started_at

    def test_takes_up_what_a_killed_process_left_behind(
        self, office: Office, worker: None, tmp_path: Path
    ) -> None:
        linger(office, 30)
        env = environment(DATABASE_URL=test_database_url(), VAR_DIR=str(tmp_path), **office.environment)
        with running(AUDIT, env=env, log=tmp_path / "log") as process:
            eventually(lambda: "users.conversations" in office.slack.calls.counts())
            process.kill()
            process.wait(30)
        office.slack.script.clear()
        run = AuditRun.objects.get()
        assert run.state == "running"

        wake_audits.delay()

        assert (finished(run).state, run.attempts) == ("complete", 2)
        assert run.results.count() == TINY.slack_in_scope
        assert AuditRun.objects.count() == 1

    @pytest.mark.skipif(
        not django_settings.EMBEDDED, reason="about the worker inside the web server's process"
    )
    def test_is_handed_back_when_the_worker_stops_and_goes_on_with_the_next(self, office: Office) -> None:
        linger(office, 30)
        run = request()
        with Engine(app, beat=False) as engine:
            enqueue(run.pk)
            eventually(lambda: "users.conversations" in office.slack.calls.counts())
        run.refresh_from_db()
        assert not engine.left_working
        assert (run.state, run.owner, run.attempts) == ("queued", "", 0)
        office.slack.script.clear()

        with Engine(app, beat=False):
            wake_audits.delay()
            assert (finished(run).state, run.attempts) == ("complete", 1)


class TestCancelling:
    def test_what_waits_ends_at_once(self, office: Office) -> None:
        run = request()

        assert services.cancel_audit(run_id=run.pk)

        assert finished(run).state == "cancelled"
        with pytest.raises(services.AuditBusy):
            services.execute_audit(run.pk)

    def test_what_has_ended_stays_as_it_is(self, office: Office) -> None:
        run = services.execute_audit(request().pk)

        assert not services.cancel_audit(run_id=run.pk)

        run.refresh_from_db()
        assert (run.state, run.cancel_requested) == ("complete", False)

    def test_counts_until_the_last_moment(self, office: Office) -> None:
        """The observation may be over before anybody looks whether it was cancelled."""
        run = request(cancel_requested=True)

        assert services.execute_audit(run.pk).state == "cancelled"
        assert not Group.objects.exists()

    def test_may_come_when_everything_has_been_read_already(self, office: Office) -> None:
        linger(office, 0.6)
        run = request()

        def cancel_late(_: object) -> None:
            services.cancel_audit(run_id=run.pk)
            eventually(lambda: office.slack.calls.counts()["users.conversations"] == lists_to_read(office))
            sleep(1)  # the last answer arrives, and the event loop closes

        assert services.execute_audit(run.pk, show=cancel_late).state == "cancelled"


class TestTakingUp:
    LONG_AGO = timezone.now() - timedelta(minutes=2)

    def test_a_silent_run_is_an_orphan_wherever_it_ran(self, office: Office) -> None:
        run = request(state="running", owner="another-machine:1:x", heartbeat_at=self.LONG_AGO, attempts=1)

        assert services.recover_audits(now=timezone.now()) == [run.pk]

        run.refresh_from_db()
        assert (run.state, run.owner) == ("queued", "")

    def test_a_run_whose_heart_beats_is_left_alone(self, office: Office) -> None:
        run = request(state="running", owner="another-machine:1:x", heartbeat_at=timezone.now())

        assert services.recover_audits(now=timezone.now()) == []

        run.refresh_from_db()
        assert run.state == "running"

    def test_ends_after_the_third_death(self, office: Office) -> None:
        run = request(state="running", owner="another-machine:1:x", heartbeat_at=self.LONG_AGO, attempts=3)

        assert services.recover_audits(now=timezone.now()) == []

        run.refresh_from_db()
        assert (run.state, run.message) == ("failed", "Given up: the process died 3 times while it ran.")

    def test_the_oldest_comes_first(self, office: Office) -> None:
        runs = [request(), request()]
        assert services.recover_audits(now=timezone.now()) == [run.pk for run in runs]


class TestOneHolder:
    def test_only_one_run_is_under_way(self, office: Office) -> None:
        request(state="running", owner="another-machine:1:x", heartbeat_at=timezone.now())
        run = request()

        with pytest.raises(services.AuditBusy, match="Another audit is running"):
            services.execute_audit(run.pk)

        run.refresh_from_db()
        assert (run.state, run.attempts) == ("queued", 0)

    def test_who_was_taken_for_dead_stops_and_records_nothing(self, office: Office) -> None:
        linger(office, 30)
        run = request()

        def lose(_: object) -> None:
            run.parts.update(owner="another-machine:1:x")

        services.execute_audit(run.pk, show=lose)

        assert run.parts.get().owner == "another-machine:1:x"
        run.refresh_from_db()
        assert (run.state, run.results.count(), Finding.objects.count()) == ("running", 0, 0)
        assert office.slack.calls.counts()["users.conversations"] < lists_to_read(office), "it did not go on"

    def test_a_zombie_that_has_its_findings_already_cannot_record_them(self, transactional_db: None) -> None:
        run = request(state="running", owner="another-machine:1:x")
        zombie = AuditRun(pk=run.pk, owner="this-machine:1:x")
        evaluation = judge(policy(person("ada")), seen([channel("C1")], in_groups("ada")))

        with pytest.raises(RunLost):
            record(run=zombie, evaluation=evaluation, state=RunState.COMPLETE, message="", at=timezone.now())

        run.refresh_from_db()
        assert (run.state, Group.objects.count(), Finding.objects.count()) == ("running", 0, 0)

    def test_a_category_that_is_pinned_while_it_stores_the_groups_stays(self, transactional_db: None) -> None:
        for key in ("customer", "intro"):
            Category.objects.create(key=key, name=key)
        store(total_members=9)
        storing = Thread(target=store, kwargs={"total_members": 10})

        with transaction.atomic():
            Group.objects.update(category=Category.objects.get(key="intro"), category_pinned=True)
            storing.start()
            sleep(0.5)  # it comes to where it has to wait for us
        storing.join()

        group = Group.objects.select_related("category").get()
        assert (group.total_members, str(group.category)) == (10, "intro")

    def test_a_worker_that_stops_gives_the_run_back(self, office: Office) -> None:
        linger(office, 1.2)
        run = request()

        services.execute_audit(run.pk, stopping=lambda: True)

        run.refresh_from_db()
        assert (run.state, run.owner, run.attempts, run.results.count()) == (RunState.QUEUED, "", 0, 0)
