"""Databases with all tables, fast: migrated once, and copied from then on."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from tests.processes import ROOT, environment, manage

_KEPT = ROOT / ".pytest_cache" / "migrated"
_APPS = ("audits", "groupadmin", "members", "telegram_ops", "whitelist")


def put_migrated_database(place: Path) -> None:
    """Make `place` an SQLite database as `manage.py migrate` leaves it."""
    _KEPT.mkdir(parents=True, exist_ok=True)
    kept = _KEPT / f"{_state_of_migrations()}.sqlite3"
    with (_KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            for old in _KEPT.glob("*.sqlite3*"):
                old.unlink()
            _migrate(kept)
        shutil.copyfile(kept, place)


def _migrate(place: Path) -> None:
    unfinished = place.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    env = environment(DATABASE_URL=f"sqlite:///{unfinished}", VAR_DIR=str(place.parent))
    done = manage("migrate", "--verbosity", "0", env=env)
    assert done.returncode == 0, done.stderr
    unfinished.rename(place)


def _state_of_migrations() -> str:
    """Another one whenever something changed that makes tables: our migrations and models, or libraries."""
    sources = [ROOT / "requirements.txt", ROOT / "constraints.txt", ROOT / "groupadmin" / "roles.py"]
    for app in _APPS:
        sources += sorted((ROOT / app).rglob("migrations/*.py")) + sorted((ROOT / app).rglob("models.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def migrated_database() -> str:
    """The name of a PostgreSQL database as `manage.py migrate` leaves it, to be copied: nobody writes to it.

    Whichever worker needs it first makes it for all.
    """
    name = f"migrated_{_state_of_migrations()}"
    unfinished = f"unfinished_{name}"
    with _server() as maintenance:  # which keeps the lock as long as it is connected
        maintenance.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
        found = maintenance.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            with put_database(unfinished) as put:
                put()
                with named(unfinished):
                    call_command("migrate", verbosity=0)
                rename = SQL("ALTER DATABASE {} RENAME TO {}")
                maintenance.execute(rename.format(Identifier(unfinished), Identifier(name)))
    return name


class _Put(Protocol):
    def __call__(self, *, like: str = "template0") -> None: ...


def _server() -> psycopg.Connection:
    """A connection to the server of the tests, for what no database of it may be asked."""
    known = {key: connection.settings_dict[key.upper()] for key in ("host", "port", "user", "password")}
    server = make_conninfo(dbname="postgres", **{key: value for key, value in known.items() if value})
    return psycopg.connect(server, autocommit=True)


@contextmanager
def put_database(name: str) -> Iterator[_Put]:
    """`put(like=…)` makes a PostgreSQL database as a copy of another one, on the server of the tests; it goes
    at the end, whoever still uses it."""
    with _server() as maintenance:

        def drop() -> None:
            maintenance.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

        def put(*, like: str = "template0") -> None:
            drop()
            maintenance.execute(
                SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(like))
            )

        try:
            yield put
        finally:
            drop()


@contextmanager
def named(name: str) -> Iterator[None]:
    """Inside, the tests' database is the one of this name on the same server."""
    connection.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "NAME", name)
        yield
        connection.close()
