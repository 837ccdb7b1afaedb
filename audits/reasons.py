"""Why somebody is asked for in a group: the answer beside every missing person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from members.platforms.types import Platform
from members.policy import UNCATEGORISED, Category, Person, Policy, why
from members.services import load_policy


@dataclass(frozen=True, slots=True)
class Reasons:
    """The rules as they are now; an earlier audit may have gone by others."""

    policy: Policy
    people: Mapping[str, Person]
    categories: Mapping[str, Category]

    @classmethod
    def load(cls) -> Reasons:
        """A constant number of queries."""
        policy = load_policy()
        return cls(
            policy,
            {person.key: person for person in policy.people},
            {category.key: category for category in policy.categories},
        )

    def why(self, key: str, platform: str, category: str) -> str:
        """Why the employee with this key belongs into groups of this category, in a sentence or two."""
        person = self.people.get(key)
        if person is None:
            return "Is no employee any more."
        return why(
            person, Platform(platform), self.categories.get(category, UNCATEGORISED), self.policy.rules
        )

    def name(self, key: str) -> str:
        person = self.people.get(key)
        return key if person is None else person.name

    def by_reason(self, keys: Iterable[str], platform: str, category: str) -> list[tuple[str, str]]:
        """(names, why): people who are asked for by the same rules stand together."""
        names: dict[str, list[str]] = {}
        for key in keys:
            names.setdefault(self.why(key, platform, category), []).append(self.name(key))
        return [(", ".join(people), reason) for reason, people in names.items()]
