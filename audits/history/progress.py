"""How far a sync or an export is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from audits.history.models import ExportJob
from members import job_progress
from members.job_progress import Progress
from members.jobs import Job


def progress_of(job: Job, now: datetime) -> Progress:
    """An export that waits for its sync is as far as that is."""
    if isinstance(job, ExportJob) and job.sync is not None and not job.sync.finished:
        first = job_progress.progress_of(job.sync, now)
        return replace(first, label=f"Fetching first: {first.label}")
    return job_progress.progress_of(job, now)
