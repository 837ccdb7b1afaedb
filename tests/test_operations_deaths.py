"""Workers that die, and the things they need that go away: every step ends once, nothing is written twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from pytest_django import DjangoDbBlocker, Settings
from redis import Redis

from groupadmin.celery import app
from groupadmin.sandbox.control import WriteLog
from groupadmin.sandbox.slack import SlackSandbox
from members.operations import activity, runner
from members.operations.models import ActivityEvent, Operation
from members.operations.states import StepState
from members.operations.tasks import enqueue, wake_operations
from members.platforms.types import Platform
from tests.operations_world import (
    Desk,
    SlackAccount,
    came_twice,
    everybody_everywhere,
    install,
    states,
    use_account,
    workspace,
)
from tests.processes import celery_worker, eventually, free_port, kill, supervisor
from tests.servers import Postgres, own_postgres, own_redis, redis_at

CHANNELS, PEOPLE = 250, 2
KILLS = 20
LONG = 300.0
"""Seconds: after a crash an operation rests, each time for longer."""


@pytest.fixture
def slack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[SlackSandbox]:
    """250 channels, two people in none of them; every write also stands in `tmp_path / "writes"`."""
    log = WriteLog(tmp_path / "writes")
    with SlackSandbox(workspace(CHANNELS, PEOPLE), latency=0.003, write_log=log) as server:
        settings.SLACK_API_URL = server.api_url
        use_account(monkeypatch, Platform.SLACK, SlackAccount(server.api_url))
        yield server
        assert server.bugs == []


@pytest.fixture
def desk(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return install(Desk(), monkeypatch)


def workers(
    slack: SlackSandbox, folder: Path, *, concurrency: int = 1
) -> AbstractContextManager[Callable[[], int]]:
    module, calls = "tests.operations_process", str(concurrency)
    return supervisor(module, folder, SLACK_API_URL=slack.api_url, OPERATION_CONCURRENCY=calls)


def ended(operation: Operation) -> bool:
    operation.refresh_from_db()
    return operation.finished_at is not None


def calls_in_doubt(operation: Operation) -> int:
    """How many calls nobody knows the end of: there is one for each channel."""
    return operation.steps.filter(state=StepState.RUNNING).values("group_id").distinct().count()


def assert_everything_was_done_once(operation: Operation, writes: Path) -> None:
    operation.refresh_from_db()
    assert (operation.state, set(states(operation))) == ("done", {"done"})
    written = WriteLog.read(writes)
    assert came_twice(written) == set()
    assert len(written) == operation.count
    ends = ActivityEvent.objects.filter(operation_id=operation.pk, action="step.add")
    assert ends.count() == ends.values("group_id", "subject").distinct().count() == operation.count
    assert activity.verify().problem == ""


@pytest.mark.parametrize("concurrency", [pytest.param(1, marks=pytest.mark.services), 4])
def test_a_worker_that_is_killed_twenty_times(
    desk: Desk, slack: SlackSandbox, tmp_path: Path, concurrency: int
) -> None:
    chance = random.Random(concurrency)
    in_doubt = []
    operation = desk.confirmed(everybody_everywhere(CHANNELS, PEOPLE))
    with workers(slack, tmp_path, concurrency=concurrency) as start:
        worker = start()
        for _ in range(KILLS):
            written = len(slack.writes.all()) + chance.randrange(30)
            while len(slack.writes.all()) < written:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.02))
            kill(worker)  # ProcessLookupError: it was too quick to be killed so often
            in_doubt.append(calls_in_doubt(operation))
            worker = start()
        eventually(lambda: ended(operation), seconds=LONG)

    assert max(in_doubt) == concurrency
    assert_everything_was_done_once(operation, tmp_path / "writes")


def test_two_workers_on_one_operation(desk: Desk, slack: SlackSandbox, tmp_path: Path) -> None:
    operation = desk.confirmed(everybody_everywhere(40, PEOPLE))
    with workers(slack, tmp_path) as start:
        start()
        start()
        eventually(lambda: ended(operation), seconds=LONG)

    assert_everything_was_done_once(operation, tmp_path / "writes")


def test_two_operations_take_turns(desk: Desk, slack: SlackSandbox, tmp_path: Path) -> None:
    """Two workers, one connection."""
    steps = everybody_everywhere(40, PEOPLE)
    first, second = desk.confirmed(steps[:40]), desk.confirmed(steps[40:])
    with workers(slack, tmp_path) as start:
        start()
        start()
        eventually(lambda: ended(first) and ended(second))

    assert [first.state, second.state] == ["done", "done"]
    assert came_twice(slack.writes.all()) == set()
    assert len(slack.writes.all()) == 80


def test_the_broker_forgets_everything(
    desk: Desk, slack: SlackSandbox, tmp_path: Path, worker: None, settings: Settings
) -> None:
    settings.OPERATION_SLICE_SECONDS = 0.1
    operation = desk.confirmed(everybody_everywhere(40, PEOPLE))
    enqueue(operation.pk)
    for _ in range(10):
        time.sleep(0.03)
        app.control.purge()

    def woken() -> bool:
        """As beat does every few seconds."""
        wake_operations.delay()
        time.sleep(0.1)
        return ended(operation)

    eventually(woken)
    assert_everything_was_done_once(operation, tmp_path / "writes")


@pytest.mark.skipif(not django_settings.EMBEDDED, reason="about SQLite")
def test_the_database_is_locked_for_a_while(desk: Desk, slack: SlackSandbox, tmp_path: Path) -> None:
    operation = desk.confirmed(everybody_everywhere(40, PEOPLE))

    def lock() -> None:
        eventually(lambda: len(slack.writes.all()) >= 20)
        with sqlite3.connect(connection.settings_dict["NAME"]) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(1)

    locking = Thread(target=lock)
    locking.start()
    runner.run_operation(operation.pk)
    locking.join()

    assert_everything_was_done_once(operation, tmp_path / "writes")


# The product's own worker and beat, on servers that really go away


@pytest.fixture
def postgres(django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """The database of this test and its workers: one that may be restarted."""
    with own_postgres() as server, django_db_blocker.unblock():
        connection.close()
        for name, value in {"HOST": "127.0.0.1", "PORT": server.port, "NAME": "postgres"}.items():
            monkeypatch.setitem(connection.settings_dict, name, value)
        call_command("migrate", verbosity=0)
        yield server
        connection.close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A client of the broker of this test's workers: one that may be emptied."""
    with own_redis(tmp_path) as client:
        yield client


@contextmanager
def worker_and_beat(folder: Path, redis: Redis, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    url = f"redis://127.0.0.1:{redis.get_connection_kwargs()['port']}"
    with celery_worker(folder, "--beat", *options, redis_url=url) as process:
        yield process


def look_often() -> None:
    """Have beat look after the operations every second instead of every ten."""
    second, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(name="often", task=wake_operations.name, interval=second)


@pytest.mark.services
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgresql_is_restarted(
    postgres: Postgres,
    redis: Redis,
    slack: SlackSandbox,
    tmp_path: Path,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends every connection, or crashes; it is away for a while, and comes back."""
    look_often()
    operation = install(Desk(), monkeypatch).confirmed(everybody_everywhere(CHANNELS, PEOPLE))
    with worker_and_beat(tmp_path, redis):
        for writes in (50, 200, 350):
            eventually(lambda: len(slack.writes.all()) >= writes)  # noqa: B023
            connection.close()
            postgres.stop(mode)
            time.sleep(1)
            postgres.start()
        eventually(lambda: ended(operation), seconds=LONG)

    assert_everything_was_done_once(operation, tmp_path / "writes")


@pytest.mark.services
def test_redis_forgets_everything(desk: Desk, redis: Redis, slack: SlackSandbox, tmp_path: Path) -> None:
    """While the worker works, between its slices, and when it has just been killed."""
    look_often()
    operation = desk.confirmed(everybody_everywhere(CHANNELS, PEOPLE))
    with worker_and_beat(tmp_path, redis) as process:
        eventually(lambda: redis.flushall() and len(slack.writes.all()) >= 200)
        os.killpg(process.pid, signal.SIGKILL)
        redis.flushall()
    assert not ended(operation)

    with worker_and_beat(tmp_path, redis):
        eventually(lambda: len(slack.writes.all()) >= 350)
        redis.flushall()
        eventually(lambda: ended(operation), seconds=LONG)

    assert_everything_was_done_once(operation, tmp_path / "writes")


@pytest.mark.services
def test_redis_is_away_in_the_middle_of_a_slice(desk: Desk, slack: SlackSandbox, tmp_path: Path) -> None:
    """The worker comes back by itself: nobody starts it again."""
    look_often()
    operation = desk.confirmed(everybody_everywhere(10, PEOPLE))
    slack.latency = 1.0
    port = free_port()
    with ExitStack() as broker:
        redis = broker.enter_context(redis_at(port, tmp_path))
        with worker_and_beat(tmp_path, redis, "--concurrency=2") as worker:  # one works, one waits for work
            for writes in (1, 3):
                eventually(lambda: len(slack.writes.all()) >= writes)  # noqa: B023
                broker.close()
                time.sleep(2)
                broker.enter_context(redis_at(port, tmp_path))
            slack.latency = 0.0
            eventually(lambda: ended(operation) or worker.poll() is not None, seconds=LONG)
            assert worker.poll() is None, (tmp_path / "worker.log").read_text()[-2000:]

    assert_everything_was_done_once(operation, tmp_path / "writes")
