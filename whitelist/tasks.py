"""What Celery's beat does for the gated community. Nothing here turns kicks on."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import structlog
from celery import shared_task

from members import jobs, worker
from members.clock import shared_now
from members.jobs import JobBusy
from members.operations import services
from members.operations.models import Trigger
from members.operations.services import Actor
from members.operations.tasks import enqueue
from members.platforms.errors import PlatformError
from whitelist import flags, seeding_jobs, subscriptions
from whitelist.models import SeedingJob
from whitelist.reading import read_community
from whitelist.record import gated_chat_id
from whitelist.seeding import reconcile
from whitelist.sweep import plan_sweep

SCHEDULE = Actor("schedule", Trigger.SCHEDULE)

log = structlog.get_logger(__name__)


@shared_task
def let_time_pass() -> None:
    """Move subscriptions whose time has come, and close a switch whose hours are over."""
    now = shared_now()
    flags.close_what_is_over(now=now)
    subscriptions.let_time_pass(now=now)


@shared_task
def reconcile_members() -> None:
    """Read who is in the gated community, and burn those who left while nobody listened."""
    if not gated_chat_id():
        return
    try:
        burned = reconcile(read_community())
    except PlatformError as error:  # the next one tries again; a reading that failed burns nobody
        log.warning("community.not_read", error=str(error))
    else:
        log.info("community.read", burned=burned)


def enqueue_seeding(job_id: int, *, into: Collection[str] = worker.QUEUES) -> None:
    """Have a worker take up a seeding, once that is durable; what is not sent `wake_seedings` finds."""
    worker.send(run_seeding, job_id, queue="telegram", into=into)


@shared_task
def run_seeding(job_id: int) -> None:
    """Read the members for somebody who looks at a seeding's page."""
    with suppress(JobBusy):
        seeding_jobs.run_seeding(job_id, stopping=worker.is_stopping)


@shared_task
def wake_seedings() -> None:
    """Take up what is due, and what a dead process left behind."""
    into = worker.queues_to_wake()
    for job_id in jobs.recover(SeedingJob):
        enqueue_seeding(job_id, into=into)


@shared_task
def sweep_on_schedule() -> str | None:
    """A sweep, if somebody switched its schedule on. While kicks are off it writes down whom it would kick.

    One above the cap kicks nobody: it stands among the operations as refused, and the owners are told.
    """
    if not gated_chat_id():
        return None
    plan = plan_sweep(now=shared_now()).plan
    if not plan.steps:
        return None
    operation = services.plan_operation(plan=plan, actor=SCHEDULE)
    if operation.over_cap:
        services.refuse_operation(operation=operation, actor=SCHEDULE)
        log.warning("sweep.refused", operation=operation.pk, why=operation.over_cap)
        return worker.reference(operation)
    services.confirm_operation(
        operation_id=operation.pk, plan_hash=plan.hash, count=plan.count, actor=SCHEDULE
    )
    enqueue(operation.pk)
    return worker.reference(operation)
