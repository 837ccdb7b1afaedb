"""What many tests begin with: made once by the product itself, and its rows put back from then on."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, models, transaction

Table = type[models.Model]
Rows = dict[Table, list[tuple[Any, ...]]]

_remembered: dict[tuple[object, bytes], Rows] = {}
"""By what was made and the rows before it: the rows after it, of the tables that it changed."""


def put_back(what: object, make: Callable[[], object], *, of: Iterable[str]) -> None:
    """Have the rows of the apps `of` as they are after `make`, which is called for the first `what` alone,
    and again where the rows before it are others."""
    tables = [table for app in of for table in apps.get_app_config(app).get_models(include_auto_created=True)]
    before = read(tables)
    key = what, pickle.dumps(list(before.values()))
    if key in _remembered:
        write(_remembered[key])
        return
    make()
    after = read(tables)
    _remembered[key] = {table: after[table] for table in tables if after[table] != before[table]}


def read(tables: Iterable[Table]) -> Rows:
    """All rows of the tables."""
    rows = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT {_columns(table)} FROM {_name(table)} ORDER BY 1")  # noqa: S608 (our own names)
            rows[table] = cursor.fetchall()
    return rows


def write(rows: Rows) -> None:
    """As they were read: the ORM would set anew what it sets by itself."""
    with transaction.atomic(), connection.cursor() as cursor:  # foreign keys are checked at its end
        for table, values in rows.items():
            places = ", ".join(["%s"] * len(_stored(table)))
            cursor.execute(f"DELETE FROM {_name(table)}")  # noqa: S608 (as above)
            cursor.executemany(f"INSERT INTO {_name(table)} ({_columns(table)}) VALUES ({places})", values)  # noqa: S608
        for statement in connection.ops.sequence_reset_sql(no_style(), list(rows)):
            cursor.execute(statement)  # have PostgreSQL count on from there


def _name(table: Table) -> str:
    return connection.ops.quote_name(table._meta.db_table)


def _columns(table: Table) -> str:
    return ", ".join(connection.ops.quote_name(column) for column in _stored(table))


def _stored(table: Table) -> list[str]:
    """Its columns but those that the database makes of the others."""
    return [str(field.column) for field in table._meta.concrete_fields if not field.generated]
