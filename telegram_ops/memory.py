"""What earlier audits know of where an employee is: told by the floor above, which keeps their results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from members.platforms.types import Platform
from telegram_ops.sightings import Sighting


@dataclass(frozen=True, slots=True)
class Memory:
    """The groups in which an audit saw somebody, and when."""

    as_of: datetime
    sightings: tuple[Sighting, ...]


Recall = Callable[[Platform, str, str], Memory | None]
"""From a platform, a connection to it and an employee's key to what is known of the groups that are reached
through it; None where no audit has looked."""

_recalls: list[Recall] = []


def provide(recall: Recall) -> None:
    """Say how to ask. Called once, when the apps are ready."""
    _recalls[:] = [recall]


def recall(platform: Platform, connection: str, employee: str) -> Memory | None:
    """What is known, or None. Reads the database."""
    return _recalls[0](platform, connection, employee) if _recalls else None
