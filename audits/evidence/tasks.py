"""Celery wakes packs of evidence and the purge up; everything else is in the database and the services."""

from __future__ import annotations

import time

import structlog
from celery import shared_task
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from audits.evidence import packs, purging
from audits.evidence.models import EvidencePack
from members import jobs, worker
from members.jobs import JobBusy

log = structlog.get_logger(__name__)

ACTOR = "schedule"


def enqueue_pack(job_id: int) -> None:
    """Have a worker make a pack, once the current transaction is durable.

    A broker that is down loses nothing: `wake_packs` finds the row.
    """

    def send() -> None:
        try:
            make_pack.apply_async((job_id,), queue="default")
        except OperationalError as error:
            log.warning("evidence.broker_down", pack=job_id, error=str(error))

    transaction.on_commit(send)


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
