"""How far a run has come, for a bar and a person: plain numbers, safe between threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum

from members.platforms.types import Platform


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
    """0–100, over all platforms of the run."""


class Progress:
    """Written by the observers, read by whoever shows the bar."""

    def __init__(self, platforms: tuple[Platform, ...]) -> None:
        self._lock = threading.Lock()
        self._stages: dict[Platform, tuple[Stage, int, int]] = dict.fromkeys(platforms, (Stage.GROUPS, 0, 0))
        self._waiting: dict[Platform, str] = {}

    def enter(self, platform: Platform, stage: Stage, total: int = 0) -> None:
        with self._lock:
            self._stages[platform] = (stage, 0, total)
            self._waiting.pop(platform, None)

    def advance(self, platform: Platform, by: int = 1) -> None:
        with self._lock:
            stage, done, total = self._stages[platform]
            self._stages[platform] = (stage, done + by, total)
            self._waiting.pop(platform, None)

    def held_up(self, platform: Platform, why: str) -> None:
        """Nothing goes on there for the moment: a person shall see that nothing hangs."""
        with self._lock:
            self._waiting[platform] = why

    def view(self) -> ProgressView:
        with self._lock:
            stages, waiting = dict(self._stages), dict(self._waiting)
        shares, labels = [], []
        for platform, (stage, done, total) in stages.items():
            part = min(done / total, 1.0) if total else 0.0
            shares.append(_STARTS_AT[stage] + (_ENDS_AT[stage] - _STARTS_AT[stage]) * part)
            count = f" {done} of {total}" if total else (f" {done}" if done else "")
            why = waiting.get(platform)
            labels.append(f"{platform.label} {why}" if why else f"{platform.label}: {stage.value}{count}")
        percent = int(100 * sum(shares) / len(shares)) if shares else 0
        return ProgressView(" · ".join(labels), percent)
