"""The days that a pack of evidence is about. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from members.dates import day_in_words


class WrongPeriod(Exception):
    """There can be no evidence of these days: one line, why."""


@dataclass(frozen=True, slots=True)
class Period:
    """From the first day to the last, both whole (UTC)."""

    since: date
    until: date

    def __str__(self) -> str:
        return f"{day_in_words(self.since)} to {day_in_words(self.until)}"

    @property
    def start(self) -> datetime:
        """The first moment of it."""
        return datetime.combine(self.since, time(), UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.until + timedelta(days=1), time(), UTC)

    def check(self, now: datetime) -> None:
        """Raises WrongPeriod for one that ends before it begins, or has not begun."""
        if self.until < self.since:
            raise WrongPeriod("It ends before it begins: swap the days.")
        if self.start > now:
            raise WrongPeriod(f"It has not begun yet: {day_in_words(self.since)} is to come.")
        if self.until == date.max:
            raise WrongPeriod("It has no end: choose a last day.")


def quarters(today: date, count: int) -> list[tuple[str, Period]]:
    """The last `count` quarters that are over, the newest first, each with its name: "Q3 2026"."""
    found = []
    last = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1) - timedelta(days=1)
    for _ in range(count):
        first = date(last.year, last.month - 2, 1)
        found.append((f"Q{last.month // 3} {last.year}", Period(first, last)))
        last = first - timedelta(days=1)
    return found
