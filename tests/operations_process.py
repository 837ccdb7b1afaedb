"""A process that forks workers, to be killed at will: `python -m tests.operations_process`.

Its settings are `tests.worker_settings`. For each line that it reads it forks a worker, which runs
every operation to its end, and prints the worker's process id.
"""

from __future__ import annotations

import time
from contextlib import suppress

import django

from tests.forked import fork_at_each_line


def _work() -> None:
    """What a worker and its beat do, only more often."""
    from django.db import Error

    from members.operations import runner
    from members.operations.models import Operation
    from members.operations.states import UNDER_WAY

    while True:
        try:
            if not Operation.objects.filter(state__in=UNDER_WAY).exists():
                return
            for operation_id in runner.recover_operations():
                with suppress(runner.OperationBusy):
                    runner.run_operation(operation_id)
        except Error:  # the database is away
            django.db.close_old_connections()
        time.sleep(0.02)


if __name__ == "__main__":
    fork_at_each_line(_work)
