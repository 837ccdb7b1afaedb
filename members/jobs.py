"""Long work as a row: who holds it, how far it is, and how it is taken up again after a death.

The row is the truth and Celery only wakes it. Every change here is conditional on the execution still
holding the job, so that one that was thought dead and is not cannot write over its successor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

import structlog
from django.db import models
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from members.clock import SharedNow, shared_now
from members.operations.owner import is_dead, new_owner

log = structlog.get_logger(__name__)

ORPHANED_AFTER = timedelta(seconds=60)
"""A running job whose heart has not beaten for this long has lost its process."""
MAX_ATTEMPTS = 4
"""How many executions in a row may die or find the platform out of reach."""
OUTAGE_PAUSE = 30.0
"""Seconds until the second execution after an outage; doubled for each one more."""


class JobState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    PARTIAL = "partial", "Partly done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


UNFINISHED = (JobState.QUEUED, JobState.RUNNING, JobState.WAITING)


class JobBusy(Exception):
    """The job cannot be run now: somebody runs it, it has to wait, or it is at its end."""


class JobLost(Exception):
    """Somebody else holds the job by now: nothing more may be done for it."""


class Cancelled(Exception):
    """Somebody asked the job to stop."""


class Stopping(Exception):
    """This process shuts down: another execution goes on with the job."""


class Job(models.Model):
    """What every kind of long work has in common."""

    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    asked_by = models.CharField(max_length=150, blank=True)
    owner = models.CharField(max_length=64, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    cancel_requested = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True, editable=False)
    resume_at = models.DateTimeField(null=True, blank=True)
    progress_label = models.CharField(max_length=255, blank=True)
    progress_percent = models.PositiveSmallIntegerField(default=0)
    message = models.TextField(blank=True)

    class Meta:
        abstract = True
        ordering: ClassVar = ["-id"]

    @property
    def finished(self) -> bool:
        return self.state not in UNFINISHED

    @property
    def done_share(self) -> float:
        return self.progress_percent / 100


J = TypeVar("J", bound=Job)


def claim(model: type[J], job_id: int) -> J:
    """Make a job that is due this execution's own. Raises JobBusy."""
    now = shared_now()
    taken = due(model, now).filter(pk=job_id)
    if not taken.update(
        state=JobState.RUNNING,
        owner=new_owner(),
        heartbeat_at=now,
        attempts=F("attempts") + 1,
        resume_at=None,
    ):
        raise JobBusy(f"{model._meta.verbose_name} {job_id} cannot be run now.".capitalize())
    _rows(model).filter(pk=job_id, started_at=None).update(started_at=now)
    return _rows(model).get(pk=job_id)


def beat(job: Job, **changes: Any) -> None:
    """Renew our hold on the job, and write `changes` with it. Raises JobLost."""
    if not held(job).update(heartbeat_at=SharedNow(), **changes):
        raise JobLost(f"{job} was taken over.")


def is_cancelled(job: Job) -> bool:
    """Whether somebody asked it to stop."""
    return held(job).filter(cancel_requested=True).exists()


def heed(job: Job, stopping: Callable[[], bool]) -> None:
    """Raises Cancelled when somebody asked the job to stop, Stopping when `stopping` says that we must."""
    if is_cancelled(job):
        raise Cancelled
    if stopping():
        raise Stopping


def got_on(job: Job) -> None:
    """Something was achieved: this execution does not count as one that came to nothing."""
    if job.attempts > 1:
        held(job).update(attempts=1)
        job.attempts = 1


def pause(job: Job, seconds: float, message: str = "") -> None:
    """Let go of the job for so long. Raises JobLost."""
    resume_at = SharedNow() + timedelta(seconds=seconds)
    if not held(job).update(state=JobState.WAITING, owner="", resume_at=resume_at, message=message):
        raise JobLost(f"{job} was taken over.")


def after_outage(job: Job, message: str) -> None:
    """This execution came to nothing: another one shall try later, unless this was one too many."""
    if job.attempts >= MAX_ATTEMPTS:
        end(job, JobState.FAILED, message)
    else:
        pause(job, OUTAGE_PAUSE * 2 ** (job.attempts - 1), message)


def let_go(job: Job, *, seconds: float = 0.0) -> None:
    """Another execution goes on, and this one does not count: our process is asked to stop, or it is too
    early. Nothing happens when the job is not ours."""
    resume_at = SharedNow() + timedelta(seconds=seconds)
    held(job).update(state=JobState.WAITING, owner="", resume_at=resume_at, attempts=max(job.attempts - 1, 0))


def end(job: Job, state: JobState, message: str = "", **changes: Any) -> None:
    """Bring the job to its end. Raises JobLost."""
    if not held(job).update(
        state=state, owner="", finished_at=timezone.now(), resume_at=None, message=message, **changes
    ):
        raise JobLost(f"{job} was taken over.")


def fail(job: Job, message: str) -> None:
    """Bring the job to its end: it cannot be done. Raises JobLost."""
    end(job, JobState.FAILED, message)


@contextmanager
def custody(
    job: Job, *, crashed: Callable[[Job, str], None] = after_outage, cancelled: str = ""
) -> Iterator[None]:
    """Whatever becomes of the work inside, the job's row tells it, and `job` is as stored afterwards.

    Cancelled ends it, with `cancelled` for a message; Stopping leaves it to another execution; JobLost to
    whoever has it. An error that nobody expected is raised on, after `crashed` has put it into the row.
    """
    try:
        yield
    except Cancelled:
        end(job, JobState.CANCELLED, cancelled)
    except Stopping:
        let_go(job)
    except JobLost:
        log.warning("job.lost", job=str(job))
    except Exception as error:
        log.exception("job.crashed", job=str(job))
        crashed(job, f"Unexpected error ({type(error).__name__}); the log has the details.")
        raise
    except BaseException:  # Ctrl-C, or the worker's end
        let_go(job)
        raise
    job.refresh_from_db()


def cancel(model: type[J], job_id: int) -> bool:
    """Ask a job to stop; one that waits ends at once. False when it was finished already."""
    waiting = _rows(model).filter(pk=job_id, state__in=(JobState.QUEUED, JobState.WAITING))
    ended = waiting.update(
        state=JobState.CANCELLED, cancel_requested=True, resume_at=None, finished_at=timezone.now()
    )
    running = _rows(model).filter(pk=job_id, state=JobState.RUNNING)
    return bool(ended or running.update(cancel_requested=True))


def recover(model: type[J]) -> list[int]:
    """Take back what dead processes held. Returns the ids of all that can be run now, oldest first."""
    now = shared_now()
    for job in _rows(model).filter(state=JobState.RUNNING):
        if not _is_lost(job, now):
            continue
        log.warning("job.orphaned", job=str(job), attempts=job.attempts)
        same = held(job).filter(heartbeat_at=job.heartbeat_at)
        if job.attempts >= MAX_ATTEMPTS:
            why = f"Given up: {job.attempts} executions in a row came to nothing."
            same.update(state=JobState.FAILED, owner="", finished_at=now, message=why)
        else:
            same.update(state=JobState.WAITING, owner="", resume_at=now)
    return list(due(model, now).order_by("pk").values_list("pk", flat=True))


def due(model: type[J], now: datetime) -> QuerySet[J]:
    """The jobs that nobody runs and that need not wait."""
    return _rows(model).filter(Q(state=JobState.QUEUED) | Q(state=JobState.WAITING, resume_at__lte=now))


def held(job: J) -> QuerySet[J]:
    """The job's row, as long as the execution that `job` names holds it."""
    return _rows(type(job)).filter(pk=job.pk, owner=job.owner, state=JobState.RUNNING)


def _is_lost(job: Job, now: datetime) -> bool:
    return job.heartbeat_at is None or job.heartbeat_at < now - ORPHANED_AFTER or is_dead(job.owner)


def _rows(model: type[J]) -> QuerySet[J]:
    return model._default_manager.all()
