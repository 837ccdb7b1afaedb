"""The accounts of the company's CRM, as far as we talk to them in groups."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator, URLValidator
from django.db import models
from simple_history.models import HistoricalRecords


class Customer(models.Model):
    """One account. Tables know it by its id in the CRM, so it may be renamed there and here."""

    crm_id = models.CharField(
        "CRM id",
        max_length=100,
        unique=True,
        validators=[RegexValidator(r"^[!-~]+\Z", "Letters, digits and signs, without spaces.")],
        help_text="The account's id in your CRM; without one, a short name of your own. It cannot be "
        "changed later: tables and programs know the customer by it.",
    )
    name = models.CharField(max_length=200, help_text="Groups are matched by it, too.")
    aliases = models.JSONField(
        default=list, blank=True, help_text="Other names that stand in the names of its groups, one a line."
    )
    crm_url = models.CharField(
        "CRM link",
        max_length=500,
        blank=True,
        validators=[URLValidator(schemes=["https"])],
        help_text="The account's page in your CRM. It begins with https://.",
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if not isinstance(self.aliases, list) or not all(
            isinstance(alias, str) and alias.strip() for alias in self.aliases
        ):
            raise ValidationError({"aliases": "A list of non-empty texts."})
