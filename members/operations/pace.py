"""How fast an account writes to a platform: for telling people how long a plan takes. Pure.

Mostly it is what the platform is known to allow, an estimate and no brake: what it really asks for is waited
for when it asks. A pace that is `kept` is our own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float
    why: str
    """Whose limit that is: one sentence for a person."""
    kept: bool = False
    """Whether we keep to it ourselves: so long passes between the end of a call and the next."""

    @property
    def pause(self) -> float:
        """Seconds between two calls, for a pace that is kept; else 0."""
        return self.seconds / self.calls if self.kept else 0.0

    def seconds_for(self, count: int, ages: Iterable[float] = (), *, start: float = 0.0) -> float:
        """Seconds until `count` more calls have begun, the first not before `start` seconds from now.

        `ages` tell how many seconds ago earlier calls were made.
        """
        begun = sorted(-age for age in ages)
        for _ in range(count):
            free = begun[-self.calls] + self.seconds if len(begun) >= self.calls else 0.0
            begun.append(max(free, start, begun[-1] if begun else 0.0))
        return max(0.0, begun[-1]) if count else 0.0
