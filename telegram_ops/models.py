"""What is kept of the Telegram account between two connections."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


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
