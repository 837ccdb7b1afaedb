"""Packs of evidence, and what was purged when its time was over."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from audits.evidence.period import Period
from members.jobs import Job, JobState


class EvidencePack(Job):
    """One ZIP file with what happened in a period, for somebody who checks the company."""

    since = models.DateField("from", help_text="The first day (UTC).")
    until = models.DateField("to", help_text="The last day (UTC), whole.")
    file = models.FileField(upload_to="evidence/%Y/%m/", max_length=200, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)

    class Meta(Job.Meta):
        abstract = False
        verbose_name = "evidence pack"
        verbose_name_plural = "evidence"
        permissions: ClassVar = [("make_evidence", "Can make and download evidence packs")]

    def __str__(self) -> str:
        return f"Evidence {self.pk}"

    @property
    def period(self) -> Period:
        return Period(self.since, self.until)

    @property
    def too_early(self) -> bool:
        """Whether it holds everything that there was, and its period was not over."""
        made_at = self.started_at
        lacks_nothing_else = "\n" not in self.message
        return (
            self.state == JobState.PARTIAL
            and lacks_nothing_else
            and made_at is not None
            and made_at < self.period.end
        )


class RecordPurge(models.Model):
    """What one purge deleted because its time was over. Written as it goes on: a killed one tells too."""

    before = models.DateTimeField(help_text="What ended before this moment was due.")
    asked_by = models.CharField(max_length=150)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict, help_text="By the name of the rule: how many rows went.")
    message = models.TextField(blank=True, help_text="What was left, and why.")

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "purge of old records"
        verbose_name_plural = "old records"
        permissions: ClassVar = [("purge_records", "Can purge old records before the schedule does")]

    def __str__(self) -> str:
        return f"Purge {self.pk}"
