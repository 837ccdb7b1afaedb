"""What listeners hear of groups, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from members.platforms.history import Heard
from members.platforms.types import Platform


class Happening(StrEnum):
    """What happened to a group. The platforms' own words differ, and there are more of them."""

    CREATED = "created"
    RENAMED = "renamed"
    JOINED = "joined"
    LEFT = "left"
    ARCHIVED = "archived"
    REOPENED = "reopened"
    GONE = "gone"
    """It was deleted, or our account is not in it any more."""
    CHANGED = "changed"
    """Something else about it, such as our own place there."""
    MISSED = "missed"
    """Things were said that the platform does not tell any more: they have to be read."""


@dataclass(frozen=True, slots=True)
class GroupEvent:
    """One thing that happened to one group."""

    platform: Platform
    group_id: str
    what: Happening
    name: str = ""
    """The group's name, where the event carries it."""
    people: tuple[str, ...] = ()
    """The ids of those who joined or left."""
    once: str = ""
    """The same when the platform tells it again; "" where nothing tells it apart."""


Item = GroupEvent | Heard
