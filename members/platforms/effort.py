"""How long one call is kept up. The transports of both platforms share the rule, not the waiting."""

from __future__ import annotations

import asyncio
import math

from members.platforms.errors import UNREACHABLE, TryLater, Unreachable


class Answers:
    """When each method was last answered, by the clock of the running event loop."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._given_up_at = -math.inf
        self._verdict: Unreachable | None = None

    def note(self, method: str) -> None:
        self._at[method] = _now()

    def give_up(self, error: Unreachable) -> None:
        """Note that nobody is answered any more."""
        self._given_up_at, self._verdict = _now(), error

    def given_up_since(self, moment: float) -> Unreachable | None:
        """The verdict that nobody is answered, if it fell after `moment`."""
        return self._verdict if self._given_up_at > moment else None

    def since(self, moment: float, method: str | None = None) -> bool:
        """Whether `method` (None: any method) was answered after `moment`."""
        stamps = self._at.values() if method is None else [self._at.get(method, -math.inf)]
        return any(stamp > moment for stamp in stamps)


class Effort:
    """The tries of one call, until one too many.

    Failures in a row count against `attempts`, rate limits in a row against `limits`; but neither a
    limit nor a cut line adds up while other calls of the method come through: then ours will too.
    The time spent in failures counts against `seconds` in any case: a silent server fails slowly.
    """

    def __init__(self, method: str, answers: Answers, *, attempts: int, limits: int, seconds: float) -> None:
        self._method, self._answers = method, answers
        self._made = _now()
        self._attempts, self._limits, self._seconds = attempts, limits, seconds
        self._began = self._began_before = math.inf
        self._failing = 0.0
        self._limited = 0
        self.failures = 0
        """How many in a row."""

    def begin(self) -> None:
        """A try is under way. Raises Unreachable when another call has given the server up meanwhile.

        Whatever queued for its turn would wait as long as that one did, and fail as well.
        """
        gone = self._answers.given_up_since(self._made)
        if gone is not None:
            raise Unreachable(str(gone), code=gone.code, seconds=gone.seconds)
        self._began_before, self._began = self._began, _now()

    def limited(self, error: TryLater) -> None:
        """The try met a rate limit. Raises `error` when that is to be reported."""
        self._limited = 1 if self._others_come_through() else self._limited + 1
        if self._limited > self._limits:
            raise error

    def failed(self, error: TryLater) -> None:
        """The try failed. Raises `error` if that is to be reported; Unreachable if nobody is answered."""
        if isinstance(error, Unreachable):
            raise error
        cut = error.code == UNREACHABLE
        self.failures = 1 if cut and self._others_come_through() else self.failures + 1
        self._failing += _now() - self._began
        if self.failures < self._attempts and self._failing < self._seconds:
            return
        if cut and not self._answers.since(self._began):
            gone = Unreachable(str(error), code=error.code, seconds=error.seconds)
            self._answers.give_up(gone)
            raise gone from None
        raise error

    def _others_come_through(self) -> bool:
        return self._answers.since(self._began_before, self._method)


def _now() -> float:
    return asyncio.get_running_loop().time()
