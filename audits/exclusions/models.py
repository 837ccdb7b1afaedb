"""What somebody asks to have accepted, and who decided it. What is granted is a `members.Exclusion`."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from members.models import Employee, Exclusion, choices
from members.platforms.types import Platform
from members.policy import FindingKind


class RequestState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    GRANTED = "granted", "Granted"
    REFUSED = "refused", "Refused"
    WITHDRAWN = "withdrawn", "Withdrawn"


class ExclusionRequest(models.Model):
    """A wish for an exclusion, with what was decided. It has no effect of its own and is never deleted."""

    platform = models.CharField(max_length=10, choices=choices(Platform), help_text="Where the group is.")
    group_external_id = models.CharField("group id", max_length=32)
    employee = models.ForeignKey(
        Employee,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: everybody.",
    )
    kind = models.CharField(
        max_length=30,
        choices=choices(FindingKind),
        blank=True,
        help_text="Empty: everything about this person.",
    )
    reason = models.TextField(help_text="Why it is acceptable: whoever grants it reads this.")
    expires = models.DateField(
        "until", null=True, blank=True, help_text="Last day on which it holds (UTC). Empty: no end."
    )
    state = models.CharField(
        max_length=10, choices=RequestState.choices, default=RequestState.WAITING, editable=False
    )
    requested_by = models.CharField(max_length=150, editable=False)
    requester = models.CharField(
        max_length=160, blank=True, editable=False, help_text="Who it is, whatever they are called."
    )
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_by = models.CharField(max_length=150, blank=True, editable=False)
    decided_at = models.DateTimeField(null=True, blank=True, editable=False)
    note = models.CharField(max_length=300, blank=True, editable=False, help_text="Why it was decided so.")
    exclusion = models.ForeignKey(
        Exclusion, on_delete=models.SET_NULL, null=True, blank=True, related_name="requests", editable=False
    )

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["state", "platform", "group_external_id"], name="request_place_idx")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(employee__isnull=False) | ~models.Q(kind=""),
                name="request_person_or_kind",
                violation_error_message="Choose a person, a kind of finding, or both.",
            ),
        ]

    def __str__(self) -> str:
        return f"Request {self.pk}"

    def clean(self) -> None:
        if self.expires is not None and self.expires < timezone.now().date():
            raise ValidationError({"expires": "This day is over."})
