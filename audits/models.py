"""Runs, what they found in each group, and the findings with their life."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from audits.exclusions.models import ExclusionRequest as ExclusionRequest  # Django looks for models here
from audits.lifecycle import Change, State
from audits.powerless import PowerlessGroups, lacking, waiting_in, way_on
from audits.rows import Verdict
from members.models import Category, Employee, Group, choices
from members.platforms.types import AdminStatus, History, Platform, Privacy
from members.policy import FindingKind


class RunState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    COMPLETE = "complete", "Complete"
    PARTIAL = "partial", "Partial"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"

    @classmethod
    def unfinished(cls) -> tuple[RunState, ...]:
        return cls.QUEUED, cls.RUNNING

    @classmethod
    def ended(cls) -> tuple[RunState, ...]:
        return cls.COMPLETE, cls.PARTIAL, cls.FAILED, cls.CANCELLED


class PartState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SEEN = "seen", "Seen"
    FAILED = "failed", "Failed"

    @classmethod
    def over(cls) -> tuple[PartState, ...]:
        return cls.SEEN, cls.FAILED


class Trigger(models.TextChoices):
    PERSON = "person", "Person"
    COMMAND = "command", "Command"
    SCHEDULE = "schedule", "Schedule"
    EVENT = "event", "Event"


BULKY = ("blind_spots", "archived_groups", "api_calls", "accounts", "summary", "verdicts", "groups")
"""Fields of a run that grow with what it saw: no list of something else shows them."""


class AuditRun(models.Model):
    """One audit: what was asked, how it goes, what came of it. The row is the truth; Celery only wakes it.

    It is *running* while somebody holds one of its parts, or itself to bring it to its end; and for a minute
    longer when something was seen, for those who take the rest.
    """

    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.QUEUED)
    platforms = models.JSONField(help_text="The platforms to look at.")
    deep = models.BooleanField(default=False, help_text="Read every member list too.")
    narrow = models.BooleanField(
        default=False, db_index=True, help_text="It looks at a few groups alone, and tells of no other."
    )
    groups = models.JSONField(
        default=list, blank=True, help_text="Those groups: the platform and its id of each."
    )
    operation_id = models.PositiveBigIntegerField(
        null=True, blank=True, db_index=True, help_text="The operation after which it looks."
    )
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    owner = models.CharField(
        max_length=64, blank=True, help_text="The execution that brings the run to its end."
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    progress_label = models.CharField(max_length=255, blank=True)
    progress_percent = models.PositiveSmallIntegerField(default=0)
    policy = models.TextField(
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="What its parts look for, and what it is judged by: as it was when it began.",
    )
    message = models.TextField(blank=True, help_text="What went wrong, one line a platform.")
    account_trouble = models.BooleanField(
        default=False, help_text="No platform came through, and an account is not configured or cannot go on."
    )
    sign_in_needed = models.BooleanField(
        default=False, help_text="A platform's part ended because nobody is signed in to its account."
    )
    accounts = models.JSONField(
        default=dict, blank=True, help_text="The user ids of the accounts that looked, by platform."
    )
    api_calls = models.JSONField(default=dict, blank=True)
    waited_seconds = models.FloatField(default=0.0)
    summary = models.JSONField(default=dict, blank=True)
    verdicts = models.JSONField(
        default=dict,
        blank=True,
        help_text="By platform, category and verdict: how many groups. A narrow run has none.",
    )
    blind_spots = models.JSONField(default=list, blank=True)
    archived_groups = models.JSONField(default=list, blank=True)
    opened = models.PositiveIntegerField(default=0)
    resolved = models.PositiveIntegerField(default=0, help_text="Open findings that ended.")
    reopened = models.PositiveIntegerField(default=0)
    excluded = models.PositiveIntegerField(default=0, help_text="Open findings that are accepted now.")
    open_findings = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "audit run"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="running"), name="one_audit_at_a_time"
            ),
        ]
        permissions: ClassVar = [("run_audit", "Can start and cancel audits")]

    def __str__(self) -> str:
        return f"Audit {self.pk}"

    @property
    def finished(self) -> bool:
        return self.state not in RunState.unfinished()

    @property
    def open_before(self) -> int:
        """How many findings were open when its outcome was stored: with what it did, `open_findings`."""
        return self.open_findings - self.opened - self.reopened + self.resolved + self.excluded

    @property
    def recorded(self) -> bool:
        """Whether it came as far as to store what it saw, be it little."""
        return bool(self.summary)


class AuditPart(models.Model):
    """What one connection shows in one run. Workers take parts one by one; they go when the run ends."""

    run = models.ForeignKey(AuditRun, on_delete=models.CASCADE, related_name="parts")
    platform = models.CharField(max_length=10, choices=choices(Platform))
    connection = models.CharField(
        max_length=30, blank=True, help_text="Which workspace or account looks; empty: the usual one."
    )
    name = models.CharField(max_length=100, help_text="What people call it.")
    state = models.CharField(max_length=10, choices=PartState.choices, default=PartState.QUEUED)
    owner = models.CharField(max_length=64, blank=True, help_text="The execution that looks.")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    progress_label = models.CharField(max_length=255, blank=True)
    progress_percent = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When it was seen, or given up.")
    message = models.TextField(blank=True, help_text="Why it was given up.")
    observation = models.TextField(blank=True, help_text="What was seen, as compact JSON.")

    class Meta:
        ordering: ClassVar = ["id"]
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "platform", "connection"], name="part_once_per_run")
        ]

    def __str__(self) -> str:
        return f"{self.name} of audit {self.run_id}"


class RunReport(models.Model):
    """A file that a run left behind."""

    class Format(models.TextChoices):
        XLSX = "xlsx", "Workbook (XLSX)"
        CSV = "csv", "Missing members (CSV)"
        JSON = "json", "Everything (JSON)"

    run = models.ForeignKey(AuditRun, on_delete=models.CASCADE, related_name="reports")
    format = models.CharField(max_length=5, choices=Format.choices)
    file = models.FileField(upload_to="audits/%Y/%m/")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "format"], name="report_once_per_run")
        ]

    def __str__(self) -> str:
        return f"{self.get_format_display()} of audit {self.run_id}"


class GroupResult(models.Model):
    """One group in one run: a line of the report. People are listed by employee key."""

    run = models.ForeignKey(AuditRun, on_delete=models.CASCADE, related_name="results")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="results")
    name = models.CharField(max_length=255)
    category = models.ForeignKey(Category, on_delete=models.SET_NULL, null=True, related_name="+")
    category_key = models.CharField(max_length=50, blank=True, help_text="Stays when the category is gone.")
    requires_full_team = models.BooleanField()
    verdict = models.CharField(max_length=12, choices=choices(Verdict))
    privacy = models.CharField(max_length=8, choices=choices(Privacy))
    history_visibility = models.CharField(max_length=8, choices=choices(History))
    admin_status = models.CharField(max_length=20, choices=choices(AdminStatus))
    total_members = models.PositiveIntegerField(null=True)
    required_present = models.JSONField(default=list)
    required_missing = models.JSONField(default=list)
    optional_present = models.JSONField(default=list)
    optional_missing = models.JSONField(default=list)
    excluded = models.JSONField(default=list)
    unresolved = models.JSONField(default=list)
    under_review = models.JSONField(default=list)
    departed = models.JSONField(default=list)
    flags = models.JSONField(default=list)
    completeness = models.CharField(max_length=16)
    missing_count = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "group"], name="result_once_per_run")]
        indexes: ClassVar = [
            models.Index(fields=["run", "verdict"], name="result_verdict_idx"),
            models.Index(fields=["group", "-run"], name="result_group_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.get_verdict_display()}"


class Finding(models.Model):
    """One thing wrong with one subject in one group, from first sight to its end."""

    platform = models.CharField(max_length=10, choices=choices(Platform))
    group_external_id = models.CharField("group id", max_length=32, blank=True)
    kind = models.CharField(max_length=30, choices=choices(FindingKind))
    subject = models.CharField(
        max_length=50, blank=True, help_text="The employee's key; empty for the group itself."
    )
    state = models.CharField(max_length=10, choices=choices(State))
    group = models.ForeignKey(Group, on_delete=models.SET_NULL, null=True, related_name="findings")
    employee = models.ForeignKey(Employee, on_delete=models.SET_NULL, null=True, related_name="findings")
    detail = models.TextField(blank=True)
    end_reason = models.CharField(max_length=50, blank=True)
    # A finding may outlive the runs that saw it, whose time is over one day.
    first_seen_run = models.ForeignKey(AuditRun, on_delete=models.SET_NULL, null=True, related_name="+")
    last_seen_run = models.ForeignKey(AuditRun, on_delete=models.SET_NULL, null=True, related_name="+")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    times_reopened = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-last_seen_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["platform", "group_external_id", "kind", "subject"], name="finding_is_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "kind"], name="finding_state_kind_idx"),
            models.Index(fields=["state", "group", "kind"], name="finding_state_group_idx"),
            models.Index(fields=["-last_seen_at", "-id"], name="finding_recent_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_state_display()})"


class FindingChange(models.Model):
    """What a run, or the end of an exclusion, changed about a finding."""

    run = models.ForeignKey(
        AuditRun,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="changes",
        help_text="Empty: it changed because time passed, or the run is not kept any more.",
    )
    finding = models.ForeignKey(Finding, on_delete=models.CASCADE, related_name="changes")
    change = models.CharField(max_length=10, choices=choices(Change))
    reason = models.CharField(max_length=50, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(fields=["run", "change"], name="change_run_idx")]

    def __str__(self) -> str:
        by = "" if self.run_id is None else f" by audit {self.run_id}"
        return f"{self.get_change_display()}{by}"


class PowerlessGroup(Group):
    """The groups in which our account lacks a right: a list of its own."""

    objects: ClassVar = PowerlessGroups()

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = "group where we cannot act"
        verbose_name_plural = "groups where we cannot act"

    @property
    def lacking(self) -> str:
        """What our account may not do there, in words."""
        return ", ".join(right.words for right in lacking(self))

    @property
    def waiting(self) -> str:
        """What waits for those rights, in words."""
        return ", ".join(right.of(count) for right, count in waiting_in(self))

    @property
    def way_on(self) -> str:
        """What somebody has to do about it."""
        return way_on(self)
