"""What listeners heard, and the listeners themselves."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("audits", "0009_narrow_runs"),
    ]

    operations = [
        migrations.CreateModel(
            name="Listener",
            fields=[
                (
                    "platform",
                    models.CharField(
                        choices=[("slack", "Slack"), ("telegram", "Telegram")],
                        max_length=10,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("owner", models.CharField(blank=True, editable=False, max_length=64)),
                ("beat_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("account", models.CharField(blank=True, help_text="Whose eyes it has.", max_length=255)),
                ("listening_since", models.DateTimeField(blank=True, null=True)),
                (
                    "left_at",
                    models.DateTimeField(blank=True, help_text="Until when it listened before.", null=True),
                ),
                ("last_event_at", models.DateTimeField(blank=True, null=True)),
                ("last_event", models.CharField(blank=True, max_length=255)),
                ("problem", models.TextField(blank=True, verbose_name="last problem")),
                ("problem_at", models.DateTimeField(blank=True, null=True)),
                ("account_id", models.CharField(blank=True, editable=False, max_length=32)),
                (
                    "pts",
                    models.BigIntegerField(default=0, editable=False, help_text="Of Telegram's sequences."),
                ),
                ("qts", models.BigIntegerField(default=0, editable=False)),
                ("read_to", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "ordering": ["platform"],
            },
        ),
        migrations.CreateModel(
            name="LiveEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "platform",
                    models.CharField(choices=[("slack", "Slack"), ("telegram", "Telegram")], max_length=10),
                ),
                ("group_external_id", models.CharField(max_length=32, verbose_name="group id")),
                ("group_name", models.CharField(blank=True, max_length=255, verbose_name="group")),
                (
                    "what",
                    models.CharField(
                        choices=[
                            ("created", "Created"),
                            ("renamed", "Renamed"),
                            ("joined", "Joined"),
                            ("left", "Left"),
                            ("archived", "Archived"),
                            ("reopened", "Reopened"),
                            ("gone", "Gone"),
                            ("changed", "Changed"),
                            ("missed", "Missed"),
                        ],
                        help_text="What happened last.",
                        max_length=10,
                    ),
                ),
                ("times", models.PositiveIntegerField(default=1, help_text="How many events the burst had.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("looking", "An audit looks"),
                            ("seen", "Seen"),
                            ("given_up", "Given up"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("heard_at", models.DateTimeField(help_text="When the first of them came.")),
                ("last_heard_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(help_text="When to look.")),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="audits.auditrun",
                    ),
                ),
            ],
            options={
                "verbose_name": "live event",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["state", "platform", "due_at"], name="live_event_due_idx"),
                    models.Index(
                        fields=["platform", "group_external_id", "-id"], name="live_event_group_idx"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "waiting")),
                        fields=("platform", "group_external_id"),
                        name="one_waiting_event_per_group",
                    )
                ],
            },
        ),
    ]
