"""Points in time as people write them in files. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any


def parse_moment(value: Any) -> datetime | None:
    """A moment in UTC; None for nothing. A time without a zone is UTC; a day without a time means its end.

    Takes what spreadsheet programs deliver, and texts like 2027-01-31, 2027-01-31 18:00 and
    2027-01-31T18:00:00+02:00. Raises ValueError.
    """
    if value is None or not str(value).strip():
        return None
    text = str(value).strip()
    try:
        if isinstance(value, datetime):
            return _in_utc(value)
        if isinstance(value, date):
            return _end_of(value)
        if len(text) <= len("2027-01-31"):
            return _end_of(date.fromisoformat(text))
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):  # the latter: beyond the year 9999, where it is counted in UTC
        raise ValueError(f"“{text}” is no time like 2027-01-31 18:00 or 2027-01-31T18:00Z.") from None


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _end_of(day: date) -> datetime:
    """Whoever has paid through a day is a subscriber until it is over."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1)
