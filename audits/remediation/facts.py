"""What planners know: the policy as it is now, and the groups as the latest audits left them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from members.operations.parts import Way
from members.platforms.types import Platform
from members.policy import Category, Exclusion, Person, Policy

GroupKey = tuple[Platform, str]
"""Platform and the platform's own id."""


class Standing(StrEnum):
    """How a group stands, as far as audits know."""

    AUDITED = "audited"
    ARCHIVED = "archived"
    OUT_OF_SIGHT = "out_of_sight"
    OUT_OF_SCOPE = "out_of_scope"
    UNLISTED = "unlisted"
    """The latest audit did not come upon it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A group as the latest audit of its platform left it. People are employee keys."""

    platform: Platform
    id: str
    name: str
    category: Category
    standing: Standing = Standing.AUDITED
    may_invite: bool = True
    """Whether our account may add people there."""
    present: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    """Required, and seen to be absent."""
    unknown: frozenset[str] = frozenset()
    """Asked for here, but whether they are here could not be told."""
    connection: str = field(default="", kw_only=True)
    """Through which of our workspaces or accounts it is reached; empty for the usual one."""

    @property
    def key(self) -> GroupKey:
        return self.platform, self.id

    @property
    def way(self) -> Way:
        """The account that acts there."""
        return Way(self.platform, self.connection)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a plan is made of."""

    policy: Policy
    today: date
    """The UTC day on which exclusions are judged."""
    places: Mapping[GroupKey, Place] = field(default_factory=dict)
    own_ids: Mapping[str, str] = field(default_factory=dict)
    """The user ids of our own accounts, by `Way.name`."""
    unaudited: tuple[Platform, ...] = ()
    """The platforms that were asked about, and that no audit has reached yet."""

    def people(self) -> dict[str, Person]:
        """Every employee by key, in the policy's order."""
        return {person.key: person for person in self.policy.people}

    def exclusions(self) -> dict[GroupKey, list[Exclusion]]:
        """Those that hold today, by group."""
        holding: dict[GroupKey, list[Exclusion]] = defaultdict(list)
        for exclusion in self.policy.exclusions:
            if exclusion.holds_on(self.today):
                holding[exclusion.platform, exclusion.group_id].append(exclusion)
        return holding
