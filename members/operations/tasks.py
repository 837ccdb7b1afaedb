"""Celery wakes operations up; everything else is in the database and in `operations.runner`."""

from __future__ import annotations

from collections.abc import Collection

from celery import shared_task

from members import worker
from members.operations import runner
from members.operations.models import Operation
from members.operations.states import OperationState
from members.platforms.types import Platform


def enqueue(operation_id: int, *, into: Collection[str] = worker.QUEUES) -> None:
    """Have a worker take up an operation, once the current transaction is durable.

    What needs the Telegram account goes to the queue whose worker does one thing at a time. What is not sent,
    because its queue is not among `into` or the broker is down, `wake_operations` finds.
    """
    platforms = Operation.objects.values_list("platforms", flat=True).get(pk=operation_id)
    queue = "telegram" if Platform.TELEGRAM in platforms else "default"
    worker.send(run, operation_id, queue=queue, into=into)


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
    into = worker.queues_to_wake()
    for operation_id in runner.recover_operations():
        enqueue(operation_id, into=into)
