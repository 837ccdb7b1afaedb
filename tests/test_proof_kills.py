"""kill -9 of every process, at random, while every kind of job is under way: nothing lost, nothing twice.

PROOF_SEED chooses other moments, PROOF_KILLS how often each job loses its process.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audits.models import AuditRun
from members.notices.models import Message
from tests.processes import product_environment
from tests.proof_stack import WORKERS, Stack, look_often, stack_of
from tests.proof_world import Day, World, ask_for, assert_all_is_well, begin, world_of

pytestmark = pytest.mark.services

SEED = os.environ.get("PROOF_SEED", "1")
KILLS = int(os.environ.get("PROOF_KILLS", "1"))
"""How often each kind of job loses its process. An audit is given up after three deaths."""
PROGRAMS = ("web", "worker", "telegram", "beat", "bot", "slack_events")
AT_ANY_TIME = ("web", "beat", "bot", "slack_events")
"""What is killed between the jobs."""
QUICK = {"export", "evidence"}
"""What waits for no platform."""
ASKED_AGAIN = ("export", "evidence", "audit")
"""What is asked for once more when it was too quick to be killed."""
SLOW, STANDSTILL = 0.3, 2.0
"""Seconds that platforms take for a call, so that jobs are caught at work."""


def environment(world: World, folder: Path) -> dict[str, str]:
    """What all programs are told; they believe the sessions of the tests."""
    return product_environment(
        **world.environment,
        REDIS_URL=django_settings.REDIS_URL,
        MEDIA_ROOT=str(django_settings.MEDIA_ROOT),
        VAR_DIR=str(folder),
        SECRET_KEY=django_settings.SECRET_KEY,
    )


class Visitor:
    """Somebody signed in who asks for audits through the web, and notes what came back."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        client = Client()
        client.force_login(User.objects.create_superuser("ada"))
        page = client.get(reverse("admin:audits_auditrun_start"))
        self._cookies = "; ".join(f"{name}={each.value}" for name, each in client.cookies.items())
        self._token = str(page.context["csrf_token"])
        self.answers: Counter[str] = Counter()

    def ask_for_an_audit(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._stack.port, timeout=10)
        form = {"platforms": "slack", "csrfmiddlewaretoken": self._token}
        headers = {"Cookie": self._cookies, "Content-Type": "application/x-www-form-urlencoded"}
        try:
            connection.request("POST", reverse("admin:audits_auditrun_start"), urlencode(form), headers)
            answer = connection.getresponse()
            led_to = answer.headers.get("Location", "")
            self.answers["taken" if "/auditrun/" in led_to else f"{answer.status} {led_to}"] += 1
        except ConnectionRefusedError:
            self.answers["refused"] += 1
        except (OSError, http.client.HTTPException):
            self.answers["lost"] += 1
        finally:
            connection.close()


@dataclass
class Fate:
    """What happens to the programs while the jobs of a day are under way, by a seeded chance."""

    day: Day
    stack: Stack
    visitor: Visitor
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    killed: Counter[str] = field(default_factory=Counter)
    """Jobs that lost their process, and programs that were killed whole."""
    stopped: list[tuple[str, int]] = field(default_factory=list)
    """Programs that were asked to end while they worked, and their exit codes."""

    def run(self) -> None:
        """Each job that is under way loses its process, and each other program is killed once in between."""
        others = list(AT_ANY_TIME) * KILLS
        self.chance.shuffle(others)
        while others or not self.day.is_over():
            time.sleep(0.04)
            if doing := {job: pid for job, pid in self.day.holders().items() if self.killed[job] < KILLS}:
                self._strike(self.chance.choice(sorted(doing.keys() & QUICK or doing.keys())))
            elif others and self.chance.random() < 0.3:
                self.visitor.ask_for_an_audit()
                self._kill_program(others.pop())
            for job in ASKED_AGAIN:
                if self.killed[job] < KILLS and self.day.row(job).finished_at is not None:
                    ask_for(self.day, job)  # it was too quick
            if not others and all(self.killed[job] >= KILLS for job in self.day.jobs):
                self.day.world.take(0.0)
            minutes_pass()

    def _strike(self, job: str) -> None:
        time.sleep(self.chance.uniform(0, 0.1))
        pid = self.day.holders().get(job)
        worker = pid and next((name for name in WORKERS if self._works_for(pid, name)), None)
        if not pid or not worker:
            return  # it was quicker
        if not self.stopped:
            self.day.world.take(STANDSTILL)  # nobody else gets on while we wait
            self.stopped.append((worker, self.stack.stop(worker)))
            self._assert_handed_back(job, pid)
            self.stack.start(worker)
            self.day.world.take(SLOW)
            return
        self.killed[job] += 1
        if self.chance.random() < 0.25:
            self._kill_program(worker)
        else:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _works_for(self, pid: int, worker: str) -> bool:
        with suppress(ProcessLookupError):
            return os.getpgid(pid) == self.stack.pid(worker)
        return False

    def _assert_handed_back(self, job: str, pid: int) -> None:
        """Nobody has to find out that its process is gone, and no attempt is counted."""
        assert self.day.holders().get(job) != pid
        assert self.day.row(job).attempts <= 1

    def _kill_program(self, name: str) -> None:
        self.killed[name] += 1
        self.stack.kill(name)
        self.stack.start(name)


def minutes_pass() -> None:
    """A message whose sender died is taken back after minutes, which the test need not wait for."""
    silent = Message.objects.filter(state="sending", claimed_at__lt=timezone.now() - timedelta(seconds=25))
    silent.update(claimed_at=timezone.now() - timedelta(minutes=6))


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path / "stack"


def test_whatever_is_killed_while_everything_is_done(
    installation: None, settings: Settings, folder: Path
) -> None:
    print(f"PROOF_SEED={SEED}")
    with world_of(settings) as world:
        look_often()
        with stack_of(folder, environment(world, folder), *PROGRAMS) as stack:
            visitor = Visitor(stack)
            world.take(SLOW)
            fate = Fate(begin(world), stack, visitor)
            fate.run()
            stack.wait_until_ready()
            ended = {name: stack.stop(name) for name in PROGRAMS}
        assert_all_is_well(fate.day)

    assert set(fate.day.jobs) | set(AT_ANY_TIME) <= set(fate.killed), "something was too quick to be killed"
    assert [code for _, code in fate.stopped] == [0]
    assert ended == dict.fromkeys(PROGRAMS, 0)
    asked = AuditRun.objects.filter(requested_by__username="ada").count()
    answers = fate.visitor.answers
    assert answers["taken"] <= asked <= answers["taken"] + answers["lost"], answers
    assert set(answers) <= {"taken", "refused", "lost"}
