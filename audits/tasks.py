"""Celery wakes audits up; everything else is in the database and in `audits.services`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog
from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from audits import services, weekly
from audits.exclusions import ending
from audits.models import AuditRun, RunState, Trigger
from audits.remediation import automatic
from members import worker
from members.notices.kinds import NoticeKind
from members.operations import notices
from members.operations.states import OperationState
from members.operations.tasks import enqueue as enqueue_operation
from members.platforms.types import Platform

WOKEN_AT_ONCE = 5
"""Only one of them can run, but the worker of the oldest may be the one that is down."""

log = structlog.get_logger(__name__)


def enqueue(run_id: int, *, into: Collection[str] = worker.QUEUES) -> None:
    """Have workers take up what waits of an audit, once the current transaction is durable.

    Each part is a message of its own: what needs a Telegram account goes to the queue whose worker does one
    thing at a time. Inside one process a single message does for all, which are looked at side by side.
    A broker that is down loses nothing: `wake_audits` finds the row. It also finds what would go to a queue
    that is not among `into`.
    """
    parts = [] if settings.EMBEDDED else services.waiting_parts(run_id)

    def send() -> None:
        try:
            for platform, connection in parts:
                queue = "telegram" if platform == Platform.TELEGRAM else "default"
                if queue in into:
                    run_audit.apply_async((run_id, platform, connection), queue=queue)
            if not parts:
                run_audit.apply_async((run_id,), queue="default")
        except OperationalError as error:
            log.warning("audit.broker_down", run=run_id, error=str(error))

    transaction.on_commit(send)


@shared_task
def run_audit(run_id: int, platform: str = "", connection: str = "") -> None:
    """Look at a part of a waiting audit, or at all of it; while another audit runs it stays in the queue."""
    only = (platform, connection) if platform else None
    try:
        services.execute_audit(run_id, only=only, stopping=worker.is_stopping)
    except services.AuditBusy:
        return
    if not worker.is_stopping():
        wake_audits()


@shared_task
def schedule_audit(platforms: Sequence[str], deep: bool = False) -> str | None:
    """The scheduled audit; skipped while an equal one is still waiting or running.

    Arguments that somebody mistyped in the schedule leave a failed run, where people look.
    """
    wanted = _platforms(platforms)
    if not wanted:
        return worker.reference(services.note_failure(trigger=Trigger.SCHEDULE, message=_mistyped(platforms)))
    equal = AuditRun.objects.filter(platforms=[str(platform) for platform in wanted], deep=deep, narrow=False)
    if equal.filter(state__in=RunState.unfinished()).exists():
        return None
    run = services.request_audit(platforms=wanted, deep=deep, trigger=Trigger.SCHEDULE)
    enqueue(run.pk)
    return worker.reference(run)


@shared_task
def add_missing_on_schedule(platforms: Sequence[str]) -> str | None:
    """Add whom audits missed and a rule adds by itself; what is above the cap waits for somebody."""
    wanted = _platforms(platforms)
    if not wanted:
        notices.notify(_mistyped(platforms), kind=NoticeKind.SCHEDULE_MISSED, actor=automatic.SCHEDULE.name)
        return None
    operation = automatic.add_missing(wanted)
    if operation is not None and operation.state == OperationState.CONFIRMED:
        enqueue_operation(operation.pk)
    return None if operation is None else worker.reference(operation)


@shared_task
def wake_audits() -> None:
    """Take up what a dead process left behind or a broker forgot; scheduled every half minute."""
    into = worker.queues_to_wake()
    for run_id in services.recover_audits()[:WOKEN_AT_ONCE]:
        enqueue(run_id, into=into)


@shared_task
def let_exclusions_end() -> None:
    """Open again what ended exclusions hid, and tell of those that are about to end."""
    now = timezone.now()
    ending.reopen(at=now)
    ending.warn(at=now)


@shared_task
def report_coverage() -> None:
    """The weekly report, to whoever wants it."""
    weekly.report(now=timezone.now())


def _platforms(names: Sequence[str]) -> list[Platform]:
    """The platforms that a schedule names; none of them when it names anything else."""
    wanted = [platform for platform in Platform if platform in names]
    return wanted if len(wanted) == len(names) else []


def _mistyped(platforms: Sequence[str]) -> str:
    return f'The schedule names no such platforms: {platforms}. Write [["slack", "telegram"]].'
