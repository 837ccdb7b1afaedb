"""Celery wakes packs of evidence and the purge up; everything else is in the database and the services."""

from __future__ import annotations

import time

from celery import shared_task
from django.conf import settings

from audits.evidence import packs, purging
from audits.evidence.models import EvidencePack
from members import jobs, worker
from members.jobs import JobBusy

ACTOR = "schedule"


def enqueue_pack(job_id: int) -> None:
    """Have a worker make a pack, once that is durable; what is not sent `wake_packs` finds."""
    worker.send(make_pack, job_id)


@shared_task(name="audits.evidence.make")
def make_pack(job_id: int) -> None:
    """Write a pack that waits."""
    try:
        packs.run_pack(job_id, stopping=worker.is_stopping)
    except JobBusy:
        return


@shared_task(name="audits.evidence.wake")
def wake_packs() -> None:
    """Take up what waits, and what a dead process left behind; scheduled every few seconds."""
    for job_id in jobs.recover(EvidencePack):
        enqueue_pack(job_id)


@shared_task(name="audits.evidence.purge")
def purge_records(actor: str = ACTOR) -> None:
    """Delete what has been kept long enough; what a slice leaves is deleted by the next one."""
    until = time.monotonic() + settings.OPERATION_SLICE_SECONDS
    purging.purge(actor=actor, stopping=lambda: worker.is_stopping() or time.monotonic() > until)
    if time.monotonic() > until and not worker.is_stopping():
        purge_records.delay(actor)
