"""Workers that die, and the things they need that go away: every step ends once, nothing is written twice."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection
from psycopg import sql
from pytest_django import Settings

from groupadmin.celery import app
from groupadmin.sandbox.control import WriteLog
from groupadmin.sandbox.slack import SlackSandbox
from members.operations import activity, runner
from members.operations.models import ActivityEvent, Operation
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
from tests.processes import ROOT, environment, eventually, test_database_url

CHANNELS, PEOPLE = 250, 2
KILLS = 20


@pytest.fixture
def slack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackSandbox]:
    """250 channels, two people in none of them; every write also stands in `tmp_path / "writes"`."""
    log = WriteLog(tmp_path / "writes")
    with SlackSandbox(workspace(CHANNELS, PEOPLE), latency=0.003, write_log=log) as server:
        use_account(monkeypatch, Platform.SLACK, SlackAccount(server.api_url))
        yield server
        assert server.bugs == []


@pytest.fixture
def desk(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return install(Desk(), monkeypatch)


@contextmanager
def supervisor(slack: SlackSandbox, database_url: str, folder: Path) -> Iterator[Callable[[], int]]:
    """`start()` has a worker process begin, and returns its id."""
    env = environment(DATABASE_URL=database_url, VAR_DIR=str(folder), SLACK_API_URL=slack.api_url)
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.operations_process"],
            cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        orders, answers = process.stdin, process.stdout

        def start() -> int:
            orders.write("\n")
            orders.flush()
            return int(answers.readline())

        yield start
        orders.close()
        process.kill()


def ended(operation: Operation) -> bool:
    operation.refresh_from_db()
    return operation.finished_at is not None


def assert_everything_was_done_once(operation: Operation, writes: Path) -> None:
    operation.refresh_from_db()
    assert (operation.state, set(states(operation))) == ("done", {"done"})
    written = WriteLog.read(writes)
    assert came_twice(written) == set()
    assert len(written) == operation.count
    ends = ActivityEvent.objects.filter(operation_id=operation.pk, action="step.add")
    assert ends.count() == ends.values("group_id", "subject").distinct().count() == operation.count
    assert activity.verify().problem == ""


@pytest.mark.parametrize("seed", [1, 2])
def test_a_worker_that_is_killed_twenty_times(
    desk: Desk, slack: SlackSandbox, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    operation = desk.confirmed(everybody_everywhere(CHANNELS, PEOPLE))
    with supervisor(slack, test_database_url(), tmp_path) as start:
        worker = start()
        for _ in range(KILLS):
            written = len(slack.writes.all()) + chance.randrange(30)
            while len(slack.writes.all()) < written:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.02))
            os.kill(worker, 9)  # ProcessLookupError: it was too quick to be killed so often
            worker = start()
        eventually(lambda: ended(operation))

    assert_everything_was_done_once(operation, tmp_path / "writes")


def test_two_workers_on_one_operation(desk: Desk, slack: SlackSandbox, tmp_path: Path) -> None:
    operation = desk.confirmed(everybody_everywhere(40, PEOPLE))
    with supervisor(slack, test_database_url(), tmp_path) as start:
        start()
        start()
        eventually(lambda: ended(operation))

    assert_everything_was_done_once(operation, tmp_path / "writes")


def test_two_operations_take_turns(desk: Desk, slack: SlackSandbox, tmp_path: Path) -> None:
    """Two workers, one connection."""
    steps = everybody_everywhere(40, PEOPLE)
    first, second = desk.confirmed(steps[:40]), desk.confirmed(steps[40:])
    with supervisor(slack, test_database_url(), tmp_path) as start:
        start()
        start()
        eventually(lambda: ended(first) and ended(second))

    assert [first.state, second.state] == ["done", "done"]
    assert came_twice(slack.writes.all()) == set()
    assert len(slack.writes.all()) == 80


@pytest.mark.skipif(
    not django_settings.EMBEDDED, reason="the worker's process does not know the tests' kinds"
)
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


@pytest.mark.services
def test_the_database_hangs_up_and_is_away_for_a_while(
    desk: Desk, slack: SlackSandbox, tmp_path: Path
) -> None:
    """To its clients, a restart: all connections break, and for a while there are no new ones."""
    operation = desk.confirmed(everybody_everywhere(CHANNELS, PEOPLE))
    with supervisor(slack, test_database_url(), tmp_path) as start:
        start()
        for writes in (50, 200, 350):
            eventually(lambda: len(slack.writes.all()) >= writes)  # noqa: B023
            connection.close()
            with away(connection.settings_dict):
                time.sleep(1)
        eventually(lambda: ended(operation))

    assert_everything_was_done_once(operation, tmp_path / "writes")


@contextmanager
def away(database: dict[str, Any]) -> Iterator[None]:
    """PostgreSQL ends every connection to `database` and accepts no other."""
    name = sql.Identifier(database["NAME"])
    allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    with psycopg.connect(
        host=database["HOST"],
        port=database["PORT"],
        user=database["USER"],
        dbname="postgres",
        autocommit=True,
    ) as server:
        server.execute(allow.format(name, sql.SQL("false")))
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database["NAME"]]
        )
        yield
        server.execute(allow.format(name, sql.SQL("true")))
