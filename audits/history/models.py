"""What was said in the groups, who said it, and how much of it we have."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from simple_history.models import HistoricalRecords

from audits.history.formats import Format
from members.dates import day_in_words
from members.jobs import Job
from members.models import Category, Group, choices
from members.platforms.history import FileKind, MessageKind
from members.platforms.types import Platform


class Conversation(models.Model):
    """A group's history: what of it is kept, and whether schedules and live events keep it up to date."""

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="conversation")
    kept = models.BooleanField(
        "kept up to date", default=False, help_text="Schedules and live events keep this conversation."
    )
    covered = models.JSONField(
        default=list, blank=True, help_text="Spans of time that are kept whole: microseconds since 1970."
    )
    limited = models.BooleanField(
        default=False, help_text="The platform keeps older messages from the account."
    )
    message_count = models.PositiveIntegerField(default=0)
    first_message_at = models.DateTimeField(null=True, blank=True)
    last_message_at = models.DateTimeField(null=True, blank=True, db_index=True)
    read_at = models.DateTimeField(null=True, blank=True, help_text="When it was last read to its newest.")
    reread_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last read whole, also what was kept already."
    )
    last_said_at = models.DateTimeField(
        null=True,
        blank=True,
        db_index=True,
        help_text="When a person last wrote; the platform's lines aside.",
    )
    waiting_since = models.DateTimeField(
        null=True, blank=True, help_text="When the customer wrote whom no employee has answered yet."
    )
    uncounted_from = models.DateTimeField(
        null=True, blank=True, db_index=True, help_text="From when on its weeks have to be counted again."
    )
    counted_for = models.CharField(
        max_length=64, blank=True, help_text="Stands for the employees whom its weeks were counted with."
    )

    class Meta:
        permissions: ClassVar = [
            ("read_history", "Can read and search conversations"),
            ("keep_history", "Can fetch conversations and choose which are kept"),
            ("export_history", "Can export conversations and download exports"),
        ]

    def __str__(self) -> str:
        return f"Conversation of {self.group}"


class Sender(models.Model):
    """Who wrote. The last name known stays when the platform forgets it."""

    platform = models.CharField(max_length=10, choices=choices(Platform))
    external_id = models.CharField("id", max_length=32)
    name = models.CharField(max_length=255, blank=True)
    username = models.CharField(max_length=80, blank=True)
    is_bot = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["platform", "external_id"], name="sender_is_unique")
        ]

    def __str__(self) -> str:
        return self.name or self.username or self.external_id


class Message(models.Model):
    """One message as last read. See `members.platforms.history.Message` for what the numbers mean."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    origin = models.CharField(max_length=32, blank=True)
    number = models.BigIntegerField()
    sent_at = models.DateTimeField()
    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, null=True, related_name="messages")
    kind = models.CharField(max_length=7, choices=choices(MessageKind), default=MessageKind.MESSAGE)
    text = models.TextField(blank=True)
    thread = models.BigIntegerField(null=True, blank=True)
    reply_to = models.BigIntegerField(null=True, blank=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was first seen to be gone; the message is kept."
    )
    reply_count = models.PositiveIntegerField(default=0)
    latest_reply = models.BigIntegerField(null=True, blank=True)
    replies_read_to = models.BigIntegerField(
        null=True, blank=True, help_text="The latest reply when its thread was last read to its end."
    )
    raw = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conversation", "origin", "number"], name="message_is_unique")
        ]
        indexes: ClassVar = [
            models.Index(fields=["conversation", "sent_at", "number"], name="message_order_idx"),
            models.Index(fields=["sent_at", "id"], name="message_time_idx"),
            models.Index(
                fields=["conversation", "thread"],
                condition=models.Q(thread__isnull=False),
                name="message_thread_idx",
            ),
        ]

    def __str__(self) -> str:
        return f"Message {self.number}"


class Blob(models.Model):
    """What a file holds, once, whoever sent it how often: stored under its own SHA-256."""

    sha256 = models.CharField(max_length=64, unique=True)
    size = models.PositiveBigIntegerField()
    file = models.FileField(max_length=120)

    def __str__(self) -> str:
        return self.sha256[:12]


class MessageFile(models.Model):
    """A file of a message, and what it holds where that was asked for."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="files", db_index=False)
    position = models.PositiveSmallIntegerField()
    external_id = models.CharField(max_length=64, db_index=True)
    kind = models.CharField(max_length=13, choices=choices(FileKind), default=FileKind.FILE)
    name = models.CharField(max_length=255, blank=True)
    mime_type = models.CharField(max_length=127, blank=True)
    size = models.PositiveBigIntegerField(null=True, blank=True)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    left_out = models.CharField(max_length=200, blank=True, help_text="Why what it holds is not kept.")

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "position"], name="file_once_per_message")
        ]

    def __str__(self) -> str:
        return self.name or self.external_id


class WeekOfTalk(models.Model):
    """What was said in a conversation in one week, counted. It outlives the messages themselves."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="weeks", db_index=False
    )
    monday = models.DateField(help_text="The week's first day (UTC).")
    messages = models.PositiveIntegerField(default=0, help_text="Everybody's, bots' included.")
    from_customers = models.PositiveIntegerField(default=0)
    by_employee = models.JSONField(default=dict, help_text="How many messages each employee wrote, by key.")
    answers = models.JSONField(
        default=list, help_text="Seconds until an employee answered, for each answer given in this week."
    )
    last_said_at = models.DateTimeField(null=True, blank=True)
    waiting_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when a customer waited as the week ended."
    )

    class Meta:
        ordering: ClassVar = ["monday"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conversation", "monday"], name="week_once_per_conversation")
        ]

    def __str__(self) -> str:
        return f"Week of {day_in_words(self.monday)}"


class Liveliness(Conversation):
    """The same conversations by how lively they are: a list of its own."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = verbose_name_plural = "engagement"

    def __str__(self) -> str:
        return f"Engagement in {self.group}"


class SyncJob(Job):
    """Fetching what is missing of some conversations. Takes them up one by one, so it can go on anywhere."""

    groups = models.JSONField(help_text="Platform and id of each group, in the order in which they are read.")
    since = models.DateTimeField(null=True, blank=True, help_text="What is older is not fetched.")
    until = models.DateTimeField(null=True, blank=True, help_text="What is as old or newer is not fetched.")
    anew = models.BooleanField(default=False, help_text="Read again also what is kept already.")
    media = models.BooleanField(default=False, help_text="Fetch what the files of the messages hold, too.")
    reached = models.JSONField(
        default=dict, help_text="How far this sync has come in the groups that it is at."
    )
    done = models.JSONField(default=list, help_text="The groups that were read to their end.")
    failures = models.JSONField(default=dict, help_text="Why a group could not be read.")
    messages_new = models.PositiveIntegerField(default=0)
    messages_changed = models.PositiveIntegerField(default=0)
    messages_deleted = models.PositiveIntegerField(default=0)
    files_new = models.PositiveIntegerField(default=0)
    api_calls = models.JSONField(default=dict)
    waited_seconds = models.FloatField(default=0.0)
    account_trouble = models.BooleanField(
        default=False, help_text="Somebody has to see to an account before more can be fetched."
    )

    class Meta(Job.Meta):
        abstract = False
        verbose_name = "sync"

    def __str__(self) -> str:
        return f"Sync {self.pk}"


class ExportJob(Job):
    """One export: its wish, and the file it left behind for as long as it is kept."""

    groups = models.JSONField(help_text="Platform and id of each group, in their order.")
    format = models.CharField(max_length=15, choices=[(str(format), format.label) for format in Format])
    since = models.DateTimeField(null=True, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    media = models.BooleanField(default=False)
    sync = models.ForeignKey(
        SyncJob, on_delete=models.SET_NULL, null=True, blank=True, help_text="What is fetched before."
    )
    file = models.FileField(upload_to="exports/%Y/%m/", max_length=200, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    messages = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta(Job.Meta):
        abstract = False
        verbose_name = "export"

    def __str__(self) -> str:
        return f"Export {self.pk}"


class RetentionPeriod(models.Model):
    """How long messages are kept in the groups of one category, where that is not the usual time."""

    category = models.OneToOneField(
        Category,
        on_delete=models.CASCADE,
        related_name="retention",
        help_text="Of the groups whose messages this is about.",
    )
    days = models.PositiveIntegerField(
        help_text="How many days after it was sent a message is deleted here for good. 0: never."
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["category__position", "id"]

    def __str__(self) -> str:
        return f"{self.category}: {f'{self.days:,} days' if self.days else 'for ever'}"


class Purge(models.Model):
    """What one purge deleted because its time was over. Written as it goes on: a killed one tells too."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    messages = models.PositiveIntegerField(default=0)
    files = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0, help_text="What the deleted files held.")
    groups = models.JSONField(
        default=list, help_text="Group by group: how many messages from before which moment."
    )

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"Purge {self.pk}"
