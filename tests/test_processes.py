"""`manage.py serve` with a broker: four processes that start, speak and stop as one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from django.conf import settings

from audits.models import Trigger
from audits.services import request_audit
from audits.tasks import enqueue
from groupadmin.processes import NICENESS, Group, Program
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack.faults import Delay
from members.platforms.types import Platform
from tests.audit_world import TINY, Office
from tests.processes import (
    celery_worker,
    environment,
    eventually,
    free_port,
    manage,
    running,
    test_database_url,
)

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


def python(name: str, code: str, **env: str) -> Program:
    return Program(name, [sys.executable, "-c", code], env)


def test_what_the_programs_print_carries_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []

    def both_spoke() -> bool:
        lines.extend(capsys.readouterr().out.splitlines())
        return len(lines) == 2

    with Group(
        [python("web", "import os; print(os.environ['GREETING'])", GREETING="hello"), python("beat", SLEEPER)]
    ):
        eventually(both_spoke)

    assert sorted(lines) == ["beat | up", "web  | hello"]


def test_one_that_ends_is_named_and_ends_the_others() -> None:
    group = Group([python("worker", "raise SystemExit(3)"), python("beat", SLEEPER)])

    with group:
        assert group.wait() == "worker ended by itself (exit code 3)"

    assert group.exit_codes == {"worker": 3, "beat": -signal.SIGTERM}


LISTENER = """
import signal, sys
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: sys.exit(7))
print("up", flush=True)
signal.pause()
"""
CALLER = """
import os, sys
from groupadmin.processes import foreground
sys.exit(foreground([sys.executable, "-c", sys.argv[1]], os.environ))
"""


@pytest.mark.parametrize("how", ["terminated", "Ctrl-C"])
def test_a_foreground_program_answers_our_signals_and_we_wait_for_it(tmp_path: Path, how: str) -> None:
    log = tmp_path / "caller.log"

    with running(
        [sys.executable, "-c", CALLER, LISTENER], env=environment(), log=log, own_group=True
    ) as process:
        eventually(lambda: "up" in log.read_text())
        if how == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)  # a terminal tells the whole group
        else:
            process.terminate()
        assert process.wait(30) == 7


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_serve_runs_web_workers_and_beat(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "serve.log"
    env = environment(
        DATABASE_URL=test_database_url(),
        REDIS_URL=settings.REDIS_URL,
        VAR_DIR=str(tmp_path),
        SECRET_KEY="tests only",
    )
    collected = manage("collectstatic", "--noinput", "--verbosity", "0", env=env)
    assert collected.returncode == 0, collected.stderr

    def answers() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/admin/login/") as page:  # noqa: S310  # our own address
                return bool(page.status == 200)
        except URLError:
            return False

    with running([sys.executable, "manage.py", "serve", "--port", str(port)], env=env, log=log) as process:
        eventually(lambda: answers() and log.read_text().count(" ready") >= 2 or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, log.read_text()

    assert "Traceback" not in log.read_text()


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_an_audit_that_runs_when_the_workers_stop_goes_back_to_the_queue(
    start_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    office = Office(start_sandbox(build_company(TINY)))
    office.slack.script.add("users.conversations", Delay(2), times=None)
    run = request_audit(platforms=[Platform.SLACK], trigger=Trigger.PERSON)
    enqueue(run.pk)
    with celery_worker(tmp_path) as process:
        eventually(lambda: "users.conversations" in office.slack.calls.counts())
        assert os.getpriority(os.PRIO_PROCESS, process.pid) >= NICENESS, "people come first"
        process.terminate()
        assert process.wait(40) == 0

    run.refresh_from_db()
    assert (run.state, run.attempts, run.owner) == ("queued", 0, "")
    assert "Traceback" not in (tmp_path / "worker.log").read_text()
