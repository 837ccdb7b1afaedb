"""Who must be in which group, and why: the policy as plain data and pure functions.

Nothing here touches a database or a platform. `members.services.load_policy` builds a
`Policy` from the models; `audits.engine` compares it with an observation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from members.patterns import PatternTrouble, compiled, occurs_in
from members.platforms.types import Platform

KEY_PATTERN = r"[\w.@+-]+"
"""The key of a team, an employee or a category: no space and no comma, so that keys can be listed."""


class EmployeeStatus(StrEnum):
    ACTIVE = "active"
    OPTIONAL = "optional"
    UNDER_REVIEW = "under_review"
    OFFBOARDED = "offboarded"


class Level(StrEnum):
    REQUIRED = "required"
    OPTIONAL = "optional"


class ScopeKind(StrEnum):
    INCLUDE = "include"
    EXCLUDE = "exclude"
    SHARED_WITH = "shared_with"


class Match(StrEnum):
    CONTAINS = "contains"
    EXACT = "exact"
    REGEX = "regex"


class FindingKind(StrEnum):
    """Everything that can be wrong. Lives here because exclusions name it."""

    MISSING_REQUIRED = "missing_required"
    MISSING_OPTIONAL = "missing_optional"
    PUBLIC_CHANNEL = "public_channel"
    DEPRECATED_NAME = "deprecated_name"
    HIDDEN_HISTORY = "hidden_history"
    NO_ADMIN_RIGHT = "no_admin_right"
    DEPARTED_MEMBER_PRESENT = "departed_member_present"
    UNRESOLVED_IDENTITY = "unresolved_identity"
    IDENTITY_CHANGED = "identity_changed"
    NOT_VISIBLE = "not_visible"


@dataclass(frozen=True, slots=True)
class Handle:
    """What we know of a person on one platform: the id is the identity, the username leads to it."""

    id: str | None = None
    username: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    key: str
    name: str
    status: EmployeeStatus = EmployeeStatus.ACTIVE
    teams: frozenset[str] = frozenset()
    email: str | None = None
    handles: Mapping[Platform, Handle] = field(default_factory=dict)
    elsewhere: Mapping[str, Handle] = field(default_factory=dict)
    """Who they are in further Slack workspaces, by connection: people have another id in each."""

    def handle_on(self, platform: Platform, connection: str = "") -> Handle:
        """How they are known through a connection; on Telegram everybody is the same for all accounts."""
        if connection and platform is Platform.SLACK:
            return self.elsewhere.get(connection, Handle())
        return self.handles.get(platform, Handle())

    def has_any_account(self, platform: Platform) -> bool:
        """Whether an id of theirs is known there, in whichever workspace."""
        return bool(self.ids_on(platform))

    def ids_on(self, platform: Platform) -> set[str]:
        """All their ids there."""
        handles = [self.handle_on(platform)]
        if platform is Platform.SLACK:
            handles += self.elsewhere.values()
        return {handle.id for handle in handles if handle.id}


@dataclass(frozen=True, slots=True)
class Category:
    key: str
    name: str
    full_team: bool
    default: bool = False
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """On `platform` (only in `category`, when named), the team or the employee is at `level`."""

    platform: Platform
    level: Level
    category: str | None = None
    team: str | None = None
    employee: str | None = None
    auto_add: bool = field(default=False, compare=False)
    """Whether those who are missing are added unasked. A setting of this installation: no part of what
    the policy says, so policy files do not know it."""

    def __str__(self) -> str:
        who = f"team {self.team}" if self.team else f"{self.employee}"
        where = self.platform.label + (f", category {self.category}" if self.category else "")
        return f"{who} is {self.level} on {where}"


@dataclass(frozen=True, slots=True)
class ScopeLine:
    platform: Platform
    kind: ScopeKind
    match: Match = Match.CONTAINS
    pattern: str = ""
    employee: str | None = None

    def __str__(self) -> str:
        if self.kind is ScopeKind.SHARED_WITH:
            return f"{self.platform.label} groups shared with {self.employee}"
        return f"{self.platform.label}: {self.kind} {self.match} “{self.pattern}”"


@dataclass(frozen=True, slots=True)
class Naming:
    """A deprecated part of a name and what replaces it."""

    pattern: str
    replacement: str

    def __str__(self) -> str:
        return f"“{self.pattern}” → “{self.replacement}”"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An accepted exception for a person, or for a kind of finding, in one group."""

    platform: Platform
    group_id: str
    employee: str | None = None
    kind: FindingKind | None = None
    reason: str = ""
    expires: date | None = None
    """The last day, in UTC, on which the exception holds; None for no end."""

    def __str__(self) -> str:
        what = ", ".join(part for part in (self.employee, self.kind) if part)
        return f"{what} in {self.platform.label} group {self.group_id}"

    @property
    def place(self) -> tuple[Platform, str, str | None, FindingKind | None]:
        """What it is about: there is one exclusion for it at most."""
        return self.platform, self.group_id, self.employee, self.kind

    def holds_on(self, day: date) -> bool:
        return self.expires is None or day <= self.expires


@dataclass(frozen=True, slots=True)
class Policy:
    people: tuple[Person, ...] = ()
    categories: tuple[Category, ...] = ()
    """In the order in which their patterns are tried."""
    rules: tuple[Rule, ...] = ()
    scope: tuple[ScopeLine, ...] = ()
    naming: tuple[Naming, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    pinned_categories: Mapping[tuple[Platform, str], str] = field(default_factory=dict)
    """(platform, group id) → category key, where somebody pinned it by hand."""


UNCATEGORISED = Category(key="", name="Uncategorised", full_team=True, default=True)
"""Stands in when no category is marked as the default: the strict reading."""


def bare_username(text: str) -> str:
    """A username as the platforms spell it: without the "@" that people put in front."""
    return re.sub(r"^[@\s]+|\s+$", "", text)


def matches(name: str, match: Match, pattern: str) -> bool:
    """Whether a group's name matches; case never matters (`casefold`, so "STRASSE" is "straße").

    Raises PatternTrouble for a regular expression that takes too long.
    """
    if match is Match.REGEX:
        return occurs_in(pattern, name)
    folded, wanted = name.casefold(), pattern.casefold()
    return folded == wanted if match is Match.EXACT else wanted in folded


def regex_problem(pattern: str) -> str | None:
    """Why `pattern` is no regular expression that we accept, in a sentence; None when it is one."""
    try:
        compiled(pattern)
    except PatternTrouble as error:
        return str(error)
    return None


def in_scope(platform: Platform, name: str, present: Collection[str], lines: Iterable[ScopeLine]) -> bool:
    """Whether a group is audited. `present` holds the keys of the employees who are in it.

    Raises PatternTrouble for a regular expression that takes too long.
    """
    included = False
    for line in lines:
        if line.platform is not platform:
            continue
        if line.kind is ScopeKind.SHARED_WITH:
            included = included or line.employee in present
        elif matches(name, line.match, line.pattern):
            if line.kind is ScopeKind.EXCLUDE:
                return False
            included = True
    return included


def category_of(name: str, pinned: str | None, categories: Iterable[Category]) -> Category:
    """The pinned category, else the first with a pattern that occurs in the name, else the default."""
    ordered = tuple(categories)
    if pinned is not None:
        for category in ordered:
            if category.key == pinned:
                return category
    for category in ordered:
        if any(matches(name, Match.CONTAINS, pattern) for pattern in category.patterns):
            return category
    return next((category for category in ordered if category.default), UNCATEGORISED)


_ASKED_FOR_NOWHERE = (EmployeeStatus.UNDER_REVIEW, EmployeeStatus.OFFBOARDED)


def rules_for(person: Person, platform: Platform, category: str, rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules that speak of this person in groups of this category: the answer to "why?"."""
    return tuple(
        rule
        for rule in rules
        if rule.platform is platform and rule.category in (None, category) and _speaks_of(person, rule)
    )


def level_of(person: Person, platform: Platform, category: str, rules: Iterable[Rule]) -> Level | None:
    """How much this person belongs in such a group; None when nothing asks for them.

    The strongest rule wins, whatever the order. A status of *optional* caps it; people
    under review or offboarded are asked for nowhere.
    """
    if person.status in _ASKED_FOR_NOWHERE:
        return None
    levels = {rule.level for rule in rules_for(person, platform, category, rules)}
    if not levels:
        return None
    if Level.REQUIRED in levels and person.status is EmployeeStatus.ACTIVE:
        return Level.REQUIRED
    return Level.OPTIONAL


def why(person: Person, platform: Platform, category: Category, rules: Iterable[Rule]) -> str:
    """Why this person belongs in groups of this category, or does not: a sentence or two."""
    if person.status in _ASKED_FOR_NOWHERE:
        return f"{person.name} is {str(person.status).replace('_', ' ')}: no rule counts."
    speaking = rules_for(person, platform, category.key, rules)
    if not speaking:
        return "No rule asks for them there."
    sentences = ["; ".join(map(str, speaking)) + "."]
    if person.status is EmployeeStatus.OPTIONAL:
        sentences.append(f"{person.name} is optional, whatever a rule requires.")
    if not category.full_team:
        sentences.append(f"Groups of the category {category.name} need no full team.")
    text = " ".join(sentences)
    return text[:1].upper() + text[1:]


def concerns(person: Person, platform: Platform, policy: Policy) -> bool:
    """Whether an audit of this platform has to look for this person at all."""
    return (
        person.status is EmployeeStatus.OFFBOARDED
        or any(line.platform is platform and line.employee == person.key for line in policy.scope)
        or any(rule.platform is platform and _speaks_of(person, rule) for rule in policy.rules)
    )


def includes_nothing(platform: Platform, policy: Policy) -> bool:
    """Whether no group of the platform can be in scope, whatever its name and members."""
    return not any(line.platform is platform and line.kind is not ScopeKind.EXCLUDE for line in policy.scope)


def asks_for_nobody(platform: Platform, policy: Policy) -> bool:
    """Whether no group of the platform can miss anybody."""
    return not any(
        rule.platform is platform and _speaks_of(person, rule)
        for person in policy.people
        if person.status not in _ASKED_FOR_NOWHERE
        for rule in policy.rules
    )


def _speaks_of(person: Person, rule: Rule) -> bool:
    return rule.employee == person.key or (rule.team is not None and rule.team in person.teams)


def outdated_part(name: str, naming: Iterable[Naming]) -> Naming | None:
    """The first naming rule whose deprecated part stands in the name; None when the name is up to date."""
    return next((line for line in naming if matches(name, Match.CONTAINS, line.pattern)), None)
