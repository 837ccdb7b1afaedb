"""The Telegram accounts, what is kept of their sign-ins, and what was learnt through them."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from members.crypto import EncryptedTextField
from telegram_ops.ownership_models import GroupAdministrators, OwnershipRequest, OwnershipTemplate

__all__ = [
    "AccountState",
    "GroupAdministrators",
    "OwnershipRequest",
    "OwnershipTemplate",
    "PeerAccess",
    "SignIn",
    "SignedInSession",
    "TelegramAccount",
]

is_phone_number = RegexValidator(
    r"^\+[0-9]{5,15}$", "Write the number with its country code and nothing else, like +15550000101."
)


class AccountState(models.TextChoices):
    """How far an account's sign-in has come."""

    SIGNED_OUT = "signed_out", "Signed out"
    CODE_SENT = "code_sent", "Code sent"
    PASSWORD_NEEDED = "password_needed", "Password needed"  # noqa: S105 (a state)
    OTHER_PERSON = "other_person", "Somebody else"
    SIGNED_IN = "signed_in", "Signed in"
    IN_TROUBLE = "in_trouble", "In trouble"

    @classmethod
    def half_way(cls) -> tuple[AccountState, ...]:
        """The states of a sign-in that somebody has begun and not finished."""
        return cls.CODE_SENT, cls.PASSWORD_NEEDED, cls.OTHER_PERSON


class TelegramAccount(models.Model):
    """An account that we can look and act through. Its secrets are in rows of their own, below."""

    label = models.CharField(max_length=40, unique=True, help_text="What people call it here.")
    phone = models.CharField(
        max_length=16, validators=[is_phone_number], help_text="With the country code, like +15550000101."
    )
    is_default = models.BooleanField("in use", default=False, help_text="Everything goes through this one.")
    audited_too = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Audits look through it as well, and its groups are reached through it.",
    )
    user_id = models.BigIntegerField("Telegram id", null=True, blank=True, editable=False)
    username = models.CharField(max_length=64, blank=True, editable=False)
    name = models.CharField(max_length=200, blank=True, editable=False)
    state = models.CharField(
        max_length=16, choices=AccountState.choices, default=AccountState.SIGNED_OUT, editable=False
    )
    state_since = models.DateTimeField(default=timezone.now, editable=False)
    reason = models.TextField(blank=True, editable=False, help_text="Why it is in trouble.")
    wait_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When Telegram lets the next try to sign in begin."
    )
    last_used_at = models.DateTimeField("last used", null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-is_default", "label"]
        verbose_name = "Telegram account"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="one_default_account"
            ),
        ]
        permissions: ClassVar = [("sign_in_telegram", "Can sign Telegram accounts in and out")]

    def __str__(self) -> str:
        return self.label

    @property
    def masked_phone(self) -> str:
        """The number as pages, logs and the record show it: without its middle digits."""
        return mask_phone(self.phone)

    @property
    def person(self) -> str:
        """Who it belongs to, as far as Telegram has told: "Ada Example (@ada)"."""
        return f"{self.name} (@{self.username})" if self.username else self.name


class SignedInSession(models.Model):
    """The session of a signed-in account. It *is* the account: it is never shown, logged or exported."""

    account = models.OneToOneField(
        TelegramAccount, on_delete=models.CASCADE, primary_key=True, related_name="stored_session"
    )
    session = EncryptedTextField()

    class Meta:
        verbose_name = "the stored sign-in"

    def __str__(self) -> str:
        return f"The session of {self.account_id}"


class SignIn(models.Model):
    """A sign-in between two requests of whoever makes it; gone when it is finished or given up.

    Codes and passwords are in here at no time.
    """

    account = models.OneToOneField(
        TelegramAccount, on_delete=models.CASCADE, primary_key=True, related_name="sign_in"
    )
    session = EncryptedTextField()
    phone_code_hash = EncryptedTextField()
    password_hint = EncryptedTextField()
    way = models.CharField(max_length=12, help_text="Where the code was sent to: a `CodeWay`.")
    next_way = models.CharField(max_length=12, blank=True, help_text="Where the next one would be sent to.")
    code_length = models.PositiveSmallIntegerField(null=True)
    sent_at = models.DateTimeField()
    resend_at = models.DateTimeField(help_text="When Telegram lets us ask for the code on another way.")
    begun_by = models.CharField(max_length=150)
    found_user_id = models.BigIntegerField(null=True, help_text="Who signed in instead of whom we knew.")
    found_username = models.CharField(max_length=64, blank=True)
    found_name = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "the half-made sign-in"

    def __str__(self) -> str:
        return f"The sign-in of {self.account_id}"


class PeerAccess(models.Model):
    """The access hash with which one account may speak of a user or a supergroup.

    Kept so that people are found by id and not by their username, which Telegram resolves only
    a few dozen times a day. Of no use to people: not shown in the admin.
    """

    class Kind(models.TextChoices):
        USER = "user", "User"
        CHANNEL = "channel", "Channel"

    account_id = models.BigIntegerField(help_text="Telegram's id of the account that the hash belongs to.")
    kind = models.CharField(max_length=7, choices=Kind.choices)
    peer_id = models.BigIntegerField(help_text="Telegram's bare id of the user or supergroup.")
    access_hash = models.BigIntegerField()
    seen_at = models.DateTimeField(help_text="When Telegram last told it.")

    class Meta:
        verbose_name_plural = "peer accesses"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account_id", "kind", "peer_id"], name="peer_once_per_account"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.peer_id}, for account {self.account_id}"


def mask_phone(phone: str) -> str:
    """A phone number without its middle digits: +155•••••01."""
    return phone[:4] + "•" * max(0, len(phone) - 6) + phone[-2:] if len(phone) > 6 else "•" * len(phone)
