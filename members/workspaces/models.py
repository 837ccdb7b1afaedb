"""The further Slack workspaces, their tokens, and who our employees are there."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models

from members.crypto import EncryptedTextField


class SlackWorkspace(models.Model):
    """A workspace that is audited too, beside that of SLACK_USER_TOKEN. Its token is a row of its own."""

    label = models.CharField(max_length=40, unique=True, help_text="What people call it here.")
    in_use = models.BooleanField(
        default=True, help_text="Off: audits leave it out, and nothing is done in it."
    )
    team_id = models.CharField("Slack team id", max_length=32, editable=False)
    team_name = models.CharField("called", max_length=200, blank=True, editable=False)
    account_id = models.CharField("member id", max_length=32, editable=False)
    account_name = models.CharField("member", max_length=200, blank=True, editable=False)
    scopes = models.JSONField(default=list, blank=True, editable=False, help_text="What the token may do.")
    problem = models.TextField(blank=True, editable=False, help_text="Why the last check failed.")
    proven_at = models.DateTimeField("last proven", null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["label"]
        verbose_name = "Slack workspace"

    def __str__(self) -> str:
        return self.label

    @property
    def connection(self) -> str:
        """What groups, steps and leases call it. Empty is the workspace of the environment."""
        return str(self.pk)


class WorkspaceToken(models.Model):
    """The user token of a workspace. It *is* its member there: it is never shown, logged or exported."""

    workspace = models.OneToOneField(
        SlackWorkspace, on_delete=models.CASCADE, primary_key=True, related_name="stored_token"
    )
    token = EncryptedTextField()

    class Meta:
        verbose_name = "the stored Slack token"

    def __str__(self) -> str:
        return f"The token of workspace {self.workspace_id}"


class EmployeeAccount(models.Model):
    """Who an employee is in a further workspace: people have another id in each."""

    employee = models.ForeignKey("members.Employee", on_delete=models.CASCADE, related_name="accounts")
    workspace = models.ForeignKey(
        SlackWorkspace,
        on_delete=models.CASCADE,
        related_name="accounts",
        help_text="One of those under System › Slack workspaces.",
    )
    user_id = models.CharField(
        "Slack user id",
        max_length=32,
        blank=True,
        validators=[RegexValidator(r"^[UW][A-Z0-9]+\Z", "A Slack id looks like U012AB3CD.")],
        help_text="Like U012AB3CD. Filled in by the audit.",
    )
    username = models.CharField("Slack username", max_length=100, blank=True, help_text="Without @.")

    class Meta:
        ordering: ClassVar = ["workspace__label"]
        verbose_name = "account in a further workspace"
        verbose_name_plural = "accounts in further workspaces"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["employee", "workspace"],
                name="one_account_per_workspace",
                violation_error_message="Their account in this workspace is entered already.",
            ),
            models.UniqueConstraint(
                fields=["workspace", "user_id"],
                condition=~models.Q(user_id=""),
                name="one_employee_per_account",
                violation_error_message="Another employee has this account already.",
            ),
        ]

    def __str__(self) -> str:
        return f"@{self.username}" if self.username else self.user_id or "not matched yet"
