"""Exports as jobs: asked for, written by a worker, downloaded for a while, and gone again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audits.history.exporting import ExportWish, check, estimate, export_name, write_zip
from audits.history.formats import Format
from audits.history.models import ExportJob, SyncJob
from audits.history.sync import request_sync
from members import job_files, jobs
from members.job_files import Told
from members.jobs import UNFINISHED
from members.models import Group
from members.operations import activity
from members.operations.activity import Event

SYNC_PAUSE = 2.0
"""Seconds until an export looks again whether its sync has ended."""


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
    with job_files.custody(job):
        _write(job, stopping)
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
    told = Told(job, total=estimate(wish).messages, unit="messages", stopping=stopping)
    with job_files.aside("exports") as out:
        write_zip(replace(wish, told=told), out)
        size = out.tell()
        job_files.store(out, job.file, f"{export_name(wish)}.zip", told)
    missing = len(job.groups) - len(groups_of(job))
    notes = [job.sync.message] if job.sync is not None and job.sync.message else []
    notes += [f"{missing} groups are not known any more."] if missing else []
    job_files.finish(job, job.file, notes, size=size, messages=told.written, expires_at=_expiry())


def _expiry() -> datetime:
    return timezone.now() + timedelta(days=settings.EXPORT_LIFETIME_DAYS)


def _note(actor: str, action: str, groups: Sequence[Group], what: str) -> None:
    names = ", ".join(group.name for group in groups[:5])
    more = f" and {len(groups) - 5} more" if len(groups) > 5 else ""
    event = Event(actor=actor, action=action, detail=f"{what}: {names}{more}")
    activity.record(events=[event], at=timezone.now())
