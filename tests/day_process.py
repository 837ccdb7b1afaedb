"""Beat through a day in a minute: `python -m tests.day_process START HOURS`, under libfaketime.

The product's own scheduler on the database of the environment; what is due is run here, at once, as a
worker would. START is an ISO date and time. Prints one JSON object: how often each schedule ran, and the
number of rows in each table at the end, and at the hours that are given as further arguments.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import django

SHORTEST, LONGEST = timedelta(milliseconds=1), timedelta(minutes=1)
"""Between two looks at the schedules."""


class Clock:
    """This process's clock: as fast as any, and put forward as we like."""

    def __init__(self, start: datetime) -> None:
        self._ahead = 0.0
        self.forward((start - datetime.now(start.tzinfo)).total_seconds())

    def forward(self, seconds: float) -> None:
        self._ahead += seconds
        os.environ["FAKETIME"] = f"{self._ahead:+.3f}"


def main() -> None:
    start, hours, *looks = sys.argv[1:]
    begin = datetime.fromisoformat(start)
    clock = Clock(begin)
    django.setup()
    from django.utils import timezone

    ran: Counter[str] = Counter()
    scheduler = _scheduler(ran)
    to_look = [begin + timedelta(hours=float(hour)) for hour in looks]
    rows: dict[str, dict[str, int]] = {}
    end = begin + timedelta(hours=float(hours))
    while (now := timezone.now()) < end:
        while to_look and now >= to_look[0]:
            rows[looks[len(rows)]] = _count_rows()
            to_look.pop(0)
        wait = scheduler.tick()
        clock.forward(max(wait, SHORTEST.total_seconds()))
    scheduler.close()
    rows["end"] = _count_rows()
    json.dump({"ran": ran, "rows": rows}, sys.stdout)


def _scheduler(ran: Counter[str]) -> Any:
    from celery.app.trace import build_tracer
    from django.db import connection

    from groupadmin.celery import app
    from groupadmin.heartbeats import Scheduler

    app.loader.import_default_modules()
    app.conf.task_always_eager = True

    class RunHere(Scheduler):
        """Runs what is due in the place of sending it, told of its schedule as a worker is."""

        def apply_async(self, entry: Any, *_: Any, **__: Any) -> None:
            entry = self.reserve(entry)
            task = app.tasks[entry.task]
            run = build_tracer(task.name, task, app=app, eager=True)
            ran[entry.name] += 1
            number = f"{entry.name} {ran[entry.name]}"
            run(
                number, entry.args, entry.kwargs, {"id": number, "is_eager": True, **entry.options["headers"]}
            )
            assert not connection.in_atomic_block

    return RunHere(app=app, max_interval=LONGEST.total_seconds())


def _count_rows() -> dict[str, int]:
    from django.apps import apps

    return {model._meta.db_table: model._base_manager.count() for model in apps.get_models()}


if __name__ == "__main__":
    main()
