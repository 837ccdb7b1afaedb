"""Exports as jobs: asked for, written by a worker, downloaded for a while, and gone again."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import structlog
from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.utils import timezone

from audits.history.exporting import ExportWish, check, estimate, export_name, write_zip
from audits.history.formats import Format
from audits.history.models import ExportJob, SyncJob
from audits.history.sync import request_sync
from members import jobs
from members.jobs import UNFINISHED, JobLost, JobState
from members.models import Group
from members.operations import activity
from members.operations.activity import Event

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 1.0
SYNC_PAUSE = 2.0
"""Seconds until an export looks again whether its sync has ended."""


class _Cancelled(Exception):
    """Somebody asked the export to stop."""


class _Stopping(Exception):
    """This process is shutting down; another one begins the export anew."""


@transaction.atomic
def request_export(*, wish: ExportWish, asked_by: str, sync_first: bool = True) -> ExportJob:
    """Put an export in the queue, behind a sync of its groups unless that is not wanted.

    Raises WrongFormat.
    """
    check(wish)
    sync = (
        request_sync(
            groups=wish.groups, asked_by=asked_by, since=wish.since, until=wish.until, media=wish.media
        )
        if sync_first
        else None
    )
    job = ExportJob.objects.create(
        groups=[[group.platform, group.external_id] for group in wish.groups],
        format=wish.format,
        since=wish.since,
        until=wish.until,
        media=wish.media,
        sync=sync,
        asked_by=asked_by,
    )
    _note(asked_by, "export.requested", wish.groups, f"Export {job.pk}, {wish.format.label}")
    return job


@transaction.atomic
def note_export(*, wish: ExportWish, actor: str) -> None:
    """Put on record that an export was written without a job."""
    _note(actor, "export.written", wish.groups, wish.format.label)


def run_export(job_id: int, *, stopping: Callable[[], bool] = lambda: False) -> ExportJob:
    """Write a waiting export in this process, once its sync has ended. Raises JobBusy."""
    job = jobs.claim(ExportJob, job_id)
    if job.sync is not None and job.sync.state in UNFINISHED:
        jobs.let_go(job, seconds=SYNC_PAUSE)
        job.refresh_from_db()
        return job
    try:
        _write(job, stopping)
    except _Cancelled:
        jobs.end(job, JobState.CANCELLED, "Cancelled; no file was left behind.")
    except _Stopping:
        jobs.let_go(job)
    except JobLost:
        log.warning("export.lost", export=job.pk)
    except OSError as error:
        jobs.end(job, JobState.FAILED, f"The file could not be written: {error.strerror or error}.")
    except Exception as error:
        log.exception("export.crashed", export=job.pk)
        jobs.end(job, JobState.FAILED, f"Unexpected error ({type(error).__name__}); the log has the details.")
        raise
    except BaseException:
        jobs.let_go(job)
        raise
    job.refresh_from_db()
    return job


@transaction.atomic
def cancel_export(*, job_id: int, actor: str) -> bool:
    """Ask an export, and the sync that it waits for, to stop. False when it was finished already."""
    job = ExportJob.objects.get(pk=job_id)
    if not jobs.cancel(ExportJob, job_id):
        return False
    if job.sync_id is not None:
        jobs.cancel(SyncJob, job.sync_id)
    _note(actor, "export.cancelled", groups_of(job), f"Export {job.pk}, {job.get_format_display()}")
    return True


@transaction.atomic
def note_download(*, job: ExportJob, actor: str) -> None:
    """Put on record that somebody took the file away."""
    _note(actor, "export.downloaded", groups_of(job), f"Export {job.pk}, {job.get_format_display()}")


def forget_expired() -> int:
    """Delete the files whose time is over; returns how many. The jobs stay, as the record of them."""
    expired = ExportJob.objects.filter(expires_at__lte=timezone.now()).exclude(file="")
    for job in expired:
        job.file.delete(save=False)
        ExportJob.objects.filter(pk=job.pk).update(file="")
    return len(expired)


def groups_of(job: ExportJob | SyncJob) -> Sequence[Group]:
    """The groups that a job names and that are still known, in their order."""
    rows = Group.objects.filter(external_id__in=[group_id for _, group_id in job.groups])
    known = {(row.platform, row.external_id): row for row in rows}
    return [known[key] for name, group_id in job.groups if (key := (name, group_id)) in known]


def _write(job: ExportJob, stopping: Callable[[], bool]) -> None:
    wish = ExportWish(groups_of(job), Format(job.format), job.since, job.until, job.media)
    total = estimate(wish).messages
    written, beat_at = 0, time.monotonic()

    def told(count: int) -> None:
        nonlocal written, beat_at
        written += count
        if time.monotonic() < beat_at + HEARTBEAT_SECONDS:
            return
        beat_at = time.monotonic()
        percent = min(99, 100 * written // max(total, 1))
        jobs.beat(job, progress_percent=percent, progress_label=f"{written:,} of {total:,} messages")
        if jobs.is_cancelled(job):
            raise _Cancelled
        if stopping():
            raise _Stopping

    folder = Path(settings.VAR_DIR) / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as out:
        write_zip(replace(wish, told=told), out)
        size = out.tell()
        out.seek(0)
        job.file.save(f"{export_name(wish)}.zip", _Watched(out, told), save=False)
    _finish(job, written, size)


class _Watched(File):
    """A file that gives a sign of life while a storage reads it, which may take long."""

    def __init__(self, file: IO[bytes], told: Callable[[int], None]) -> None:
        super().__init__(file)
        self._content, self._told = file, told

    def read(self, *size: int) -> bytes:
        self._told(0)
        return self._content.read(*size)


def _finish(job: ExportJob, written: int, size: int) -> None:
    """Put the file where it can be downloaded; one that nobody waits for any more is deleted again."""
    missing = len(job.groups) - len(groups_of(job))
    lines = [job.sync.message] if job.sync is not None and job.sync.message else []
    lines += [f"{missing} groups are not known any more."] if missing else []
    try:
        jobs.end(
            job,
            JobState.PARTIAL if lines else JobState.DONE,
            "\n".join(lines),
            file=job.file.name,
            size=size,
            messages=written,
            expires_at=_expiry(),
            progress_percent=100,
            progress_label="",
        )
    except JobLost:
        job.file.delete(save=False)
        raise


def _expiry() -> datetime:
    return timezone.now() + timedelta(days=settings.EXPORT_LIFETIME_DAYS)


def _note(actor: str, action: str, groups: Sequence[Group], what: str) -> None:
    names = ", ".join(group.name for group in groups[:5])
    more = f" and {len(groups) - 5} more" if len(groups) > 5 else ""
    event = Event(actor=actor, action=action, detail=f"{what}: {names}{more}")
    activity.record(events=[event], at=timezone.now())
