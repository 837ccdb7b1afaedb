"""The gated community: who pays, who is protected, who is in it, and the switch of the kicks.

People are Telegram ids throughout. The tables `feature_flags` and `whitelist` are called as the runbook
calls them, so that a person with nothing but the database can look and turn kicks off.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from members.crypto import EncryptedTextField
from members.jobs import Job
from whitelist.burning import Cause
from whitelist.decision import Role, SubscriptionFacts, SubscriptionStatus

LONGEST_NAME = 64
"""Of a first or last name on Telegram, in characters (`users.updateProfile`)."""
LONGEST_USERNAME = 32

positive = MinValueValidator(1, "The id of a person on Telegram is a positive number.")


def _choices(enum: type[StrEnum]) -> list[tuple[str, str]]:
    return [(str(item), str(item).replace("_", " ").capitalize()) for item in enum]


class FeatureFlag(models.Model):
    """A switch that is read from the database whenever it matters; off unless it says otherwise."""

    key = models.CharField(max_length=50, primary_key=True)
    bool_value = models.BooleanField("on", default=False, db_default=False)
    expires_at = models.DateTimeField(
        "on until", null=True, blank=True, help_text="From then on it reads as off."
    )
    changed_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    changed_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        db_table = "feature_flags"
        verbose_name = "switch"
        verbose_name_plural = "switches"
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("switch_kicks", "Can turn kicks on"),
            ("stop_kicks", "Can turn kicks off"),
        ]

    def __str__(self) -> str:
        return self.key


class WhitelistEntry(models.Model):
    """Protection from kicks for one Telegram id; permanent until it is revoked ("burned")."""

    telegram_id = models.BigIntegerField("Telegram id", primary_key=True, validators=[positive])
    source = models.CharField(max_length=30, default="manual", db_default="manual")
    note = models.TextField(blank=True, default="", db_default="")
    granted_at = models.DateTimeField(default=timezone.now, db_default=Now())
    granted_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    revoke_cause = models.CharField(
        max_length=20, blank=True, choices=_choices(Cause), default="", db_default=""
    )
    revoke_reason = models.TextField(blank=True, default="", db_default="")

    class Meta:
        db_table = "whitelist"
        ordering: ClassVar = ["-granted_at", "telegram_id"]
        verbose_name = "whitelist entry"
        verbose_name_plural = "whitelist"
        default_permissions = ("add", "view")
        permissions: ClassVar = [("burn_whitelistentry", "Can burn whitelist entries")]
        indexes: ClassVar = [
            models.Index(fields=["-granted_at", "telegram_id"], name="whitelist_granted_idx"),
        ]

    def __str__(self) -> str:
        return str(self.telegram_id)

    @property
    def active(self) -> bool:
        return self.revoked_at is None


class Subscriber(models.Model):
    """A customer of the gated community, as their Telegram account."""

    telegram_id = models.BigIntegerField(
        "Telegram id",
        primary_key=True,
        validators=[positive],
        help_text="Their number on Telegram, which never changes.",
    )
    username = models.CharField(
        max_length=LONGEST_USERNAME, blank=True, db_index=True, help_text="Without @."
    )
    first_name = models.CharField(max_length=LONGEST_NAME, blank=True, help_text="As on Telegram.")
    last_name = models.CharField(max_length=LONGEST_NAME, blank=True, help_text="As on Telegram.")
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["telegram_id"]
        default_permissions = ("add", "change", "view")

    def __str__(self) -> str:
        return self.full_name or (f"@{self.username}" if self.username else str(self.telegram_id))

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class Subscription(models.Model):
    """What opens the community to a subscriber, and until when. Each has one; a renewal changes it."""

    subscriber = models.OneToOneField(
        Subscriber,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="subscription",
        help_text="The Telegram id of a subscriber who is known already.",
    )
    status = models.CharField(
        max_length=10,
        choices=_choices(SubscriptionStatus),
        default=SubscriptionStatus.PENDING,
        help_text="Time moves active to grace and grace to expired; whoever is not expired is never kicked.",
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: no end.")
    grace_until = models.DateTimeField(
        null=True, blank=True, help_text="Empty: the usual days of grace after the end."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["subscriber"]
        default_permissions = ("add", "change", "view")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=list(SubscriptionStatus)), name="subscription_status_known"
            ),
            models.CheckConstraint(
                condition=Q(grace_until=None) | Q(expires_at=None) | Q(grace_until__gte=F("expires_at")),
                name="subscription_grace_after_end",
                violation_error_message="The grace cannot end before the subscription does.",
            ),
            models.CheckConstraint(
                condition=~Q(status=SubscriptionStatus.GRACE) | Q(grace_until__isnull=False),
                name="subscription_grace_has_end",
                violation_error_message="Say until when the grace lasts.",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "expires_at"], name="subscription_lapsing_idx"),
            models.Index(fields=["status", "grace_until"], name="subscription_ending_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber_id}: {self.status}"

    @property
    def facts(self) -> SubscriptionFacts:
        return SubscriptionFacts(SubscriptionStatus(self.status), self.expires_at, self.grace_until)


class CommunityMember(models.Model):
    """Somebody in the gated community, as last read or told. Who has left keeps a row that says when."""

    chat_id = models.BigIntegerField("community")
    telegram_id = models.BigIntegerField("Telegram id")
    username = models.CharField(max_length=LONGEST_USERNAME, blank=True)
    name = models.CharField(max_length=2 * LONGEST_NAME + 1, blank=True)
    role = models.CharField(max_length=6, choices=_choices(Role), default=Role.MEMBER)
    is_bot = models.BooleanField("bot", default=False)
    is_our_account = models.BooleanField("our account", default=False)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["telegram_id"]
        default_permissions = ("view",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chat_id", "telegram_id"], name="member_once_per_community"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["telegram_id"], name="member_person_idx"),
            models.Index(
                fields=["chat_id"],
                name="member_special_idx",
                condition=~Q(role=Role.MEMBER) | Q(is_bot=True) | Q(is_our_account=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name or (f"@{self.username}" if self.username else str(self.telegram_id))


class CommunityReading(models.Model):
    """One reading of the whole member list, and what it proved."""

    chat_id = models.BigIntegerField("community")
    read_at = models.DateTimeField()
    seen = models.PositiveIntegerField(help_text="People on the list.")
    expected = models.PositiveIntegerField(null=True, blank=True, help_text="Telegram's own count.")
    whole = models.BooleanField(help_text="Whether whoever is not on the list is not in the community.")
    burned = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-read_at", "-id"]
        get_latest_by = "read_at"
        default_permissions = ("view",)
        indexes: ClassVar = [models.Index(fields=["chat_id", "-read_at"], name="reading_latest_idx")]

    def __str__(self) -> str:
        return f"{self.seen} of {self.expected if self.expected is not None else '?'}"


class SeedingJob(Job):
    """A reading of the whole member list, and the protection of everybody on it once it was confirmed."""

    revive = models.BooleanField(
        "protect the burned too", default=False, help_text="Also those whose entry was burned."
    )
    confirms = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="confirmed_by",
        help_text="The preview that was confirmed; empty for a preview, which protects nobody.",
    )
    numbers = models.JSONField(default=dict, help_text="What it came to: numbers of people.")

    class Meta(Job.Meta):
        abstract = False
        verbose_name = "seeding"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"Seeding {self.pk}" if self.confirms_id else f"Preview of a seeding {self.pk}"


class Preflight(models.Model):
    """What somebody was shown before turning kicks on; the confirmation speaks of exactly this."""

    plan_hash = models.CharField(max_length=16)
    count = models.PositiveIntegerField(help_text="Whom a sweep would have kicked.")
    shown_to = models.CharField(max_length=150)
    shown_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["plan_hash", "-shown_at"], name="preflight_hash_idx")]

    def __str__(self) -> str:
        return f"{self.plan_hash}, {self.count} people"


class Bot(models.Model):
    """The community's bot: its sign-in, and how far it has heard. The sign-in is never shown or logged."""

    bot_id = models.BigIntegerField(primary_key=True)
    username = models.CharField(max_length=LONGEST_USERNAME, blank=True)
    session = EncryptedTextField()
    pts = models.PositiveBigIntegerField(default=0)
    qts = models.PositiveBigIntegerField(default=0)
    read_to = models.DateTimeField(null=True, help_text="Where it reads on; empty before it first heard.")
    last_message = models.PositiveBigIntegerField(default=0, help_text="Messages up to it are answered.")
    heard_at = models.DateTimeField(null=True, help_text="When Telegram last answered it.")
    trouble = models.TextField(blank=True, help_text="Why it does not hear everything.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"@{self.username}" if self.username else str(self.bot_id)
