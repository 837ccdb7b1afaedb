"""Celery wakes operations up; everything else is in the database and in `operations.runner`."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from members import worker
from members.operations import runner
from members.operations.models import Operation
from members.operations.states import OperationState
from members.platforms.types import Platform

log = structlog.get_logger(__name__)


def enqueue(operation_id: int) -> None:
    """Have a worker take up an operation, once the current transaction is durable.

    What needs the Telegram account goes to the queue whose worker does one thing at a time.
    A broker that is down loses nothing: `wake_operations` finds the row.
    """
    platforms = Operation.objects.values_list("platforms", flat=True).get(pk=operation_id)

    def send() -> None:
        try:
            run.apply_async(
                (operation_id,), queue="telegram" if Platform.TELEGRAM in platforms else "default"
            )
        except OperationalError as error:
            log.warning("operation.broker_down", operation=operation_id, error=str(error))

    transaction.on_commit(send)


@shared_task
def run(operation_id: int) -> None:
    """Run one slice; the next one follows at once when nothing has to be waited for."""
    try:
        operation = runner.run_operation(operation_id, stopping=worker.is_stopping)
    except runner.OperationBusy:
        return
    if operation.state == OperationState.WAITING:
        wake_operations()


@shared_task
def wake_operations() -> None:
    """Take up what is due, and what a dead process left behind; scheduled every few seconds."""
    for operation_id in runner.recover_operations():
        enqueue(operation_id)
