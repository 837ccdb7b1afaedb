"""What a test or a person steers both sandbox servers with: scripted faults, and a log of the calls."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Arguments = Mapping[str, Any]


@dataclass
class Fault:
    """The next `times` calls of `method` ("*" for any) that `when` accepts get `effect` instead of an answer.

    `skip` lets that many matching calls through first; `times=None` never ends. What an
    effect is, each server says for itself.
    """

    method: str
    effect: Any
    times: int | None = 1
    skip: int = 0
    when: Callable[[Arguments], bool] = lambda arguments: True


class Script:
    """The faults still to come, in the order in which they were added. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, method: str, effect: Any, **options: Any) -> None:
        with self._lock:
            self._faults.append(Fault(method, effect, **options))

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, method: str, arguments: Arguments) -> Any | None:
        """The effect that this call shall have, or None for an ordinary answer."""
        with self._lock:
            for fault in self._faults:
                if fault.method not in ("*", method) or not fault.when(arguments):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault.effect
        return None


class CallLog:
    """Counts calls per method. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def record(self, method: str) -> None:
        with self._lock:
            self._counts[method] += 1

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(sorted(self._counts.items()))

    @property
    def total(self) -> int:
        return sum(self.counts().values())

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()
