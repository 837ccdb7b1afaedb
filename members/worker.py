"""What a task has to ask the worker that runs it and the queues, and to answer."""

from __future__ import annotations

from collections.abc import Collection
from mmap import mmap
from typing import Any

import structlog
from celery import current_app
from celery.signals import worker_shutting_down
from celery.worker import state as worker_state
from django.db import transaction
from django.db.models import Model
from kombu.exceptions import OperationalError

QUEUES = ("default", "telegram")
BROKER_SECONDS = 3
BROKER_PATIENCE = {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS}

log = structlog.get_logger(__name__)

_announced = mmap(-1, 1)
"""Memory that Celery's pool processes share with the process that gets the signal and forked them."""


@worker_shutting_down.connect
def _announce(**_: Any) -> None:
    _announced[0] = 1


def is_stopping() -> bool:
    """Whether the worker shuts down: store what was done, hand back the rest, and return.

    To be asked at least every few seconds; who does not listen is killed in the end.
    """
    return worker_state.should_stop is not None or _announced[0] == 1


def send(task: Any, row_id: int, *, queue: str = "default", into: Collection[str] = QUEUES) -> None:
    """Have a worker run `task` on a row, once the current transaction is durable.

    Nothing is sent where `queue` is not among `into`. A broker that is down loses nothing: schedules wake
    up what waits.
    """

    def send_now() -> None:
        try:
            task.apply_async((row_id,), queue=queue)
        except OperationalError as error:
            log.warning("worker.broker_down", task=task.name, row=row_id, error=str(error))

    if queue in into:
        transaction.on_commit(send_now)


def queues_to_wake() -> tuple[str, ...]:
    """Where wake-ups may put messages: not into the queue of Telegram while some wait there.

    Its worker does one thing at a time, for hours if need be, and would then find as many messages as there
    were wake-ups. The first one after it has taken what waits finds all that is due. The default queue needs
    no such care: wake-ups come through it themselves.
    """
    with current_app.connection_for_write(transport_options=BROKER_PATIENCE) as broker:
        no_answer: tuple[type[BaseException], ...] = (OperationalError, *broker.connection_errors)
        try:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)
            channel: Any = broker.default_channel
            waiting: int = channel.queue_declare("telegram").message_count
        except no_answer:  # whoever sends will tell
            return QUEUES
    return tuple(name for name in QUEUES if name != "telegram" or not waiting)


def reference(row: Model) -> str:
    """What a scheduled task answers with, so that the schedule's page can lead to what it started."""
    return f"{row._meta.label_lower}:{row.pk}"
