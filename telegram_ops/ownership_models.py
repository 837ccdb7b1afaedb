"""Groups that belong to somebody else: who runs them, what we write to those people, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from simple_history.models import HistoricalRecords

from members.models import Group, choices
from members.platforms.types import AdminStatus
from telegram_ops.ownership_texts import LONGEST_TEMPLATE, RIGHTS, explained_placeholders, problems_of

valid_key = RegexValidator(r"^[a-z0-9][a-z0-9-]*\Z", "Use small letters, digits and hyphens.")


class GroupAdministrators(models.Model):
    """Who runs a Telegram group, as last read. Kept so that to look again the same day costs nothing."""

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="administrators")
    people = models.JSONField(default=list, help_text="The owner first.")
    trouble = models.TextField(blank=True, help_text="Why it could not be read.")
    account = models.CharField(max_length=200, help_text="With whose eyes: “@ada”, or the name without one.")
    account_name = models.CharField(max_length=200)
    read_at = models.DateTimeField()

    class Meta:
        verbose_name = "the administrators of a group"

    def __str__(self) -> str:
        return f"Who runs {self.group}"


class OwnershipTemplate(models.Model):
    """What is written to people who run groups that should be ours, with places to be filled in."""

    key = models.CharField(
        max_length=40,
        unique=True,
        validators=[valid_key],
        help_text="Short. Commands name the template by it, so it cannot be changed later.",
    )
    name = models.CharField(max_length=100, help_text="What people choose it by.")
    text = models.TextField(max_length=LONGEST_TEMPLATE, help_text=explained_placeholders())
    sender = models.CharField(
        max_length=200,
        blank=True,
        help_text="What {sender} stands for: you and your company. Empty: the name of our Telegram account.",
    )
    rights = models.JSONField(
        default=list,
        blank=True,
        help_text="What {rights} stands for, where we only ask to be made an admin.",
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = "request template"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        errors: dict[str, list[str]] = {}
        if problems := problems_of(self.text):
            errors["text"] = problems
        if not isinstance(self.rights, list) or not set(self.rights) <= RIGHTS.keys():
            errors["rights"] = [f"Choose from: {', '.join(RIGHTS)}."]
        if errors:
            raise ValidationError(errors)


class RequestState(models.TextChoices):
    REQUESTED = "requested", "Requested"
    REMINDED = "reminded", "Reminded"
    DONE = "done", "Done"
    REFUSED = "refused", "Refused"


OPEN = (RequestState.REQUESTED, RequestState.REMINDED)


class OwnershipRequest(models.Model):
    """One group that one person was asked for. The same person is never asked for it twice."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="ownership_requests")
    user_id = models.BigIntegerField("Telegram id", help_text="Whom we asked; names can change hands.")
    user_name = models.CharField("person", max_length=200)
    username = models.CharField(max_length=64, blank=True)
    is_owner = models.BooleanField(
        "owner", default=True, help_text="Off: an admin, because no owner could be reached."
    )
    state = models.CharField(max_length=10, choices=RequestState.choices, default=RequestState.REQUESTED)
    admin_status_before = models.CharField(
        "our status then", max_length=20, choices=choices(AdminStatus), default=AdminStatus.UNKNOWN
    )
    requested_at = models.DateTimeField()
    requested_by = models.CharField(max_length=150)
    reminded_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    operation_id = models.BigIntegerField(
        null=True, blank=True, help_text="The operation that wrote last; empty: somebody wrote by hand."
    )
    note = models.TextField(blank=True, help_text="What they answered, or what to try next.")

    class Meta:
        ordering: ClassVar = ["user_name", "user_id", "group__name"]
        verbose_name = "ownership request"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "user_id"], name="asked_once_for_a_group"),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "user_id"], name="ownership_state_idx")]

    def __str__(self) -> str:
        return f"{self.group}: {self.user_name}"

    @property
    def asked_at(self) -> datetime:
        """When they were last written to."""
        return self.reminded_at or self.requested_at

    @property
    def is_open(self) -> bool:
        return self.state in OPEN
