"""A plan while it grows: what is to be done, and why the rest is not. Knows no database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from audits.remediation import obstacles
from audits.remediation.facts import Facts, GroupKey, Place
from members.operations.membership import ADD
from members.operations.plan import Plan, PlannedStep, Skipped, Target
from members.platforms.types import Platform
from members.policy import FindingKind

ALREADY_THERE = "Already there."
_OURSELVES = "This is the account that does the work, and it cannot add itself: ask somebody in the group."


class Draft:
    """Collects the additions of one plan. Nothing is named twice, whatever it is looked at for."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._people = facts.people()
        self._exclusions = facts.exclusions()
        self._steps: dict[Target, PlannedStep] = {}
        self._skipped: dict[Target, str] = {}
        for platform in facts.unaudited:
            reason = f"No audit has reached {platform.label} yet: run one first."
            self.skip(obstacles.whole_platform(platform), reason)

    def obstructed(self, place: Place) -> bool:
        """Whether nobody can be added there; then it is skipped as a whole."""
        reason = obstacles.of_place(place)
        if reason:
            self.skip(obstacles.whole_place(place), reason)
        return bool(reason)

    def unable(self, key: str, platform: Platform) -> bool:
        """Whether the person can be added nowhere on `platform`; then they are skipped as a whole."""
        person = self._people.get(key)
        reason = obstacles.of_person(person, platform)
        if reason:
            self.skip(obstacles.whole_person(platform, key, person), reason)
        return bool(reason)

    def add(self, key: str, place: Place, *, excluded_by: Collection[FindingKind]) -> None:
        """Plan to add the person, unless the place, the person, or an exclusion of these kinds forbids it."""
        if self.obstructed(place) or self.unable(key, place.platform):
            return
        target = obstacles.target_in(place, self._people[key])
        exclusion = obstacles.exclusion_of(key, self._exclusions.get(place.key, ()), excluded_by)
        if reason := obstacles.of_exclusion(exclusion):
            self.skip(target, reason)
        elif key in place.present:
            self.skip(target, ALREADY_THERE)
        elif reason := obstacles.of_account(self._people[key], place):
            self.skip(target, reason)
        elif target.user_id == self._facts.own_ids.get(place.way.name):
            self.skip(target, _OURSELVES)
        else:
            self._steps[target] = PlannedStep(ADD, target)

    def skip(self, target: Target, reason: str) -> None:
        """Name `target` as looked at and not to be done; what is planned or named already stays so."""
        if target not in self._steps:
            self._skipped.setdefault(target, reason)

    @property
    def groups(self) -> set[GroupKey]:
        """Those that something is said of so far."""
        return {(target.platform, target.group_id) for target in (*self._steps, *self._skipped)}

    def plan(self, kind: str, *, parameters: Mapping[str, Any], reach: int) -> Plan:
        """Neighbouring steps share a call: the same platform and group."""
        return Plan(
            kind=kind,
            steps=tuple(self._steps[target] for target in sorted(self._steps, key=in_order)),
            skipped=tuple(
                Skipped(target, self._skipped[target]) for target in sorted(self._skipped, key=in_order)
            ),
            parameters=parameters,
            reach=reach,
        )


def in_order(target: Target) -> tuple[int, str, str, str, str]:
    """By platform, group and person; the ids tell namesakes apart."""
    return (
        list(Platform).index(target.platform),
        target.group_name.casefold(),
        target.group_id,
        target.subject_name.casefold(),
        target.user_id or target.subject,
    )
