"""Tasks reach a worker: a thread on the embedded default, a real Celery process on the services."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from celery.worker import state as worker_state
from django.contrib.sessions.models import Session

from groupadmin.celery import app
from groupadmin.embedded import Engine
from groupadmin.tasks import clear_expired_sessions
from tests.processes import eventually


@pytest.mark.usefixtures("worker")
def test_a_task_that_was_sent_is_run() -> None:
    Session.objects.create(session_key="old", session_data="", expire_date=datetime(2020, 1, 1, tzinfo=UTC))

    clear_expired_sessions.delay()

    eventually(lambda: not Session.objects.exists())


def test_telegram_work_waits_in_a_queue_of_its_own() -> None:
    app.control.purge()

    app.send_task("telegram_ops.tasks.invented")
    app.send_task("audits.tasks.invented")
    app.send_task("audits.tasks.invented")

    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        waiting = {name: channel.queue_declare(name, passive=True).message_count for name in app.amqp.queues}
    assert waiting == {"default": 2, "telegram": 1}
    app.control.purge()


def test_long_tasks_can_see_that_the_engine_stops() -> None:
    with Engine(app, beat=False) as engine:
        assert worker_state.should_stop is None

    assert worker_state.should_stop is not None
    assert not engine.left_working
