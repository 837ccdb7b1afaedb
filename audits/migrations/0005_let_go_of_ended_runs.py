"""A run that has ended is held only until what follows has been done: let go of those of before."""

from __future__ import annotations

from typing import ClassVar

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def let_go(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    runs = apps.get_model("audits", "AuditRun").objects
    runs.exclude(state__in=("queued", "running")).exclude(owner="").update(owner="")


class Migration(migrations.Migration):
    dependencies: ClassVar = [("audits", "0004_add_missing_schedule")]
    operations: ClassVar = [migrations.RunPython(let_go, migrations.RunPython.noop)]
