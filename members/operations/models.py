"""Stored plans, their steps, the record of what was done, and who holds which connection.

Steps and events name people and groups by plain keys, not by foreign keys: the record survives
whatever is deleted later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, NoReturn

from django.db import models
from django.db.models.functions import Concat, Upper
from django.utils import timezone

from members.choices import choices
from members.dates import moment_in_words
from members.operations.states import OperationState, StepState
from members.operations.words import OUTCOME_WORDS, STATE_WORDS, STEP_WORDS
from members.platforms.types import Platform


def _choices(words: Mapping[Any, str]) -> list[tuple[str, str]]:
    return [(str(item), label) for item, label in words.items()]


def _lines(*fields: str) -> Concat:
    """These fields, each on a line of its own: no word is found across two of them."""
    line = models.Value("\n")
    return Concat(*(part for field in fields for part in (field, line)))


class Trigger(models.TextChoices):
    PERSON = "person", "Person"
    SCHEDULE = "schedule", "Schedule"
    EVENT = "event", "Event"
    COMMAND = "command", "Command"


class Relation(models.TextChoices):
    """What an operation is to its parent."""

    UNDO = "undo", "Undo"
    RETRY = "retry", "Retry"
    REPLAN = "replan", "New plan"


class Operation(models.Model):
    """A stored plan of writes: what was asked for, who confirmed it, how it goes, what came of it."""

    kind = models.CharField(max_length=40)
    platforms = models.JSONField(default=list)
    parameters = models.JSONField(default=dict, blank=True, help_text="What was asked for.")
    state = models.CharField(
        max_length=10, choices=_choices(STATE_WORDS), default=OperationState.PLANNED, db_index=True
    )
    plan_hash = models.CharField(max_length=16)
    count = models.PositiveIntegerField()
    reach = models.PositiveIntegerField(default=0, help_text="What a share of the targets is a share of.")
    skipped = models.JSONField(default=list, blank=True, help_text="What is not to be done, and why.")
    over_cap = models.CharField(max_length=200, blank=True, help_text="Why the plan is too large, if it is.")
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    planned_by = models.CharField(max_length=150)
    planner = models.CharField(
        max_length=160, blank=True, help_text="Who planned it, whatever they are called; blank if unknown."
    )
    planned_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    confirmed_by = models.CharField(max_length=150, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    resume_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    owner = models.CharField(max_length=80, blank=True, help_text="The execution that holds the operation.")
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Executions since a step last came to its end."
    )
    cancel_requested = models.BooleanField(default=False)
    message = models.TextField(blank=True)
    account_trouble = models.BooleanField(
        default=False, help_text="An account is not configured or cannot go on: somebody has to see to it."
    )
    parts = models.JSONField(
        default=dict, blank=True, help_text="By platform: what stopped its part, and until when."
    )
    api_calls = models.JSONField(default=dict, blank=True)
    waited_seconds = models.FloatField(default=0.0)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    relation = models.CharField(max_length=10, choices=Relation.choices, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("run_operation", "Can plan, confirm and cancel operations"),
            ("override_cap", "Can confirm operations above their cap"),
            ("confirm_removals", "Can confirm removals and kicks"),
        ]

    def __str__(self) -> str:
        return f"Operation {self.pk}"


class Step(models.Model):
    """One write on one target, with its own outcome. Names are as they were when it was planned."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField()
    platform = models.CharField(max_length=10, choices=choices(Platform))
    verb = models.CharField(max_length=20)
    group_id = models.CharField(max_length=32)
    group_name = models.CharField(max_length=255)
    subject = models.CharField(max_length=50, blank=True)
    subject_name = models.CharField(max_length=200, blank=True)
    user_id = models.CharField(max_length=32, blank=True)
    connection = models.CharField(
        max_length=30,
        blank=True,
        default="",
        db_default="",
        help_text="Which further workspace or account does it; empty: the usual one.",
    )
    arguments = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=_choices(STEP_WORDS), default=StepState.PENDING)
    outcome = models.CharField(max_length=30, choices=_choices(OUTCOME_WORDS), blank=True)
    message = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    search_text = models.GeneratedField(
        # In capitals: to make them of five fields for each of 60,000 steps took three quarters of a search.
        expression=Upper(_lines("group_name", "group_id", "subject_name", "subject", "user_id")),
        output_field=models.TextField(),
        db_persist=True,
        help_text="What a group and a person are found by.",
    )

    class Meta:
        ordering: ClassVar = ["operation", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["operation", "position"], name="step_once_per_position")
        ]
        indexes: ClassVar = [models.Index(fields=["operation", "state"], name="step_state_idx")]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject_name} · {self.group_name}".strip(" ·")


class OperationReport(models.Model):
    """A file that an operation left behind."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="reports")
    format = models.CharField(max_length=5)
    file = models.FileField(upload_to="operations/%Y/%m/")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["operation", "format"], name="report_once_per_operation")
        ]

    def __str__(self) -> str:
        return f"{self.format} of operation {self.operation_id}"


class Lease(models.Model):
    """Who writes through a connection now. The token grows with every holder: an older one is void."""

    connection = models.CharField(max_length=40, unique=True)
    owner = models.CharField(max_length=80, blank=True)
    token = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField()
    gives_way = models.BooleanField(
        default=False, help_text="Its holder only listens, and lets go when somebody else wants it."
    )
    wanted = models.BooleanField(default=False, help_text="Somebody else wants it.")

    def __str__(self) -> str:
        return self.connection


class AppendOnly(Exception):
    """Events are never changed and never deleted."""

    def __init__(self) -> None:
        super().__init__("The activity record is append-only.")


class _AppendOnlyQuerySet(models.QuerySet["ActivityEvent"]):
    """Appends, and refuses all else, also to Django's own machinery: fixtures, cascades."""

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Any]:
        if update_conflicts:
            raise AppendOnly
        return super().bulk_create(objs, batch_size, ignore_conflicts)

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def _update(self, values: Any) -> int:
        """What `Model.save` tries before it inserts, and `loaddata` with it."""
        if self.exists():
            raise AppendOnly
        return 0

    def _raw_delete(self, using: str | None) -> NoReturn:
        raise AppendOnly


class ActivityEvent(models.Model):
    """One line of the record of who did what. Each carries the hash of the one before."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=40)
    operation_id = models.PositiveBigIntegerField(null=True, blank=True, db_index=True)
    platform = models.CharField(max_length=10, blank=True)
    group_id = models.CharField(max_length=32, blank=True)
    group_name = models.CharField(max_length=255, blank=True)
    subject = models.CharField(max_length=50, blank=True)
    outcome = models.CharField(max_length=30, blank=True)
    detail = models.TextField(blank=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    objects = _AppendOnlyQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["id"]
        base_manager_name = "objects"
        indexes: ClassVar = [
            models.Index(fields=["subject", "-id"], name="event_subject_idx"),
            # For the list's filters: what there is to choose, and the newest of what was chosen.
            models.Index(fields=["action", "-id"], name="event_action_idx"),
            models.Index(fields=["outcome", "-id"], name="event_outcome_idx"),
            models.Index(fields=["actor", "-id"], name="event_actor_idx"),
        ]

    def __str__(self) -> str:
        return f"{moment_in_words(self.at)} {self.actor}: {self.action}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs | {"force_insert": True})  # never over a row with the same id

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly


class ActivityHead(models.Model):
    """The end of the record: what the next event continues, and the lock of whoever appends it."""

    hash = models.CharField(max_length=64)
    length = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.length} events"
