"""Days and moments in sentences, as pages write them: "21 Nov 2026", "21 Nov 2026, 16:43 UTC". Pure.

For files that programs read and for the command line's tables, ISO dates stay as they are.
"""

from __future__ import annotations

from datetime import UTC, date, datetime


def day_in_words(day: date) -> str:
    """ "21 Nov 2026"; of a moment (aware), the day in UTC."""
    if isinstance(day, datetime):
        day = day.astimezone(UTC).date()
    return f"{day.day} {day:%b %Y}"


def moment_in_words(moment: datetime) -> str:
    """ "21 Nov 2026, 16:43 UTC" of an aware moment."""
    return f"{day_in_words(moment)}, {moment.astimezone(UTC):%H:%M} UTC"
