"""The one clock that all processes share: the database's.

Who holds what since when, and until when something waits, is measured with it alone. The clocks of machines
differ and jump. With each process going by its own, one that is ahead would hold for long what it left
behind, and one that is late would be taken for dead by the others.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, Value
from django.db.models.functions import Now
from django.utils import timezone


class SharedNow(Now):
    """What time it is there, in a query. SQLite runs on this very machine, and knows no microseconds."""

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return Value(timezone.now(), DateTimeField()).as_sql(compiler, connection)


def shared_now() -> datetime:
    """What time it is there now (aware)."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
