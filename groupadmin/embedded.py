"""The embedded stack's engine: a Celery worker and beat as threads of the web server's process.

Messages live in this process's memory, so a stop loses the queued ones: what was queued or
running is put back to work from the database when the stack starts again (`audits.tasks.wake_audits`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import structlog
from celery import Celery
from celery.beat import Service
from celery.worker import WorkController
from celery.worker import state as worker_state

HOSTNAME = "embedded@local"
CONCURRENCY = 2
START_SECONDS = 30.0
STOP_SECONDS = 10.0
BEAT_INTERVAL_SECONDS = 1
BEAT_RESTART_SECONDS = 5.0

log = structlog.get_logger(__name__)


class AlreadyRunning(Exception):
    """Another process holds the lock; the message says which one and what to do."""


@contextmanager
def only_instance(lock_file: Path) -> Iterator[None]:
    """Hold `lock_file` for this process; the system lets go of it however the process ends.

    Two embedded stacks on one database would each put the other's running jobs back to work.

    Raises:
        AlreadyRunning: another process holds it.
    """
    with lock_file.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunning(
                f"Group Admin already runs here (process {file.read() or 'unknown'}): "
                "stop that one first, or set VAR_DIR to another folder."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class _Worker(WorkController):
    """A worker on a pool of threads that tells when it is ready (the signal for that is not sent in here)."""

    def __init__(self, app: Celery) -> None:
        self.ready = Event()
        super().__init__(
            app=app,
            hostname=HOSTNAME,
            pool_cls="threads",
            concurrency=CONCURRENCY,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            quiet=True,
        )

    def on_consumer_ready(self, consumer: Any) -> None:
        self.ready.set()


class _Beat(Thread):
    """Celery's beat, started again when it fails: a locked database must not end all schedules."""

    def __init__(self, app: Celery) -> None:
        super().__init__(name="beat", daemon=True)
        self._app = app
        self._stopping = Event()
        self._service = self._new_service()

    def _new_service(self) -> Service:
        return Service(
            self._app,
            max_interval=BEAT_INTERVAL_SECONDS,
            scheduler_cls=self._app.conf.beat_scheduler,  # else the file scheduler, which never sees our rows
        )

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._service.start()
            except Exception:
                log.exception("beat failed and starts again", seconds=BEAT_RESTART_SECONDS)
                self._stopping.wait(BEAT_RESTART_SECONDS)
                self._service = self._new_service()

    def stop(self) -> None:
        self._stopping.set()
        self._service.stop()
        self.join(STOP_SECONDS)


class Engine:
    """Worker and (unless `beat=False`) beat, running while the context is entered.

    A task that works for long asks `members.worker.is_stopping` between two chunks. After the context,
    `left_working` says that one did not listen within `STOP_SECONDS`; its thread would keep the
    interpreter from ending.
    """

    def __init__(self, app: Celery, *, beat: bool = True) -> None:
        self.left_working = False
        self._worker = _Worker(app)
        self._worker_thread = Thread(target=self._worker.start, name="worker", daemon=True)
        self._beat = _Beat(app) if beat else None

    def __enter__(self) -> Self:
        worker_state.should_stop = None
        self._worker_thread.start()
        if not self._worker.ready.wait(START_SECONDS):
            raise RuntimeError("The embedded worker did not start.")
        if self._beat is not None:
            self._beat.start()
        return self

    def __exit__(self, *_: object) -> None:
        worker_state.should_stop = os.EX_OK  # type: ignore[assignment]  # the stubs know only None
        if self._beat is not None:
            self._beat.stop()
        self._worker.app.control.shutdown([HOSTNAME])  # the flag alone is seen seconds later
        self._worker_thread.join(STOP_SECONDS)
        self.left_working = self._worker_thread.is_alive()
