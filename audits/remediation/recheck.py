"""Our own rules once more, right before each call: what changed since the plan was made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from audits.remediation import obstacles
from audits.remediation.facts import GroupKey, Standing
from audits.remediation.obstacles import MISSING_KINDS
from audits.remediation.reading import standing_of
from members import policy
from members.models import Employee, Exclusion, Group, holding
from members.operations.plan import PlannedStep, Target
from members.platforms.types import Platform
from members.policy import EmployeeStatus, FindingKind, Handle, Person
from members.policy_store import exclusion_value


def unwanted_missing(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """Which of the steps (by index) that add missing members are not wanted any more, and why.

    Three queries, however many steps.
    """
    return _unwanted(steps, excluded_by={FindingKind.MISSING_REQUIRED}, asked_for=True)


def unwanted_additions(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """The same for people whom somebody wants to be there, whether a rule asks for them or not."""
    return _unwanted(steps, excluded_by=MISSING_KINDS, asked_for=False)


def unwanted_removals(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """None: somebody confirmed by name who has to go, and no rule of ours keeps anybody in."""
    return {}


def _unwanted(
    steps: Sequence[PlannedStep], *, excluded_by: Collection[FindingKind], asked_for: bool
) -> dict[int, str]:
    targets = [step.target for step in steps]
    people, standings, exclusions = _people(targets), _standings(targets), _exclusions(targets)
    unwanted = {}
    for at, target in enumerate(targets):
        standing = standings.get(_place(target), Standing.AUDITED)
        person = people.get(target.subject)
        exclusion = obstacles.exclusion_of(target.subject, exclusions.get(_place(target), ()), excluded_by)
        reason = (
            (obstacles.of_standing(standing) if asked_for or standing is Standing.ARCHIVED else "")
            or _of_person(person, target, asked_for=asked_for)
            or obstacles.of_exclusion(exclusion)
        )
        if reason:
            unwanted[at] = reason
    return unwanted


def _of_person(person: Person | None, target: Target, *, asked_for: bool) -> str:
    if target.subject == target.user_id:
        return ""  # a stranger, of whom no rule speaks
    if reason := obstacles.of_person(person, target.platform) or person is None:
        return str(reason)
    if obstacles.user_id_of(person, target.platform) != target.user_id:
        return f"{person.name} has another {target.platform.label} account by now: plan again."
    if asked_for and person.status is EmployeeStatus.OPTIONAL:
        return f"{person.name} is optional by now."
    return ""


def _people(targets: Collection[Target]) -> Mapping[str, Person]:
    rows = Employee.objects.in_bulk({target.subject for target in targets}, field_name="key")
    return {
        key: Person(
            key,
            row.name,
            EmployeeStatus(row.status),
            handles={
                Platform.SLACK: Handle(row.slack_user_id),
                Platform.TELEGRAM: Handle(str(row.telegram_user_id or "") or None),
            },
        )
        for key, row in rows.items()
    }


def _standings(targets: Collection[Target]) -> Mapping[GroupKey, Standing]:
    groups = Group.objects.filter(external_id__in={target.group_id for target in targets})
    return {(Platform(group.platform), group.external_id): standing_of(group) for group in groups}


def _exclusions(targets: Collection[Target]) -> Mapping[GroupKey, list[policy.Exclusion]]:
    today = datetime.now(UTC).date()
    rows = Exclusion.objects.filter(
        holding(today), group_external_id__in={target.group_id for target in targets}
    ).select_related("employee")
    found: defaultdict[GroupKey, list[policy.Exclusion]] = defaultdict(list)
    for exclusion in map(exclusion_value, rows):
        found[exclusion.platform, exclusion.group_id].append(exclusion)
    return found


def _place(target: Target) -> GroupKey:
    return target.platform, target.group_id
