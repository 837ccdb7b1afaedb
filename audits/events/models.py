"""What listeners heard of groups, what became of it, and the listeners themselves."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from audits.models import AuditRun
from members.models import choices
from members.platforms.live import Happening
from members.platforms.types import Platform


class LiveEvent(models.Model):
    """What was heard of one group in one burst. It waits until an audit has looked at the group."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        LOOKING = "looking", "An audit looks"
        SEEN = "seen", "Seen"
        GIVEN_UP = "given_up", "Given up"

    platform = models.CharField(max_length=10, choices=choices(Platform))
    group_external_id = models.CharField("group id", max_length=32)
    group_name = models.CharField("group", max_length=255, blank=True)
    what = models.CharField(max_length=10, choices=choices(Happening), help_text="What happened last.")
    times = models.PositiveIntegerField(default=1, help_text="How many events the burst had.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    heard_at = models.DateTimeField(help_text="When the first of them came.")
    last_heard_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="When to look.")
    run = models.ForeignKey(AuditRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "live event"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["platform", "group_external_id"],
                condition=models.Q(state="waiting"),
                name="one_waiting_event_per_group",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "platform", "due_at"], name="live_event_due_idx"),
            models.Index(fields=["platform", "group_external_id", "-id"], name="live_event_group_idx"),
        ]

    def __str__(self) -> str:
        name = self.group_name or self.group_external_id
        return f"{name}: {self.get_what_display().lower()}"


class Listener(models.Model):
    """One platform's listener: how it does, and how far it has read."""

    platform = models.CharField(max_length=10, choices=choices(Platform), primary_key=True)
    owner = models.CharField(max_length=64, blank=True, editable=False)
    beat_at = models.DateTimeField(null=True, blank=True, editable=False)
    account = models.CharField(max_length=255, blank=True, help_text="Whose eyes it has.")
    listening_since = models.DateTimeField(null=True, blank=True)
    left_at = models.DateTimeField(null=True, blank=True, help_text="Until when it listened before.")
    last_event_at = models.DateTimeField(null=True, blank=True)
    last_event = models.CharField(max_length=255, blank=True)
    problem = models.TextField("last problem", blank=True)
    problem_at = models.DateTimeField(null=True, blank=True)
    account_id = models.CharField(max_length=32, blank=True, editable=False)
    pts = models.BigIntegerField(default=0, editable=False, help_text="Of Telegram's sequences.")
    qts = models.BigIntegerField(default=0, editable=False)
    read_to = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["platform"]

    def __str__(self) -> str:
        return Platform(self.platform).label
