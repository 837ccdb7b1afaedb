"""The outbox: what people are to be told, on which way, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, validate_email
from django.db import models
from django.utils import timezone
from simple_history.models import HistoricalRecords

from members.notices.kinds import Channel, NoticeKind
from members.notices.timing import QuietHours

NOTICE_KINDS = [(str(kind), kind.label) for kind in NoticeKind]
CHANNELS = [(str(channel), channel.label) for channel in Channel]


class NoticeSettings(models.Model):
    """Who is told what on which way. There is one row, or none: then everything is as it comes."""

    channels = models.JSONField(default=dict, blank=True, help_text="The ways of each kind.")
    recipients = models.TextField(
        "e-mail recipients", blank=True, help_text="One address a line. All of them see each other's."
    )
    digest_minutes = models.PositiveSmallIntegerField(
        "minutes of a digest",
        default=15,
        validators=[MaxValueValidator(24 * 60)],
        help_text="After a message, others of its kind are collected for so long and go out as one. 0: each "
        "goes out by itself.",
    )
    quiet_from = models.TimeField(
        "quiet from",
        null=True,
        blank=True,
        help_text="Nothing but what is urgent goes out. Empty: at any time.",
    )
    quiet_until = models.TimeField(
        "quiet until", null=True, blank=True, help_text="What was held back goes out then."
    )
    quiet_zone = models.CharField("time zone", max_length=63, default="UTC")
    history = HistoricalRecords()

    class Meta:
        verbose_name = verbose_name_plural = "notice settings"

    def __str__(self) -> str:
        return "Notice settings"

    @classmethod
    def current(cls) -> NoticeSettings:
        """The settings as stored, or those that hold until somebody stores some."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    def clean(self) -> None:
        for address in self.addresses:
            try:
                validate_email(address)
            except ValidationError:
                raise ValidationError({"recipients": f"“{address}” is no e-mail address."}) from None
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValidationError({"quiet_until": "Say both, when the quiet hours begin and when they end."})

    @property
    def addresses(self) -> list[str]:
        """The recipients of e-mails, each once."""
        return list(dict.fromkeys(self.recipients.replace(",", " ").split()))

    @property
    def window(self) -> timedelta:
        return timedelta(minutes=self.digest_minutes)

    @property
    def quiet(self) -> QuietHours | None:
        if self.quiet_from is None or self.quiet_until is None:
            return None
        return QuietHours(self.quiet_from, self.quiet_until, ZoneInfo(self.quiet_zone))

    def channels_of(self, kind: NoticeKind) -> frozenset[Channel]:
        """On which ways notices of this kind are wanted; not all of them need to be set up."""
        chosen = self.channels.get(str(kind))
        return kind.facts.default if chosen is None else frozenset(_known(chosen))


def _known(names: Iterable[str]) -> Iterable[Channel]:
    return (channel for channel in Channel if str(channel) in names)


class Notice(models.Model):
    """One thing that people are to know. Written together with its cause, and never changed."""

    kind = models.CharField(max_length=30, choices=NOTICE_KINDS)
    text = models.TextField()
    path = models.CharField(max_length=300, blank=True, help_text="The page in the admin that it is about.")
    attachments = models.JSONField(
        default=list, blank=True, help_text="Names in the storage, and as they are sent."
    )
    once = models.CharField(
        max_length=200,
        null=True,
        blank=True,
        unique=True,
        help_text="What it tells of, where that must be told only once.",
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["kind", "-id"], name="notice_kind_idx")]

    def __str__(self) -> str:
        return self.headline

    @property
    def headline(self) -> str:
        return self.text.partition("\n")[0]


class MessageState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class Message(models.Model):
    """What goes out on one way at one time: one notice, or several of a kind as a digest."""

    channel = models.CharField(max_length=10, choices=CHANNELS)
    kind = models.CharField(max_length=30, choices=NOTICE_KINDS)
    state = models.CharField(
        max_length=10,
        choices=[(str(state), str(state).capitalize()) for state in MessageState],
        default=MessageState.WAITING,
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    doubtful = models.BooleanField(default=False, help_text="An earlier attempt may have got through.")
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["state", "due_at"], name="message_due_idx"),
            models.Index(fields=["channel", "kind", "-created_at"], name="message_last_idx"),
        ]

    def __str__(self) -> str:
        return f"Message {self.pk}"


class Delivery(models.Model):
    """That a notice is to go out on one way, and with which message it does."""

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=10, choices=CHANNELS)
    message = models.ForeignKey(
        Message, on_delete=models.SET_NULL, null=True, blank=True, related_name="deliveries"
    )

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["notice", "channel"], name="delivery_once_per_channel")
        ]
        indexes: ClassVar = [
            models.Index(fields=["channel"], name="delivery_waiting_idx", condition=models.Q(message=None)),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.notice_id}"
