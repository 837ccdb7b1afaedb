"""A face of our own for a model of Celery's scheduler."""

from __future__ import annotations

from typing import ClassVar

from django_celery_beat.models import PeriodicTask


class Schedule(PeriodicTask):
    """A periodic task under the name that people know it by; `groupadmin.schedules` tells what it does."""

    class Meta:
        proxy = True
        ordering: ClassVar = ["task", "name"]

    def __str__(self) -> str:
        return str(self.name)
