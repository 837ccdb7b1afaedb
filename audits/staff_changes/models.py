"""Somebody who leaves or joins, from the first day to the audit that finds all as it should be."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from audits.staff_changes.facts import ChangeKind
from members.models import choices
from members.platforms.types import Platform


class ChangeState(models.TextChoices):
    OPEN = "open", "Open"
    CLOSED = "closed", "Closed"
    DROPPED = "dropped", "Dropped"


class StaffChange(models.Model):
    """One leaving or joining. Keys and names, no foreign keys: it outlives the employee's row."""

    kind = models.CharField(max_length=10, choices=choices(ChangeKind))
    state = models.CharField(max_length=10, choices=ChangeState.choices, default=ChangeState.OPEN)
    employee_key = models.CharField("employee", max_length=50, db_index=True)
    employee_name = models.CharField("name", max_length=200)
    opened_at = models.DateTimeField()
    opened_by = models.CharField(max_length=150)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=150, blank=True)
    reopened_at = models.DateTimeField(null=True, blank=True)
    times_reopened = models.PositiveSmallIntegerField(default=0)
    note = models.TextField(blank=True, help_text="Why it was dropped, or opened again.")
    evidence = models.JSONField(
        default=list, blank=True, help_text="The checklist as it stood when it was closed or dropped."
    )

    class Meta:
        ordering: ClassVar = ["-opened_at", "-id"]
        verbose_name = "leaving or joining"
        verbose_name_plural = "leaving and joining"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["employee_key"], condition=models.Q(state="open"), name="one_open_change_a_person"
            ),
        ]
        permissions: ClassVar = [("run_staffchange", "Can begin, close and drop leavings and joinings")]

    def __str__(self) -> str:
        return f"{self.employee_name} {'leaves' if self.kind == ChangeKind.LEAVING else 'joins'}"


class Sight(models.Model):
    """What the newest audit that looked for them on a platform saw; see `facts.Look`."""

    change = models.ForeignKey(StaffChange, on_delete=models.CASCADE, related_name="sights")
    platform = models.CharField(max_length=10, choices=choices(Platform))
    run_id = models.PositiveBigIntegerField()
    started_at = models.DateTimeField(help_text="When the audit began to look.")
    account_closed_at = models.DateTimeField(
        null=True, blank=True, help_text="When an audit first saw their account deactivated or deleted."
    )
    account_closed_run = models.PositiveBigIntegerField(null=True, blank=True)
    unresolved = models.TextField(blank=True)
    unread = models.TextField(blank=True)
    present = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0)
    unseen = models.JSONField(default=list)
    hidden = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change", "platform"], name="one_sight_a_platform"),
        ]

    def __str__(self) -> str:
        return f"{self.change} on {self.platform}, by audit {self.run_id}"
