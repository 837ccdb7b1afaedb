"""A process that forks workers, to be killed at will: `python -m tests.operations_process`.

It knows the kinds of `tests.operations_world` and writes to the Slack of its environment. For each
line that it reads it forks a worker, which runs every operation to its end, and prints the worker's
process id.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from datetime import timedelta

import django


def main() -> None:
    django.setup()
    _prepare()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are gone at once: no zombies
    for _ in sys.stdin:
        worker = os.fork()
        if worker == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _work()
            os._exit(0)
        print(worker, flush=True)


def _prepare() -> None:
    """Everything that takes long, so that a worker starts in no time; and shorter terms than for people."""
    import pytest
    from django.conf import settings

    from members.operations import custody, lease, runner
    from members.platforms.types import Platform
    from tests.operations_world import Desk, SlackAccount, install, use_account

    patch = pytest.MonkeyPatch()
    patch.setattr(runner, "LEASE_PAUSE", 0.1)
    patch.setattr(custody, "ORPHANED_AFTER", timedelta(seconds=5))
    patch.setattr(lease, "TERM", timedelta(seconds=6))
    install(Desk(), patch)
    use_account(patch, Platform.SLACK, SlackAccount(settings.SLACK_API_URL))


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
    main()
