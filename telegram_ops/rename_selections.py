"""Which groups shall be renamed, and how: plain data that a stored operation keeps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from typing import Any, Self

from members.json_reader import JsonSyntaxError, ObjectReader, load_json
from members.platforms.text import LONGEST_GROUP_NAME, storable
from members.platforms.types import Platform
from telegram_ops.rename_plans import GroupKey

_PROBLEMS_SHOWN = 3


class Way(StrEnum):
    """Where the new names come from."""

    RULES = "rules"
    """The policy's naming rules."""
    TEXT = "text"
    REGEX = "regex"
    MAPPING = "mapping"
    BACK = "back"
    """Exactly the names that an earlier operation took away."""


@dataclass(frozen=True, slots=True)
class Change:
    """One group and both its names."""

    platform: Platform
    group_id: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class RenameSelection:
    """What was asked for. What is left empty restricts nothing; the rest all has to hold."""

    way: Way
    pattern: str = ""
    replacement: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """Title or id → new name."""
    changes: tuple[Change, ...] = ()
    """For `Way.BACK`."""
    platforms: tuple[Platform, ...] = ()
    groups: tuple[GroupKey, ...] = ()
    names: tuple[str, ...] = ()
    """Names or ids of groups, as somebody wrote them down."""
    category: str = ""
    """A category's key."""

    def as_parameters(self) -> dict[str, Any]:
        """JSON types; what is empty is left out."""
        parameters = {
            "way": str(self.way),
            "pattern": self.pattern,
            "replacement": self.replacement,
            "mapping": dict(self.mapping),
            "changes": [list(astuple(change)) for change in self.changes],
            "platforms": list(map(str, self.platforms)),
            "groups": [f"{platform}:{group_id}" for platform, group_id in self.groups],
            "names": list(self.names),
            "category": self.category,
        }
        return {name: value for name, value in parameters.items() if value}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The selection that `as_parameters` was made of."""
        return cls(
            way=Way(parameters["way"]),
            pattern=parameters.get("pattern", ""),
            replacement=parameters.get("replacement", ""),
            mapping=parameters.get("mapping", {}),
            changes=tuple(
                Change(Platform(platform), *rest) for platform, *rest in parameters.get("changes", ())
            ),
            platforms=tuple(map(Platform, parameters.get("platforms", ()))),
            groups=tuple(_as_key(word) for word in parameters.get("groups", ())),
            names=tuple(parameters.get("names", ())),
            category=parameters.get("category", ""),
        )


class MappingTrouble(ValueError):
    """The file is no mapping: what is wrong, at which place."""


def read_mapping(data: bytes) -> dict[str, str]:
    """The mapping in a JSON file, {"title or id": "new name", …}. Raises MappingTrouble."""
    try:
        value = load_json(data)
    except JsonSyntaxError as error:
        raise MappingTrouble(f"The mapping cannot be read: {error}.") from error
    problems: list[str] = []
    reader = ObjectReader(value, "", problems)
    mapping = {key: reader.text(key, max_length=LONGEST_GROUP_NAME) for key in reader}
    problems += [f"{key!r}: names no group" for key in mapping if not key.strip() or storable(key) != key]
    if not mapping and not problems:
        problems.append("it is empty")
    if problems:
        raise MappingTrouble(f"The mapping cannot be used: {_some(problems)}.")
    return mapping


def _some(problems: Sequence[str]) -> str:
    more = len(problems) - _PROBLEMS_SHOWN
    return "; ".join(problems[:_PROBLEMS_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _as_key(word: str) -> GroupKey:
    platform, _, group_id = word.partition(":")
    return Platform(platform), group_id
