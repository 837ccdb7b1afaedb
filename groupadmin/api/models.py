"""Who may read by API: tokens, of which we keep no more than a hash."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models


class ApiToken(models.Model):
    """A key to the API. It reads and does nothing else, until it ends or somebody revokes it."""

    name = models.CharField(
        max_length=100, unique=True, help_text="What reads with it: a program, a spreadsheet, a person."
    )
    start = models.CharField("begins with", max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    """SHA-256 of the token. It is random and long, so that no slower hash would add anything."""
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField("made")
    expires_at = models.DateTimeField("expires")
    last_used_at = models.DateTimeField("last used", null=True)
    revoked_by = models.CharField(max_length=150, blank=True)
    revoked_at = models.DateTimeField("revoked", null=True)
    minute = models.DateTimeField(null=True)
    """The minute of its last calls, and how many they were: the limit is one for all processes."""
    calls = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.name

    def state(self, now: datetime) -> str:
        """ "active", "expired" or "revoked"."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= now else "active"
