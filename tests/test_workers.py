"""Tasks reach a worker: a thread on the embedded default, a real Celery process on the services."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from audits.history.models import SyncJob
from audits.history.tasks import wake_history
from audits.models import AuditRun
from audits.tasks import wake_audits
from groupadmin.broker import Transport
from groupadmin.celery import app
from groupadmin.embedded import Engine
from groupadmin.tasks import clear_expired_sessions
from members import worker
from members.operations.models import Operation
from members.operations.tasks import wake_operations
from tests.processes import ROOT, eventually
from whitelist.models import SeedingJob
from whitelist.tasks import wake_seedings


@pytest.mark.usefixtures("worker")
def test_a_task_that_was_sent_is_run() -> None:
    Session.objects.create(session_key="old", session_data="", expire_date=datetime(2020, 1, 1, tzinfo=UTC))

    clear_expired_sessions.delay()

    eventually(lambda: not Session.objects.exists())


def waiting() -> dict[str, int]:
    """How many messages wait in each queue."""
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        return {name: channel.queue_declare(name).message_count for name in app.amqp.queues}


def test_telegram_work_waits_in_a_queue_of_its_own() -> None:
    app.control.purge()

    app.send_task("telegram_ops.tasks.invented")
    app.send_task("audits.tasks.invented")
    app.send_task("audits.tasks.invented")

    assert waiting() == {"default": 2, "telegram": 1}
    app.control.purge()


def test_the_way_to_a_broker_is_encrypted_where_its_address_says_so() -> None:
    for scheme, encrypted in (("redis", False), ("rediss", True)):
        with app.connection_for_read(f"{scheme}://broker.example.com") as connection:
            assert bool(connection.ssl) is encrypted
            assert connection.get_transport_cls() is Transport


@pytest.mark.django_db
def test_nothing_is_woken_behind_what_waits_for_a_busy_telegram_worker(
    settings: Settings, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    settings.EMBEDDED = False
    now = timezone.now()
    for state in ("confirmed", "waiting"):
        Operation.objects.create(
            state=state, platforms=["telegram"], count=1, trigger="schedule", expires_at=now, resume_at=now
        )
    AuditRun.objects.create(platforms=["slack", "telegram"], trigger="schedule")
    SyncJob.objects.create(groups=[["telegram", "1"]])
    SeedingJob.objects.create()

    def wake(task: Any) -> dict[str, int]:
        with django_capture_on_commit_callbacks(execute=True):
            task()
        return waiting()

    for task, due in (
        (wake_operations, {"default": 0, "telegram": 2}),
        (wake_audits, {"default": 1, "telegram": 1}),
        (wake_history, {"default": 0, "telegram": 1}),
        (wake_seedings, {"default": 0, "telegram": 1}),
    ):
        app.control.purge()
        assert wake(task) == due
        assert wake(task)["telegram"] == due["telegram"], "the first messages still wait"
    app.control.purge()


def test_long_tasks_can_see_that_the_engine_stops() -> None:
    with Engine(app, beat=False) as engine:
        assert not worker.is_stopping()

    assert worker.is_stopping()
    assert not engine.left_working


POOL = """
import os, sys, time
from celery.signals import worker_shutting_down
from members import worker

child = os.fork()
if child == 0:
    deadline = time.monotonic() + 30
    while not worker.is_stopping() and time.monotonic() < deadline:
        time.sleep(0.01)
    os._exit(0 if worker.is_stopping() else 1)
worker_shutting_down.send(sender="worker", sig="SIGTERM", how="Warm", exitcode=0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_so_can_those_in_the_pool_of_a_worker_that_is_told_to_stop() -> None:
    """Celery tells the process that forked them, and only that one."""
    done = subprocess.run([sys.executable, "-c", POOL], cwd=ROOT, check=False, timeout=60)

    assert done.returncode == 0
