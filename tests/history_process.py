"""A process that forks workers for syncs, to be killed at will: `python -m tests.history_process`.

Its settings are `tests.worker_settings`. For each line that it reads it forks a worker, which runs every
sync to its end, and prints the worker's process id.
"""

from __future__ import annotations

import time
from contextlib import suppress

import django

from tests.forked import fork_at_each_line


def _work() -> None:
    """What a worker and its beat do, only more often."""
    from django.db import Error

    from audits.history.models import SyncJob
    from audits.history.sync import run_sync
    from members import jobs

    while True:
        try:
            if not SyncJob.objects.filter(state__in=jobs.UNFINISHED).exists():
                return
            for job_id in jobs.recover(SyncJob):
                with suppress(jobs.JobBusy):
                    run_sync(job_id)
        except Error:  # the database is away
            django.db.close_old_connections()
        time.sleep(0.02)


if __name__ == "__main__":
    fork_at_each_line(_work)
