"""`manage.py serve` without a broker: web server, worker and beat in one real process."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from urllib.request import urlopen

import pytest
from django.core.management import execute_from_command_line

from tests.databases import put_migrated_database
from tests.processes import environment, eventually, free_port, manage, running

DATABASE = "groupadmin.sqlite3"

WORK = """
from datetime import UTC, datetime
from audits.models import Trigger
from audits.services import request_audit
from django.contrib.sessions.models import Session
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from members.platforms.types import Platform

Session.objects.create(session_key="old", session_data="", expire_date=datetime(2020, 1, 1, tzinfo=UTC))
second, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.SECONDS)
PeriodicTask.objects.create(name="often", task="groupadmin.tasks.clear_expired_sessions", interval=second)
request_audit(platforms=[Platform.SLACK], trigger=Trigger.COMMAND)
"""
"""An expired session, a schedule that clears it, and an audit that waits."""


@dataclass
class Home:
    """A folder in which the product keeps everything, and how to run the product there."""

    folder: Path
    env: dict[str, str]

    def ask(self, sql: str) -> str | int:
        """The single value that `sql` finds in the product's database."""
        with closing(sqlite3.connect(self.folder / DATABASE, timeout=20)) as database:
            (value,) = database.execute(sql).fetchone()
        return value

    def tell(self, sql: str) -> None:
        with closing(sqlite3.connect(self.folder / DATABASE, timeout=20)) as database, database:
            database.execute(sql)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `make run` leaves it before serving: migrated; and some work to do."""
    folder = tmp_path_factory.mktemp("prepared")
    put_migrated_database(folder / DATABASE)
    done = manage("shell", "--command", WORK, env=environment(VAR_DIR=str(folder)))
    assert done.returncode == 0, done.stderr
    return folder


def copy_of(prepared: Path, folder: Path) -> Home:
    copytree(prepared, folder, dirs_exist_ok=True)
    return Home(folder, environment(VAR_DIR=str(folder)))


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Home:
    return copy_of(prepared, tmp_path / "var")


@dataclass
class Served:
    home: Home
    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def serve(home: Home, log: Path) -> Iterator[Served]:
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--port", str(port)]
    with running(command, env=home.env, log=log) as process:
        eventually(lambda: "Group Admin is on" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield Served(home, f"http://127.0.0.1:{port}", process, log)


@pytest.fixture(scope="module")
def served(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """For the tests that leave it as it is."""
    home = copy_of(prepared, tmp_path_factory.mktemp("served"))
    with serve(home, home.folder / "serve.log") as served:
        yield served


def test_pages_come_with_their_style(served: Served) -> None:
    with urlopen(f"{served.url}/admin/login/") as page:  # noqa: S310  # our own address
        assert page.status == 200
        assert "admin/css/base.css" in page.read().decode()
    with urlopen(f"{served.url}/static/admin/css/base.css") as style:  # noqa: S310
        assert style.status == 200
        assert style.headers["Content-Type"].startswith("text/css")


def test_a_schedule_in_the_database_sets_the_worker_to_work(served: Served) -> None:
    eventually(lambda: served.home.ask("SELECT count(*) FROM django_session") == 0)


def test_a_second_instance_is_refused_in_one_line(served: Served) -> None:
    second = manage("serve", "--port", str(free_port()), env=served.home.env)

    assert second.returncode == 1
    assert second.stderr.splitlines() == [
        f"Group Admin already runs here (process {served.process.pid}): "
        "stop that one first, or set VAR_DIR to another folder."
    ]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(home: Home, tmp_path: Path, how: signal.Signals) -> None:
    with serve(home, tmp_path / "log") as served:
        served.process.send_signal(how)

        assert served.process.wait(30) == 0
    assert "Traceback" not in served.log.read_text()


def test_after_a_kill_the_next_start_takes_up_what_waited(home: Home, tmp_path: Path) -> None:
    with serve(home, tmp_path / "first.log") as first:
        first.process.kill()
        first.process.wait()
    home.tell("UPDATE audits_auditrun SET state = 'queued', attempts = 0, finished_at = NULL")

    with serve(home, tmp_path / "second.log"):
        # No account is configured here, so failing is how this audit ends.
        eventually(lambda: home.ask("SELECT state FROM audits_auditrun") == "failed")


def test_a_taken_port_is_told_in_one_line(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = manage("serve", "--port", str(port), env=home.env)

    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"Cannot listen on 127.0.0.1:{port} (Address already in use): choose another --port or --host."
    ]


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("--port=99999", "argument --port: '99999' is not a port: a number from 1 to 65535"),
        ("--port=http", "argument --port: 'http' is not a port: a number from 1 to 65535"),
        ("--host=nowhere.invalid", "There is no address 'nowhere.invalid': choose another --host."),
        (f"--host={'x' * 70}.example", f"There is no address '{'x' * 70}.example': choose another --host."),
    ],
)
def test_a_place_that_does_not_exist_is_told_in_one_line(
    option: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        execute_from_command_line(["manage.py", "serve", option])

    assert refused.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(complaint)
