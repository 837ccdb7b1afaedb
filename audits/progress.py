"""How far an audit has come, for a bar and a person: plain numbers, safe between threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    GROUPS = "listing groups"
    PEOPLE = "reading memberships"
    DETAILS = "reading history settings"
    MEMBERS = "reading member lists"
    DONE = "done"


_STARTS_AT = {Stage.GROUPS: 0.0, Stage.PEOPLE: 0.2, Stage.DETAILS: 0.5, Stage.MEMBERS: 0.7, Stage.DONE: 1.0}
_ENDS_AT = {Stage.GROUPS: 0.2, Stage.PEOPLE: 0.5, Stage.DETAILS: 0.7, Stage.MEMBERS: 1.0, Stage.DONE: 1.0}


@dataclass(frozen=True, slots=True)
class ProgressView:
    label: str
    percent: int
    """0–100, of one part of a run or of all of them."""


class Progress:
    """How far one part is: written by whoever looks, read by whoever shows the bar."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._stage, self._done, self._total = Stage.GROUPS, 0, 0
        self._waiting = ""

    def enter(self, stage: Stage, total: int = 0) -> None:
        with self._lock:
            self._stage, self._done, self._total = stage, 0, total
            self._waiting = ""

    def advance(self, by: int = 1) -> None:
        with self._lock:
            self._done += by
            self._waiting = ""

    def held_up(self, why: str) -> None:
        """Nothing goes on there for the moment: a person shall see that nothing hangs."""
        with self._lock:
            self._waiting = why

    def view(self) -> ProgressView:
        with self._lock:
            stage, done, total, waiting = self._stage, self._done, self._total, self._waiting
        share = min(done / total, 1.0) if total else 0.0
        percent = int(100 * (_STARTS_AT[stage] + (_ENDS_AT[stage] - _STARTS_AT[stage]) * share))
        if waiting:
            return ProgressView(f"{self._name} {waiting}", percent)
        count = f" {done} of {total}" if total else (f" {done}" if done else "")
        return ProgressView(f"{self._name}: {stage.value}{count}", percent)


def together(parts: Iterable[ProgressView]) -> ProgressView:
    """How far the whole is."""
    views = list(parts)
    percent = sum(view.percent for view in views) // len(views) if views else 0
    return ProgressView(" · ".join(view.label for view in views), percent)
