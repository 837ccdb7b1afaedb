"""How an earlier finding stands after a run: still there, proven gone, not seen, or without meaning.

Pure: it reads an `Evaluation` and decides nothing about states (that is `audits.lifecycle`).
"""

from __future__ import annotations

from collections import defaultdict

from audits.engine import Evaluation
from audits.lifecycle import Sight
from audits.observation import PlatformObservation
from audits.rows import FindingKey, Verdict
from members.platforms.types import History, Platform
from members.policy import EmployeeStatus, Exclusion, FindingKind, Person, concerns

_IDENTITY = frozenset({FindingKind.UNRESOLVED_IDENTITY, FindingKind.IDENTITY_CHANGED})
_SEEN, _ABSENT, _UNSEEN = (Sight.PRESENT, ""), (Sight.ABSENT, ""), (Sight.UNSEEN, "")


class Judge:
    """Answers for one run; built once, asked for every stored finding."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._seen = {seen.platform: seen for seen in evaluation.observation.platforms}
        self._rows = {(row.platform, row.id): row for row in evaluation.rows}
        self._people = {person.key: person for person in evaluation.policy.people}
        self._exclusions: dict[tuple[Platform, str], list[Exclusion]] = defaultdict(list)
        for exclusion in evaluation.policy.exclusions:
            if exclusion.holds_on(evaluation.today):
                self._exclusions[exclusion.platform, exclusion.group_id].append(exclusion)

    def excluded(self, key: FindingKey) -> bool:
        """Whether somebody accepted this problem and the acceptance holds today."""
        return any(
            exclusion.employee in (None, key.subject) and exclusion.kind in (None, key.kind)
            for exclusion in self._exclusions.get((key.platform, key.group_id), [])
        )

    def sight(self, key: FindingKey) -> tuple[Sight, str]:
        """What this run saw of the problem, and why it has no meaning any more where that is so."""
        if key in self._evaluation.problems:
            return _SEEN
        seen = self._seen.get(key.platform)
        if seen is None:
            return _UNSEEN
        void = self._evaluation.void_groups.get((key.platform, key.group_id))
        if void is not None:
            return Sight.VOID, void
        if not key.subject:
            return self._of_group(key)
        person = self._people.get(key.subject)
        if person is None:
            return Sight.VOID, "employee removed"
        if key.kind in _IDENTITY:
            return self._of_identity(key, person, seen)
        if key.kind is FindingKind.DEPARTED_MEMBER_PRESENT:
            return self._of_departed(key, person, seen)
        return self._of_missing(key, person, seen)

    def _of_group(self, key: FindingKey) -> tuple[Sight, str]:
        row = self._rows.get((key.platform, key.group_id))
        if row is None or row.verdict is Verdict.NOT_VISIBLE:
            return _UNSEEN
        if key.group_id not in self._seen[key.platform].groups:
            return _UNSEEN
        if key.kind is FindingKind.HIDDEN_HISTORY and row.history is History.UNKNOWN:
            return _UNSEEN
        return _ABSENT

    def _of_identity(self, key: FindingKey, person: Person, seen: PlatformObservation) -> tuple[Sight, str]:
        if person.status is EmployeeStatus.OFFBOARDED:
            return Sight.VOID, "employee offboarded"
        if not concerns(person, key.platform, self._evaluation.policy):
            return Sight.VOID, "rule changed"
        return _ABSENT if seen.was_looked_for(key.subject) else _UNSEEN

    def _of_departed(self, key: FindingKey, person: Person, seen: PlatformObservation) -> tuple[Sight, str]:
        if person.status is not EmployeeStatus.OFFBOARDED:
            return Sight.VOID, "employee is back"
        absent = key.group_id in seen.groups and seen.presence(key.group_id, key.subject) is False
        return _ABSENT if absent else _UNSEEN

    def _of_missing(self, key: FindingKey, person: Person, seen: PlatformObservation) -> tuple[Sight, str]:
        if person.status is EmployeeStatus.OFFBOARDED:
            return Sight.VOID, "employee offboarded"
        row = self._rows.get((key.platform, key.group_id))
        if row is None or key.group_id not in seen.groups:
            return _UNSEEN
        presence = seen.presence(key.group_id, key.subject)
        if presence:
            return _ABSENT
        asked_for = row.category.full_team and key.subject in (*row.unresolved, *row.excluded)
        if presence is None and asked_for:
            return _UNSEEN
        return Sight.VOID, "rule changed"  # nobody asks for them here any more
