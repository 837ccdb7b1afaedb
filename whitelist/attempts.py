"""How often it is worth writing down that a stranger tries to command the bot. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

WINDOW = timedelta(hours=1)
MOST = 20
"""How many people are written down in one window; of more, only how many."""


@dataclass(slots=True)
class Attempts:
    """Who tried in this window. Whoever floods the bot fills neither the log nor the record."""

    _since: datetime | None = None
    _people: set[int] = field(default_factory=set)
    left_out: int = 0
    """How many attempts of this window were not written down."""

    def is_new(self, person: int, now: datetime) -> bool:
        """Whether to write down this attempt: the first of each person in an hour, and of `MOST` people."""
        if self._since is None or now >= self._since + WINDOW:
            self._since, self._people, self.left_out = now, set(), 0
        if person in self._people or len(self._people) >= MOST:
            self.left_out += 1
            return False
        self._people.add(person)
        return True
