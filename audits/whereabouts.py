"""Where one employee is and where they should be, as the latest audits saw it, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audits.latest import newest_results, speaking_runs
from audits.models import AuditRun, GroupResult
from members.dates import day_in_words
from members.models import Employee
from members.platforms.types import (
    Platform,
)
from members.policy import UNCATEGORISED, Category, Level, Person, Policy, level_of, why
from members.services import load_policy, platform_group
from telegram_ops.memory import Memory
from telegram_ops.sightings import Sighting


class Presence(StrEnum):
    """Whether somebody is in a group, as an audit tells it."""

    PRESENT = "present"
    MISSING = "missing"
    EXCLUDED = "excluded"
    """An exception was accepted: nobody counts whether they are there."""
    UNRESOLVED = "unresolved"
    """It could not be told."""


class Want(StrEnum):
    """Whether they should be there."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Whereabout:
    """One group. `want` is what the audit went by; `why` what the rules say now."""

    platform: Platform
    group_id: str
    group_name: str
    group_pk: int
    category: str
    presence: Presence
    want: Want
    why: str
    full_team: bool = True
    """Whether anybody counts as missing in such a group."""

    @property
    def lacked(self) -> bool:
        """Whether they are missing where they have to be; elsewhere their absence is no fault."""
        return self.presence is Presence.MISSING and self.want is Want.REQUIRED and self.full_team


@dataclass(frozen=True, slots=True)
class Whereabouts:
    rows: tuple[Whereabout, ...]
    """By platform and name."""
    as_of: Mapping[Platform, datetime]
    """When each platform was last looked at; those without an audit are not in it."""


_LISTS: tuple[tuple[str, Presence, Want | None], ...] = (
    ("required_present", Presence.PRESENT, Want.REQUIRED),
    ("required_missing", Presence.MISSING, Want.REQUIRED),
    ("optional_present", Presence.PRESENT, Want.OPTIONAL),
    ("optional_missing", Presence.MISSING, Want.OPTIONAL),
    ("excluded", Presence.EXCLUDED, None),
    ("unresolved", Presence.UNRESOLVED, None),
    ("under_review", Presence.PRESENT, Want.NEITHER),
    ("departed", Presence.PRESENT, Want.NEITHER),
)
"""The lists of a GroupResult and what it means to be in one; None: the rules tell what is wanted."""
_PRESENT = frozenset(name for name, presence, _ in _LISTS if presence is Presence.PRESENT)


def load_whereabouts(employee: Employee) -> Whereabouts:
    """Every group that concerns the employee, in a constant number of queries."""
    policy = load_policy()
    person = next(each for each in policy.people if each.key == employee.key)
    categories = {category.key: category for category in policy.categories}
    rows = [_row(result, name, person, policy, categories) for result, name in _results_with(employee.key)]
    order = list(Platform)
    rows.sort(key=lambda row: (order.index(row.platform), row.group_name.casefold(), row.group_id))
    return Whereabouts(tuple(rows), _looked_at())


def recall(platform: Platform, connection: str, employee: str) -> Memory | None:
    """The groups of a connection in which the latest audit saw them: for whoever cannot look now."""
    as_of = _looked_at().get(platform)
    if as_of is None:
        return None
    sightings = [
        Sighting(platform_group(result.group))
        for result, name in _results_with(employee)
        if name in _PRESENT and (result.group.platform, result.group.connection) == (platform, connection)
    ]
    return Memory(as_of, tuple(sightings))


def _results_with(key: str) -> Iterator[tuple[GroupResult, str]]:
    """The newest results that name the employee, and in which of their lists."""
    results = GroupResult.objects.filter(newest_results(), group__archived=False).select_related("group")
    for result in results.iterator(chunk_size=1000):
        for name, _, _ in _LISTS:
            if key in getattr(result, name):
                yield result, name
                break


def _row(
    result: GroupResult, name: str, person: Person, policy: Policy, categories: Mapping[str, Category]
) -> Whereabout:
    platform = Platform(result.group.platform)
    category = categories.get(result.category_key, UNCATEGORISED)
    presence, want = next((presence, want) for each, presence, want in _LISTS if each == name)
    reason = why(person, platform, category, policy.rules)
    if presence is Presence.EXCLUDED:
        reason = _exception(person, platform, result.group.external_id, policy) + reason
    return Whereabout(
        platform=platform,
        group_id=result.group.external_id,
        group_name=result.group.name,
        group_pk=result.group.pk,
        category=category.name,
        presence=presence,
        want=want or _wanted(level_of(person, platform, category.key, policy.rules)),
        why=reason,
        full_team=result.requires_full_team,
    )


def _wanted(level: Level | None) -> Want:
    return Want(level) if level is not None else Want.NEITHER


def _exception(person: Person, platform: Platform, group_id: str, policy: Policy) -> str:
    for exclusion in policy.exclusions:
        same_group = (exclusion.platform, exclusion.group_id) == (platform, group_id)
        if same_group and exclusion.employee in (None, person.key):
            end = f"until {day_in_words(exclusion.expires)}" if exclusion.expires else "without an end"
            return f"Accepted {end}: {exclusion.reason} "
    return ""


def _looked_at() -> dict[Platform, datetime]:
    speaking = speaking_runs()
    finished = dict(AuditRun.objects.filter(pk__in=speaking.values()).values_list("pk", "finished_at"))
    return {platform: at for platform, pk in speaking.items() if (at := finished.get(pk)) is not None}
