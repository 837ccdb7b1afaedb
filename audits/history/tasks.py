"""Celery wakes syncs and exports up; everything else is in the database and in their services."""

from __future__ import annotations

import time
from collections.abc import Collection

from celery import shared_task
from django.conf import settings

from audits.history import engagement, exports, retention, scheduled, sync
from audits.history.models import ExportJob, SyncJob
from members import jobs, worker
from members.jobs import JobBusy, JobState
from members.platforms.types import Platform


def enqueue_sync(job_id: int, *, into: Collection[str] = worker.QUEUES) -> None:
    """Have a worker take up a sync, once the current transaction is durable.

    What needs the Telegram account goes to the queue whose worker does one thing at a time. What is not sent,
    because its queue is not among `into` or the broker is down, `wake_history` finds.
    """
    groups = SyncJob.objects.values_list("groups", flat=True).get(pk=job_id)
    telegram = any(platform == Platform.TELEGRAM for platform, _ in groups)
    worker.send(run_sync, job_id, queue="telegram" if telegram else "default", into=into)


def enqueue_export(job_id: int) -> None:
    """The same for an export, which needs no account."""
    worker.send(run_export, job_id)


@shared_task(name="audits.history.run_sync")
def run_sync(job_id: int) -> None:
    """Run one slice; the next one follows at once when nothing has to be waited for."""
    try:
        job = sync.run_sync(job_id, stopping=worker.is_stopping)
    except JobBusy:
        return
    if job.state == JobState.WAITING or job.finished:
        wake_history()


@shared_task(name="audits.history.run_export")
def run_export(job_id: int) -> None:
    """Write an export whose sync has ended."""
    try:
        exports.run_export(job_id, stopping=worker.is_stopping)
    except JobBusy:
        return


@shared_task(name="audits.history.wake")
def wake_history() -> None:
    """Take up what is due, and what a dead process left behind; scheduled every few seconds."""
    into = worker.queues_to_wake()
    for job_id in jobs.recover(SyncJob):
        enqueue_sync(job_id, into=into)
    for job_id in jobs.recover(ExportJob):
        enqueue_export(job_id)


@shared_task(name="audits.history.forget_exports")
def forget_exports() -> None:
    """Delete the exports whose time is over."""
    exports.forget_expired()


@shared_task(name="audits.history.count")
def count_engagement() -> None:
    """Count the weeks that live messages, and changes of the employees, left uncounted."""
    until = time.monotonic() + settings.OPERATION_SLICE_SECONDS
    engagement.count_all(stopping=lambda: worker.is_stopping() or time.monotonic() > until)


@shared_task(name="audits.history.sync_on_schedule")
def sync_on_schedule(groups: str) -> str | None:
    """Fetch what is new in a set of groups: "kept", or "category:" and its key."""
    job = scheduled.sync_set(groups)
    if job is None:
        return None
    enqueue_sync(job.pk)
    return worker.reference(job)


@shared_task(name="audits.history.export_on_schedule")
def export_on_schedule(groups: str, format: str, last_month: bool = True) -> str | None:
    """Export a set of groups: the calendar month before this one, or everything that is kept."""
    job = scheduled.export_set(groups, format, last_month=last_month is not False)
    if job is None:
        return None
    enqueue_export(job.pk)
    if job.sync_id is not None:
        enqueue_sync(job.sync_id)
    return worker.reference(job)


@shared_task(name="audits.history.purge")
def purge_history() -> None:
    """Delete the messages whose time is over; what a slice leaves is deleted by the next one."""
    until = time.monotonic() + settings.OPERATION_SLICE_SECONDS
    _, done = retention.purge(
        actor=scheduled.ACTOR, stopping=lambda: worker.is_stopping() or time.monotonic() > until
    )
    if not done and not worker.is_stopping():
        purge_history.delay()
