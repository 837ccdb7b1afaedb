"""How long one call is kept up. The transports of both platforms share the rule, not the waiting."""

from __future__ import annotations

import asyncio
import math

from members.platforms.errors import UNREACHABLE, TryLater, Unreachable


class Answers:
    """When each method was last answered, by the clock of the running event loop."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def note(self, method: str) -> None:
        self._at[method] = _now()

    def since(self, moment: float, method: str | None = None) -> bool:
        """Whether `method` (None: any method) was answered after `moment`."""
        stamps = self._at.values() if method is None else [self._at.get(method, -math.inf)]
        return any(stamp > moment for stamp in stamps)


class Effort:
    """The tries of one call, until one too many.

    Failures count against `attempts`, and the time spent in them against `seconds`: a silent
    server fails slowly. A rate limit is no failure; it counts against `limits`, in a row, and not
    while other calls of the method come through: then ours will too.
    """

    def __init__(self, method: str, answers: Answers, *, attempts: int, limits: int, seconds: float) -> None:
        self._method, self._answers = method, answers
        self._attempts, self._limits, self._seconds = attempts, limits, seconds
        self._began = 0.0
        self._failures = self._limited = 0
        self._failing = 0.0
        self._limited_at = math.inf

    @property
    def failures(self) -> int:
        return self._failures

    def begin(self) -> None:
        """A try is under way."""
        self._began = _now()

    def limited(self, error: TryLater) -> None:
        """It met a rate limit. Raises `error` when that is to be reported."""
        if self._answers.since(self._limited_at, self._method):
            self._limited = 0
        self._limited += 1
        self._limited_at = self._began
        if self._limited > self._limits:
            raise error

    def failed(self, error: TryLater) -> None:
        """It failed. Raises `error` when that is to be reported, as Unreachable when nobody was answered."""
        self._failures += 1
        self._failing += _now() - self._began
        if self._failures < self._attempts and self._failing < self._seconds:
            return
        if error.code == UNREACHABLE and not self._answers.since(self._began):
            raise Unreachable(str(error), code=error.code, seconds=error.seconds) from None
        raise error


def _now() -> float:
    return asyncio.get_running_loop().time()
