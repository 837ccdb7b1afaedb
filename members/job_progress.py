"""How far a job is, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from members.jobs import Job, JobState

_TOO_EARLY = 3
"""Per cent before which the pace says nothing."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the bar of a job's page shows. `percent` and `seconds_to_go` are None while nobody can tell."""

    label: str
    percent: int | None = None
    seconds_to_go: float | None = None
    words: str = "to go"


def progress_of(job: Job, now: datetime) -> Progress:
    """By its state, and by its pace while it runs."""
    if job.cancel_requested:
        return Progress("Stopping")
    match job.state:
        case JobState.QUEUED:
            return Progress("Waiting for a worker")
        case JobState.WAITING:
            first_line = next(iter(job.message.splitlines()), "") or "Waiting for a worker"
            wait = (job.resume_at - now).total_seconds() if job.resume_at is not None else 0.0
            left = wait if wait > 1 else None
            return Progress(first_line, job.progress_percent or None, left, "until it goes on")
    label = job.progress_label or "Starting"
    return Progress(label, job.progress_percent, _seconds_to_go(job, now))


def _seconds_to_go(job: Job, now: datetime) -> float | None:
    """By the pace so far, waits included."""
    if job.started_at is None or not _TOO_EARLY <= job.progress_percent < 100:
        return None
    elapsed = (now - job.started_at).total_seconds()
    return elapsed * (100 - job.progress_percent) / job.progress_percent
