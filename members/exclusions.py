"""Accepted exceptions from the policy, and how long they hold. Use them through `members.models`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import ClassVar

from django.db import models
from simple_history.models import HistoricalRecords

from members.choices import choices
from members.platforms.types import Platform
from members.policy import FindingKind

ENDS_SOON = timedelta(days=30)
"""How long before its end an exclusion is announced."""


def holding(day: date) -> models.Q:
    """The condition under which an exclusion holds on `day` (UTC)."""
    return models.Q(expires=None) | models.Q(expires__gte=day)


def ending_soon(day: date) -> models.Q:
    """The condition under which an exclusion still holds on `day` (UTC), but not for long."""
    return models.Q(expires__range=(day, day + ENDS_SOON))


class Exclusion(models.Model):
    """An accepted exception: a person, or a kind of finding, in one group; with a reason and an end."""

    platform = models.CharField(max_length=10, choices=choices(Platform), help_text="Where the group is.")
    group_external_id = models.CharField(
        "group id", max_length=32, help_text="The platform's id of the group."
    )
    employee = models.ForeignKey(
        "members.Employee",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="exclusions",
        help_text="Empty: everybody.",
    )
    kind = models.CharField(
        max_length=30,
        choices=choices(FindingKind),
        blank=True,
        help_text="Empty: everything about this person.",
    )
    reason = models.TextField(help_text="Why it is acceptable, for whoever asks next year.")
    expires = models.DateField(
        null=True, blank=True, help_text="Last day on which it holds (UTC). Empty: no end."
    )
    granted_by = models.CharField(max_length=150, blank=True, editable=False)
    granted_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["platform", "group_external_id", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(employee__isnull=False) | ~models.Q(kind=""),
                name="exclusion_person_or_kind",
                violation_error_message="Choose a person, a kind of finding, or both.",
            ),
            models.UniqueConstraint(
                fields=["platform", "group_external_id", "employee", "kind"],
                name="exclusion_person_once",
                condition=models.Q(employee__isnull=False),
                violation_error_message="This exclusion exists already.",
            ),
            models.UniqueConstraint(
                fields=["platform", "group_external_id", "kind"],
                name="exclusion_kind_once",
                condition=models.Q(employee__isnull=True),
                violation_error_message="This exclusion exists already.",
            ),
        ]

    def __str__(self) -> str:
        group = getattr(self, "group_name", None) or self.group_external_id  # the admin reads the name along
        return f"{self.employee or self.get_kind_display()} in {group}"
