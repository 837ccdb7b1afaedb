"""New tables serve the old version too: a migration runs while the release before it is still at work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED
from django.db.models.functions import Now

BEGINNING = {
    "audits": "0015_audit_parts",
    "events": "0001_live_events",
    "evidence": "0002_schedules",
    "groupadmin": "0006_api_tokens",
    "history": "0009_format_labels",
    "members": "0009_connections",
    "notices": "0003_help_texts",
    "operations": "0009_step_connection",
    "staff_changes": "0001_leaving_and_joining",
    "telegram_ops": "0005_audited_too",
    "whitelist": "0007_stop_kicks",
}
"""The last migration of each app that came before the rule."""
PACKAGES = ("audits", "groupadmin", "members", "telegram_ops", "whitelist")
EXCEPTIONS: dict[tuple[str, str], str] = {}
"""(app, migration) that takes something away, and why no version that may be at work misses it."""

_TAKES_AWAY = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


def dangers(operations: Iterable[Any]) -> Iterator[str]:
    """What the version before could stumble over."""
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from dangers(operation.database_operations)
        elif isinstance(operation, _TAKES_AWAY):
            yield f"{operation.describe()}: the version before still reads and writes it"
        elif isinstance(operation, migrations.AddField) and _must_be_given(operation.field):
            yield f"{operation.describe()}: the version before writes rows without it; give it a db_default"


def _must_be_given(field: models.Field[Any, Any]) -> bool:
    if field.many_to_many or field.generated or field.null:
        return False
    return field.db_default is NOT_PROVIDED


def test_no_migration_takes_away_what_the_version_before_needs() -> None:
    loader = MigrationLoader(None)
    found = {}
    for label, last in BEGINNING.items():
        before = {key for key in loader.graph.forwards_plan((label, last)) if key[0] == label}
        for key, migration in loader.disk_migrations.items():
            if key[0] == label and key not in before and (bad := list(dangers(migration.operations))):
                found[key] = bad
    own = (config for config in apps.get_app_configs() if config.name.partition(".")[0] in PACKAGES)
    ours = {config.label for config in own}
    assert set(BEGINNING) == ours & {label for label, _ in loader.disk_migrations}
    assert {key: found[key] for key in found.keys() - EXCEPTIONS.keys()} == {}
    assert EXCEPTIONS.keys() <= found.keys(), "an exception that nothing needs"


@pytest.mark.parametrize(
    ("operation", "refused"),
    [
        (migrations.RemoveField("group", "name"), True),
        (migrations.RenameField("group", "name", "title"), True),
        (migrations.DeleteModel("group"), True),
        (migrations.AddField("group", "size", models.IntegerField(default=0)), True),
        (migrations.AddField("group", "size", models.IntegerField(db_default=0)), False),
        (migrations.AddField("group", "size", models.IntegerField(null=True)), False),
        (migrations.AddField("group", "seen_at", models.DateTimeField(db_default=Now())), False),
        (migrations.AddField("group", "teams", models.ManyToManyField("members.Team")), False),
        (migrations.SeparateDatabaseAndState([migrations.DeleteModel("group")]), True),
        (migrations.SeparateDatabaseAndState([], [migrations.DeleteModel("group")]), False),
    ],
    ids=lambda value: value.describe() if isinstance(value, migrations.operations.base.Operation) else "",
)
def test_what_the_rule_refuses(operation: Any, refused: bool) -> None:
    assert bool(list(dangers([operation]))) is refused
