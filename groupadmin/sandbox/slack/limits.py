"""Slack's rate limits: so many calls a minute per method and workspace, as a sliding window.

Source: docs.slack.dev/apis/web-api/rate-limits. The tiers are minima ("20+ per minute"); the sandbox
grants exactly the minimum, so that a client which stays below is safe everywhere.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """`calls` per `seconds`, counted apart for every value of the argument `per` if there is one."""

    calls: int
    seconds: float = 60.0
    per: str | None = None


TIER_2 = Rate(20)
TIER_3 = Rate(50)
TIER_4 = Rate(100)
AUTH_TEST = Rate(600)  # special: "hundreds of requests per minute"
POST_MESSAGE = Rate(1, seconds=1.0, per="channel")  # special: one message a second per channel


class RateLimiter:
    """Remembers the granted calls of every key; `clock` tells seconds. Safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._granted: defaultdict[tuple[str, ...], deque[float]] = defaultdict(deque)

    def retry_after(self, key: tuple[str, ...], rate: Rate, *, speed: float) -> int | None:
        """None when the call is granted, else the seconds to wait; a refused call costs nothing.

        With `speed` 60 a minute's window passes in one second. The answer is real time, in whole
        seconds and at least 1, as Slack only sends integers: at high speeds it is longer than needed.
        """
        window = rate.seconds / speed
        now = self._clock()
        with self._lock:
            granted = self._granted[key]
            while granted and granted[0] <= now - window:
                granted.popleft()
            if len(granted) < rate.calls:
                granted.append(now)
                return None
            return max(1, math.ceil(granted[0] + window - now))
