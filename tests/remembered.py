"""Rows that many tests begin with: made once by the product itself, and put back from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, models, transaction

Rows = list[tuple[type[models.Model], list[dict[str, Any]]]]

_remembered: dict[object, Rows] = {}


def put_back(what: object, app: str, make: Callable[[], object]) -> None:
    """Have the rows of `app` that `make` makes from nothing; it is called for the first `what` alone.

    Where there are rows already, it is called as well: what it does to them is its own affair.
    """
    tables = list(apps.get_app_config(app).get_models(include_auto_created=True))
    if any(table._base_manager.exists() for table in tables):
        make()
    elif what in _remembered:
        _write(_remembered[what])
    else:
        make()
        _remembered[what] = [(table, list(table._base_manager.values())) for table in tables]


def _write(rows: Rows) -> None:
    with transaction.atomic():  # foreign keys are checked at its end
        for table, values in rows:
            table._base_manager.bulk_create([table(**row) for row in values])
    _count_on(table for table, _ in rows)


def _count_on(tables: Iterable[type[models.Model]]) -> None:
    """Have PostgreSQL count on from the keys that were put there."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(tables)):
            cursor.execute(statement)
