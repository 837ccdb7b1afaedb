"""The full-text index of what was said: made and kept by the database itself, each in its own way.

PostgreSQL keeps a column of words with a GIN index. SQLite keeps an FTS5 table beside the messages,
which triggers fill. Django knows neither: a message is written as if there were no index.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLE = "history_message"
COLUMN = "words"
"""PostgreSQL's column of words."""
SHADOW = "history_message_words"
"""SQLite's table of words, and PostgreSQL's index."""

LONGEST_TEXT = 100_000
"""Characters of a message that are indexed: PostgreSQL refuses more than a megabyte of words."""

_POSTGRESQL = (
    f"ALTER TABLE {TABLE} ADD COLUMN {COLUMN} tsvector "
    f"GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, left(text, {LONGEST_TEXT}))) STORED",
    f"CREATE INDEX {SHADOW} ON {TABLE} USING gin ({COLUMN})",
)
_SQLITE = (
    f"CREATE VIRTUAL TABLE {SHADOW} USING fts5("
    f"text, content='{TABLE}', content_rowid='id', tokenize='unicode61 remove_diacritics 0')",
    f"INSERT INTO {SHADOW}({SHADOW}) VALUES ('rebuild')",  # noqa: S608 - all names here are our own
)
_FORGET = f"INSERT INTO {SHADOW}({SHADOW}, rowid, text) VALUES ('delete', old.id, old.text);"  # noqa: S608
_REMEMBER = f"INSERT INTO {SHADOW}(rowid, text) VALUES (new.id, new.text);"  # noqa: S608
_TRIGGERS = (
    f"CREATE TRIGGER IF NOT EXISTS {SHADOW}_new AFTER INSERT ON {TABLE} BEGIN {_REMEMBER} END",
    f"CREATE TRIGGER IF NOT EXISTS {SHADOW}_gone AFTER DELETE ON {TABLE} BEGIN {_FORGET} END",
    f"CREATE TRIGGER IF NOT EXISTS {SHADOW}_changed AFTER UPDATE OF text ON {TABLE} "
    f"WHEN old.text IS NOT new.text BEGIN {_FORGET} {_REMEMBER} END",
)


def create(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """A migration's step: index what is there, and what will come."""
    if schema_editor.connection.vendor == "postgresql":
        _run(schema_editor, *_POSTGRESQL)
    else:
        _run(schema_editor, *_SQLITE, *_TRIGGERS)


def drop(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The step back."""
    if schema_editor.connection.vendor == "postgresql":
        _run(schema_editor, f"ALTER TABLE {TABLE} DROP COLUMN {COLUMN}")
    else:
        names = ("new", "gone", "changed")
        _run(schema_editor, *(f"DROP TRIGGER IF EXISTS {SHADOW}_{name}" for name in names))
        _run(schema_editor, f"DROP TABLE {SHADOW}")


def keep_triggers(*, using: str, **_: Any) -> None:
    """After every migration: Django alters a table of SQLite by making it anew, without its triggers."""
    from django.db import connections

    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    tables = connection.introspection.table_names()
    if SHADOW in tables and TABLE in tables:
        with connection.cursor() as cursor:
            for statement in _TRIGGERS:
                cursor.execute(statement)


def _run(schema_editor: BaseDatabaseSchemaEditor, *statements: str) -> None:
    for statement in statements:
        schema_editor.execute(statement)
