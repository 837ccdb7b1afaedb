"""What the parts of the page are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from members.ui import Tone


@dataclass(frozen=True, slots=True)
class Stat:
    """One number with what it counts; `url` leads to the rows behind it."""

    label: str
    value: str
    url: str
    note: str = ""
    tone: Tone | Literal[""] = ""
    trend: tuple[float, ...] = ()
    """How it went, the oldest first."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that waits for a person: how many of what, and where to go."""

    count: int
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Job:
    """An audit or operation under way, with what its bar shows."""

    title: str
    url: str
    label: str
    poll_url: str
    state: str
    done: int = 0
    total: int | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class OpenPlan:
    """A plan that waits for somebody to confirm it."""

    title: str
    url: str
    count: int
    by: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """One account, token or switch: how it stands, since when, and where it is seen to."""

    name: str
    state: str
    tone: Tone
    note: str = ""
    at: datetime | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class NextRun:
    """What starts by itself, and when; `url` is empty for whoever may not open schedules."""

    name: str
    at: datetime
    url: str


@dataclass(frozen=True, slots=True)
class Run:
    """One line of the latest audits."""

    name: str
    url: str
    state: str
    tone: Tone
    platforms: str
    at: datetime | None
    outcome: str
