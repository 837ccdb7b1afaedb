"""Thousands of rows in one statement: one JSON text that the database takes apart.

What `bulk_create` spends on an object for each row is most of what a seeding of 100,000 people would take.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models import CharField, Field, Model, TextField


def insert(
    model: type[Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[int | str | bool]],
    *,
    same: Mapping[str, Any],
    conflict: str = "",
) -> None:
    """Insert `rows`, whose values are those of `columns`; `same` has the columns that are alike in all.

    `conflict` is an ON CONFLICT clause. What is not named gets the database's own default.
    """
    values = list(rows)
    if not values:
        return
    fields, alike = ([_field(model, name) for name in names] for names in (columns, same))
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in [*alike, *fields])
    parts = ", ".join(["%s"] * len(alike) + [_part(field, at) for at, field in enumerate(fields)])
    source = "json_array_elements(%s::json)" if _is_postgresql() else "json_each(%s)"
    prepared = [field.get_db_prep_save(same[field.name], connection) for field in alike]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(model._meta.db_table)} ({names}) "  # noqa: S608  # names of our own
            f"SELECT {parts} FROM {source} AS line WHERE true {conflict}",
            [*prepared, json.dumps(values)],
        )


def _part(field: Field[Any, Any], at: int) -> str:
    """The value at this place of a line, as the field's column takes it."""
    if not _is_postgresql():
        return f"json_extract(line.value, '$[{at}]')"
    text = f"line.value->>{at}"
    return text if isinstance(field, CharField | TextField) else f"({text})::{field.db_type(connection)}"


def _field(model: type[Model], name: str) -> Field[Any, Any]:
    field: Field[Any, Any] = model._meta.get_field(name)  # type: ignore[assignment]  # no relation is named
    return field


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"
