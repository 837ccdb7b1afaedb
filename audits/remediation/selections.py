"""What was asked for: plain data that a stored operation keeps, enough to plan the same again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from members.operations.plan import Target
from members.platforms.types import Platform

GroupKey = tuple[Platform, str]
"""Platform and the platform's own id."""


@dataclass(frozen=True, slots=True)
class MissingSelection:
    """Which of the missing members to add. What is left empty restricts nothing; the rest all has to hold."""

    platforms: tuple[Platform, ...] = ()
    run: int | None = None
    """Only whom the report of this audit names as missing."""
    groups: tuple[GroupKey, ...] = ()
    findings: tuple[int, ...] = ()
    """Primary keys of findings."""
    category: str = ""
    """A category's key."""
    employees: tuple[str, ...] = ()
    """Keys of employees."""
    automatic: bool = False
    """Only what a rule with `auto_add` asks for, and did not fail lately."""

    def as_parameters(self) -> dict[str, Any]:
        """JSON types; what restricts nothing is left out."""
        return _without_empty(
            platforms=[str(platform) for platform in self.platforms],
            run=self.run,
            groups=[_as_word(key) for key in self.groups],
            findings=list(self.findings),
            category=self.category,
            employees=list(self.employees),
            automatic=self.automatic,
        )

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The selection that `as_parameters` was made of."""
        return cls(
            platforms=tuple(Platform(name) for name in parameters.get("platforms", ())),
            run=parameters.get("run"),
            groups=tuple(_as_key(word) for word in parameters.get("groups", ())),
            findings=tuple(parameters.get("findings", ())),
            category=parameters.get("category", ""),
            employees=tuple(parameters.get("employees", ())),
            automatic=parameters.get("automatic", False),
        )


class Where(StrEnum):
    """In which of the chosen groups somebody is added."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    """Also where the rules, or the group's category, make them optional."""
    ALL = "all"

    @property
    def phrase(self) -> str:
        """For people, in the middle of a sentence."""
        match self:
            case Where.REQUIRED:
                return "where the rules require it"
            case Where.OPTIONAL:
                return "where the rules require it or make it optional"
            case Where.ALL:
                return "in all the chosen groups, whatever the rules say"


@dataclass(frozen=True, slots=True)
class PeopleSelection:
    """Employees, by themselves and by their teams, and the groups to add them to: all in scope, or fewer."""

    employees: tuple[str, ...] = ()
    """Keys of employees."""
    teams: tuple[str, ...] = ()
    """Keys of teams."""
    platforms: tuple[Platform, ...] = ()
    groups: tuple[GroupKey, ...] = ()
    category: str = ""
    """A category's key."""
    names: tuple[str, ...] = ()
    """Names or ids of groups, as somebody wrote them down; see `group_names_in`."""
    where: Where = Where.ALL

    def as_parameters(self) -> dict[str, Any]:
        """JSON types; what is empty is left out."""
        return _without_empty(
            employees=list(self.employees),
            teams=list(self.teams),
            platforms=[str(platform) for platform in self.platforms],
            groups=[_as_word(key) for key in self.groups],
            category=self.category,
            names=list(self.names),
            where=str(self.where) if self.where is not Where.ALL else "",
        )

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The selection that `as_parameters` was made of."""
        return cls(
            employees=tuple(parameters.get("employees", ())),
            teams=tuple(parameters.get("teams", ())),
            platforms=tuple(Platform(name) for name in parameters.get("platforms", ())),
            groups=tuple(_as_key(word) for word in parameters.get("groups", ())),
            category=parameters.get("category", ""),
            names=tuple(parameters.get("names", ())),
            where=where_of(parameters),
        )


def where_of(parameters: Mapping[str, Any]) -> Where:
    """Of the parameters of a plan that adds people."""
    return Where(parameters.get("where", Where.ALL))


@dataclass(frozen=True, slots=True)
class PairSelection:
    """Exactly these people in exactly these groups; both are known by their ids, employees or not."""

    targets: tuple[Target, ...] = ()

    def as_parameters(self) -> dict[str, Any]:
        """JSON types."""
        return {"targets": [asdict(target) for target in self.targets]}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The selection that `as_parameters` was made of."""
        return cls(
            tuple(
                Target(**{**target, "platform": Platform(target["platform"])})
                for target in parameters.get("targets", ())
            )
        )


def _as_word(key: GroupKey) -> str:
    platform, group_id = key
    return f"{platform}:{group_id}"


def _as_key(word: str) -> GroupKey:
    platform, _, group_id = word.partition(":")
    return Platform(platform), group_id


def _without_empty(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value not in (None, "", False, [])}


def platforms_or_all(platforms: Iterable[Platform]) -> tuple[Platform, ...]:
    """Those platforms, each once and in the usual order; all of them when none is named."""
    named = set(platforms)
    return tuple(platform for platform in Platform if platform in named or not named)
