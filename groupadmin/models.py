"""A face of our own for a model of Celery's scheduler, signs of life of the processes, ways in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_celery_beat.models import PeriodicTask

from groupadmin.api.models import ApiToken
from groupadmin.authenticator import AuthenticatorApp

__all__ = ["ApiToken", "AuthenticatorApp", "Heartbeat", "Schedule"]


class Schedule(PeriodicTask):
    """A periodic task under the name that people know it by; `groupadmin.schedules` tells what it does."""

    class Meta:
        proxy = True
        ordering: ClassVar = ["task", "name"]

    def __str__(self) -> str:
        return str(self.name)


class ScheduleRun(models.Model):
    """How a schedule last ran, and whether in time. Beat itself knows only when it sent the task."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    schedule = models.OneToOneField(PeriodicTask, on_delete=models.CASCADE, related_name="run")
    watched_as = models.CharField(max_length=100, blank=True)
    """Its times when it was last looked at: after a change nothing that was due before is missed."""
    watched_since = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    """The moment for which it ran last; empty where it has no times of day."""
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    message = models.TextField(blank=True)
    made = models.CharField(max_length=100, blank=True)
    """What it started, as `members.worker.reference` writes it."""
    missed_at = models.DateTimeField(null=True)
    """The first moment at which it was due and did not run; empty since it last ran in time."""

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Run of schedule {self.schedule_id}"


class Heartbeat(models.Model):
    """The last sign of life of one process that does work."""

    class Kind(models.TextChoices):
        WORKER = "worker", "Worker"
        BEAT = "beat", "Beat"

    process = models.CharField(max_length=255, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    queues = models.JSONField(default=list)
    """Of a worker: the names of the queues that it serves."""
    beat_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.process} at {self.beat_at:%Y-%m-%d %H:%M:%S}"
