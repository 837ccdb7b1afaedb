"""Signs of life: every worker and beat renew a row of their own, so that others can tell who is alive."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import structlog
from celery import bootsteps
from django.db import DatabaseError, connection
from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler

from groupadmin.models import Heartbeat
from members.clock import SharedNow

INTERVAL_SECONDS = 15.0
FRESH = timedelta(seconds=60)
"""A process that was silent for longer counts as gone."""
KEPT = timedelta(days=1)
"""Rows of processes that never come back under their name are deleted after so long."""
CLOCK_SLACK = timedelta(seconds=2)
"""A clock that goes back by less is left to catch up."""

log = structlog.get_logger(__name__)


def beat(*, process: str, kind: Heartbeat.Kind, queues: Iterable[str] = ()) -> None:
    """Say that `process` is alive and, of a worker, which queues it serves.

    A database that cannot be reached is logged: to be silent is all that a process should do then.
    """
    try:
        Heartbeat.objects.update_or_create(
            process=process, defaults={"kind": kind, "queues": sorted(queues), "beat_at": SharedNow()}
        )
        Heartbeat.objects.filter(beat_at__lt=SharedNow() - KEPT).delete()
    except DatabaseError as error:
        log.warning("heartbeat.not_stored", process=process, error=str(error))


def alive(kind: Heartbeat.Kind) -> list[Heartbeat]:
    """The processes of this kind that gave a sign of life of late."""
    return list(Heartbeat.objects.filter(kind=kind, beat_at__gte=SharedNow() - FRESH))


class WorkerHeartbeat(bootsteps.StartStopStep):
    """A part of a Celery worker: beats on the timer of the worker's own process, not in a task.

    A task would wait behind the long ones, and a busy worker would look dead.
    """

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        parent.timer.call_after(0, _beat_of_worker, (parent,))
        self._timer = parent.timer.call_repeatedly(INTERVAL_SECONDS, _beat_of_worker, (parent,))

    def stop(self, parent: Any) -> None:  # noqa: ARG002  # Celery's signature
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _beat_of_worker(worker: Any) -> None:
    beat(
        process=worker.hostname, kind=Heartbeat.Kind.WORKER, queues=list(worker.app.amqp.queues.consume_from)
    )
    connection.close()  # the next is far off, and a pool that forks must not share it


class Scheduler(DatabaseScheduler):
    """The schedules in the database, and a heartbeat at every look at them."""

    _beat_at = -INTERVAL_SECONDS

    def tick(self, *args: Any, **options: Any) -> Any:
        now = monotonic()
        if now - self._beat_at >= INTERVAL_SECONDS:
            self._beat_at = now
            beat(process="beat", kind=Heartbeat.Kind.BEAT)
        self._follow_the_clock()
        return super().tick(*args, **options)

    def _follow_the_clock(self) -> None:
        """Where the clock was put back, Celery would wait until it has caught up with the last run.

        What runs every few seconds goes on at once. Times of day that have passed once wait for their next.
        """
        now = timezone.now()
        entries, late = list(self._schedule.values()), now + CLOCK_SLACK
        if not any(entry.model.interval_id and entry.model.last_run_at > late for entry in entries):
            return
        log.warning("beat.clock_went_back")
        for entry in entries:
            if entry.model.interval_id:
                entry.model.last_run_at = min(entry.model.last_run_at, now)
            entry.last_run_at = entry.model.last_run_at  # those in the heap have moved on
        self._heap_invalidated = True
        self._last_full_sync = datetime.now()  # noqa: DTZ005  # as the library keeps it
