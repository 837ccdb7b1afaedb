"""What a test or a person steers both sandbox servers with: scripted faults, and logs of calls and writes."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
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


@dataclass(frozen=True, slots=True)
class Write:
    """What one call asked to be done to one subject; a call that names five people is five of these."""

    at: datetime
    platform: str
    method: str
    target: str
    """The id of the group, channel or conversation."""
    subject: str
    """Who or what is put there or taken away: a person's id, a name, a text."""
    effect: bool
    """Whether the world is different for it."""


class WriteLog:
    """Every write that reached the world, in order, with or without effect: the proof that none came twice.

    A call that was turned away before (a rate limit, a bad token, a scripted outage) is not among
    them: it may rightly come again. With a `path` each write is also appended to that file, one JSON
    object a line, before its call is answered: any process can `read` it. Safe between threads.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._writes: list[Write] = []

    def record(
        self,
        platform: str,
        method: str,
        target: object,
        subjects: Iterable[object],
        changed: Iterable[object],
    ) -> None:
        """One call about these `subjects`; those in `changed` made a difference."""
        now, different = datetime.now(UTC), {str(each) for each in changed}
        writes = [
            Write(now, platform, method, str(target), subject, subject in different)
            for subject in map(str, subjects)
        ]
        with self._lock:
            self._writes.extend(writes)
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as lines:
                    lines.writelines(_line(write) for write in writes)

    def all(self) -> list[Write]:
        with self._lock:
            return list(self._writes)

    def effects(self) -> list[Write]:
        """Those that changed something."""
        return [write for write in self.all() if write.effect]

    def clear(self) -> None:
        """Forget what was written so far; the file stays as it is."""
        with self._lock:
            self._writes.clear()

    @staticmethod
    def read(path: Path) -> list[Write]:
        """What a log in any process has appended to `path`."""
        fields = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [Write(**each | {"at": datetime.fromisoformat(each["at"])}) for each in fields]


def _line(write: Write) -> str:
    return json.dumps(asdict(write) | {"at": write.at.isoformat()}) + "\n"
