import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import members.crypto


class Migration(migrations.Migration):
    dependencies = [
        ("members", "0008_help_texts"),
    ]

    operations = [
        migrations.CreateModel(
            name="SlackWorkspace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "label",
                    models.CharField(help_text="What people call it here.", max_length=40, unique=True),
                ),
                (
                    "in_use",
                    models.BooleanField(
                        default=True, help_text="Off: audits leave it out, and nothing is done in it."
                    ),
                ),
                ("team_id", models.CharField(editable=False, max_length=32, verbose_name="Slack team id")),
                (
                    "team_name",
                    models.CharField(blank=True, editable=False, max_length=200, verbose_name="called"),
                ),
                ("account_id", models.CharField(editable=False, max_length=32, verbose_name="member id")),
                (
                    "account_name",
                    models.CharField(blank=True, editable=False, max_length=200, verbose_name="member"),
                ),
                (
                    "scopes",
                    models.JSONField(
                        blank=True, default=list, editable=False, help_text="What the token may do."
                    ),
                ),
                (
                    "problem",
                    models.TextField(blank=True, editable=False, help_text="Why the last check failed."),
                ),
                (
                    "proven_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last proven"),
                ),
            ],
            options={
                "verbose_name": "Slack workspace",
                "ordering": ["label"],
            },
        ),
        migrations.AddField(
            model_name="group",
            name="connection",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Through which further workspace or account it is reached; empty: the usual one.",
                max_length=30,
            ),
        ),
        migrations.CreateModel(
            name="WorkspaceToken",
            fields=[
                (
                    "workspace",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="stored_token",
                        serialize=False,
                        to="members.slackworkspace",
                    ),
                ),
                ("token", members.crypto.EncryptedTextField(editable=False, serialize=False)),
            ],
            options={
                "verbose_name": "the stored Slack token",
            },
        ),
        migrations.CreateModel(
            name="EmployeeAccount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "user_id",
                    models.CharField(
                        blank=True,
                        help_text="Like U012AB3CD. Filled in by the audit.",
                        max_length=32,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[UW][A-Z0-9]+\\Z", "A Slack id looks like U012AB3CD."
                            )
                        ],
                        verbose_name="Slack user id",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        blank=True, help_text="Without @.", max_length=100, verbose_name="Slack username"
                    ),
                ),
                (
                    "employee",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="accounts",
                        to="members.employee",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        help_text="One of those under System › Slack workspaces.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="accounts",
                        to="members.slackworkspace",
                    ),
                ),
            ],
            options={
                "verbose_name": "account in a further workspace",
                "verbose_name_plural": "accounts in further workspaces",
                "ordering": ["workspace__label"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("employee", "workspace"),
                        name="one_account_per_workspace",
                        violation_error_message="Their account in this workspace is entered already.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("user_id", ""), _negated=True),
                        fields=("workspace", "user_id"),
                        name="one_employee_per_account",
                        violation_error_message="Another employee has this account already.",
                    ),
                ],
            },
        ),
    ]
