"""A million rows in seconds: COPY into PostgreSQL, prepared statements into SQLite. For an empty database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import Field, Model

Value = str | int | None
_BATCH = 20_000


def pour(model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Value]], **same: object) -> None:
    """Insert `rows`, whose values are those of `columns` as the database writes them.

    `same` has the fields that are alike in all rows; what is not named gets the field's default. Numbers of
    rows are given out by the database unless `columns` name them. Texts hold no tab, line break or backslash.
    """
    alike = {
        field.column: _prepared(field, same.get(field.name, field.get_default()))
        for field in model._meta.local_concrete_fields
        if field.attname not in columns
        and not field.generated
        and not (field.primary_key and field.name not in same)
    }
    column_of = {field.attname: field.column for field in model._meta.local_concrete_fields}
    names = [str(column_of[name]) for name in columns] + [str(name) for name in alike]
    ends = tuple(alike.values())
    table, quote = model._meta.db_table, connection.ops.quote_name
    into = f"{quote(table)} ({', '.join(map(quote, names))})"
    waiting = iter(rows)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            tail = "".join(f"\t{_text(value)}" for value in ends) + "\n"
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                while batch := list(islice(waiting, _BATCH)):
                    copy.write("".join("\t".join(map(_text, row)) + tail for row in batch))
        else:
            places = ", ".join(["%s"] * len(names))
            insert = f"INSERT INTO {into} VALUES ({places})"  # noqa: S608  # names of our own
            cursor.executemany(insert, ((*row, *ends) for row in waiting))  # type: ignore[arg-type]  # read once


@contextmanager
def poured() -> Iterator[None]:
    """Within: one transaction that no foreign keys or indexes slow down. Afterwards all is as it was."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            yield
            return
        cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers: our keys are right
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        # Indexes are made faster than they are kept; those of constraints have to stay.
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename IN "
            "('audits_groupresult', 'audits_finding', 'audits_findingchange', 'history_message') "
            "AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        for _, definition in indexes:
            cursor.execute(definition)


def settle() -> None:
    """What the database does by itself within minutes: its statistics, and what PostgreSQL tidies up."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _prepared(field: Field[Any, Any], value: object) -> Value:
    if field.get_internal_type() == "JSONField":
        return json.dumps(value)
    made = field.get_db_prep_save(value, connection)
    return made if made is None or isinstance(made, int) else str(made)


def _text(value: Value) -> str:
    if value is None:
        return r"\N"
    return str(int(value)) if isinstance(value, bool) else str(value)
