"""What a task has to ask the worker that runs it, and to answer it."""

from __future__ import annotations

from mmap import mmap
from typing import Any

from celery.signals import worker_shutting_down
from celery.worker import state as worker_state
from django.db.models import Model

_announced = mmap(-1, 1)
"""Memory that Celery's pool processes share with the process that gets the signal and forked them."""


@worker_shutting_down.connect
def _announce(**_: Any) -> None:
    _announced[0] = 1


def is_stopping() -> bool:
    """Whether the worker shuts down: store what was done, hand back the rest, and return.

    To be asked at least every few seconds; who does not listen is killed in the end.
    """
    return worker_state.should_stop is not None or _announced[0] == 1


def reference(row: Model) -> str:
    """What a scheduled task answers with, so that the schedule's page can lead to what it started."""
    return f"{row._meta.label_lower}:{row.pk}"
