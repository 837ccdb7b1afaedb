"""What each new connection to PostgreSQL is told."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def plan_for_pages(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receiver of `connection_created`: no query is compiled first, and none takes several cores.

    Both pay for queries of seconds. A page's take milliseconds, many at a time: compiling (`jit`) one of them
    took half a second, and the cores are other people's pages. Said on the connection, not in its options,
    which a PgBouncer in front would refuse.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
            cursor.execute("SET max_parallel_workers_per_gather = 0")
