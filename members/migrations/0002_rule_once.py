"""A rule stands once, and the keys say that they stay."""

from __future__ import annotations

from typing import Any

import django.core.validators
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.functions import Coalesce


def remove_repeats(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Of rules that say the same, the first one stays; the policy means what it meant."""
    seen = set()
    for rule in apps.get_model("members", "MembershipRule").objects.order_by("pk"):
        meaning = (rule.platform, rule.category_id, rule.team_id, rule.employee_id, rule.level)
        if meaning in seen:
            rule.delete()
        seen.add(meaning)


def key(model: str, referrers: str, **options: Any) -> migrations.AlterField:
    return migrations.AlterField(
        model,
        "key",
        models.CharField(
            help_text=f"Short. It cannot be changed later: {referrers} refer to it.",
            max_length=50,
            validators=[
                django.core.validators.RegexValidator(
                    "^(?:[\\w.@+-]+)\\Z", "Use letters, digits and . _ + @ - only."
                )
            ],
            **options,
        ),
    )


def id_or_zero(foreign_key: str) -> Coalesce:
    return Coalesce(foreign_key, 0, output_field=models.BigIntegerField())


class Migration(migrations.Migration):
    dependencies = [("members", "0001_initial")]

    operations = [
        key("team", "policy files", unique=True),
        key("employee", "policy files and reports", unique=True),
        key("category", "policy files and reports", unique=True),
        key("historicalteam", "policy files", db_index=True),
        key("historicalemployee", "policy files and reports", db_index=True),
        key("historicalcategory", "policy files and reports", db_index=True),
        migrations.RunPython(remove_repeats, migrations.RunPython.noop),
        migrations.AddConstraint(
            "membershiprule",
            models.UniqueConstraint(
                "platform",
                id_or_zero("category"),
                id_or_zero("team"),
                id_or_zero("employee"),
                "level",
                name="rule_once",
                violation_error_message="This rule exists already.",
            ),
        ),
    ]
