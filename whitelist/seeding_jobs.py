"""Seeding as a job: a preview that anybody may look at, and what its confirmation begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from members import jobs
from members.jobs import JobState
from members.platforms.errors import PlatformError, TryLater
from whitelist.models import SeedingJob
from whitelist.reading import TURN_PATIENCE, read_community
from whitelist.seeding import plan_seeding, seed

VALID_FOR = timedelta(minutes=30)
BUSY_PAUSE = 10.0
"""Seconds until the next look while somebody else uses the Telegram account."""


class SeedingRefused(Exception):
    """Nothing is begun: one line, why and what to do."""


def request_preview(*, actor: str, revive: bool = False) -> SeedingJob:
    """Have the members read, to see what a seeding would do; it protects nobody."""
    return SeedingJob.objects.create(asked_by=actor, revive=revive)


@transaction.atomic
def confirm_seeding(*, preview_id: int, actor: str) -> SeedingJob:
    """Protect everybody who is there when the members are read once more. Raises SeedingRefused.

    A preview is confirmed once, by whomever it convinces, within half an hour.
    """
    preview = SeedingJob.objects.select_for_update().get(pk=preview_id)
    if preview.confirms_id or not may_be_confirmed(preview):
        raise SeedingRefused("This preview cannot be confirmed any more. Look at a new one.")
    return SeedingJob.objects.create(asked_by=actor, revive=preview.revive, confirms=preview)


def may_be_confirmed(job: SeedingJob) -> bool:
    """Whether it is a preview that was read to its end, is fresh, and was not confirmed yet."""
    return (
        job.confirms_id is None
        and job.state in (JobState.DONE, JobState.PARTIAL)
        and job.finished_at is not None
        and job.finished_at > timezone.now() - VALID_FOR
        and not SeedingJob.objects.filter(confirms=job).exists()
    )


def run_seeding(job_id: int, *, stopping: Callable[[], bool] = lambda: False) -> SeedingJob:
    """Run a seeding or its preview in this process, and return it as stored.

    What Telegram refuses ends in its state and message, never in an exception. Raises JobBusy.
    """
    job = jobs.claim(SeedingJob, job_id)
    with jobs.custody(job):
        try:
            _run(job, stopping)
        except TryLater as error:
            if error.code == "account_busy":
                jobs.let_go(job, seconds=BUSY_PAUSE)
            else:
                jobs.after_outage(job, str(error))
        except PlatformError as error:
            jobs.fail(job, str(error))
    return job


def _run(job: SeedingJob, stopping: Callable[[], bool]) -> None:
    def show(done: int, total: int | None) -> None:
        percent = min(100, 100 * done // total) if total else 0
        jobs.beat(job, progress_label=f"{done:,} members read", progress_percent=percent)
        jobs.heed(job, stopping)

    roster = read_community(show=show, patience=min(TURN_PATIENCE, BUSY_PAUSE))
    if job.confirms_id:
        done = seed(roster, actor=job.asked_by, revive=job.revive)
    else:
        done = plan_seeding(roster, revive=job.revive)
    message = ""
    if done.missing:
        message = (
            f"Telegram counts {done.expected:,} members and showed {done.members:,}: {done.missing:,} are "
            "missing and not protected. Try again; an admin sees most."
        )
    state = JobState.PARTIAL if done.missing else JobState.DONE
    jobs.end(job, state, message, numbers=asdict(done), progress_percent=100)
