"""Our own rules once more, right before each call: what changed since the plan was made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from audits.remediation import obstacles
from audits.remediation.facts import GroupKey, Standing
from audits.remediation.obstacles import MISSING_KINDS
from audits.remediation.reading import standing_of
from members import policy, policy_store
from members.models import Employee, Exclusion, Group, holding
from members.operations.plan import PlannedStep, Target
from members.platforms.types import Platform
from members.policy import UNCATEGORISED, EmployeeStatus, FindingKind, Handle, Person, Rule

_NOT_AUDITED = frozenset(Standing) - {Standing.AUDITED}


def unwanted_missing(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """Which of the steps (by index) that add missing members are not wanted any more, and why.

    Five queries, however many steps.
    """
    missing = {FindingKind.MISSING_REQUIRED}
    return _unwanted(steps, excluded_by=missing, forbidding=_NOT_AUDITED, asked_for=True)


def unwanted_additions(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """The same for people whom somebody wants to be there, whether a rule asks for them or not."""
    return _unwanted(steps, excluded_by=MISSING_KINDS, forbidding=_NOT_AUDITED)


def unwanted_returns(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """The same for people who are brought back to where they were taken out, whether an audit looks there
    or not."""
    return _unwanted(steps, excluded_by=MISSING_KINDS, forbidding={Standing.ARCHIVED})


def unwanted_removals(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """None: somebody confirmed by name who has to go, and no rule of ours keeps anybody in."""
    return {}


def _unwanted(
    steps: Sequence[PlannedStep],
    *,
    excluded_by: Collection[FindingKind],
    forbidding: Collection[Standing],
    asked_for: bool = False,
) -> dict[int, str]:
    """`forbidding` are the standings of a group in which nobody is added; `asked_for` only whom a rule asks
    for is."""
    targets = [step.target for step in steps]
    groups, exclusions = _groups(targets), _exclusions(targets)
    people = _people(targets, in_workspaces=any(group.connection for group in groups.values()))
    rules = [rule for _, rule in policy_store.rules()] if asked_for else []
    unwanted = {}
    for at, target in enumerate(targets):
        group, person = groups.get(_place(target)), people.get(target.subject)
        standing = standing_of(group) if group is not None else Standing.AUDITED
        exclusion = obstacles.exclusion_of(target.subject, exclusions.get(_place(target), ()), excluded_by)
        reason = (
            (obstacles.of_standing(standing) if standing in forbidding else "")
            or _of_person(person, target, group.connection if group is not None else "")
            or (_of_policy(person, target.platform, group, rules) if asked_for and person else "")
            or obstacles.of_exclusion(exclusion)
        )
        if reason:
            unwanted[at] = reason
    return unwanted


def _of_person(person: Person | None, target: Target, connection: str) -> str:
    if person is None and target.subject == target.user_id:
        return ""  # a stranger, of whom no rule speaks
    if reason := obstacles.of_person(person, target.platform) or person is None:
        return str(reason)
    if obstacles.user_id_of(person, target.platform, connection) != target.user_id:
        return f"{person.name} has another {target.platform.label} account by now: plan again."
    return ""


def _of_policy(person: Person, platform: Platform, group: Group | None, rules: Iterable[Rule]) -> str:
    stored = group.category if group is not None else None
    category = policy_store.category_value(stored) if stored is not None else UNCATEGORISED
    return obstacles.of_category(category) or obstacles.of_rules(person, platform, category, rules)


def _people(targets: Collection[Target], *, in_workspaces: bool) -> Mapping[str, Person]:
    """`in_workspaces` asks for their accounts in further workspaces as well."""
    rows = Employee.objects.filter(key__in={target.subject for target in targets}).prefetch_related("teams")
    return {
        row.key: Person(
            row.key,
            row.name,
            EmployeeStatus(row.status),
            teams=frozenset(team.key for team in row.teams.all()),
            handles={
                Platform.SLACK: Handle(row.slack_user_id),
                Platform.TELEGRAM: Handle(str(row.telegram_user_id or "") or None),
            },
            elsewhere={
                str(account.workspace_id): Handle(account.user_id or None, account.username or None)
                for account in (row.accounts.all() if in_workspaces else ())
            },
        )
        for row in (rows.prefetch_related("accounts") if in_workspaces else rows)
    }


def _groups(targets: Collection[Target]) -> Mapping[GroupKey, Group]:
    groups = Group.objects.filter(external_id__in={target.group_id for target in targets})
    return {
        (Platform(group.platform), group.external_id): group for group in groups.select_related("category")
    }


def _exclusions(targets: Collection[Target]) -> Mapping[GroupKey, list[policy.Exclusion]]:
    today = datetime.now(UTC).date()
    rows = Exclusion.objects.filter(
        holding(today), group_external_id__in={target.group_id for target in targets}
    ).select_related("employee")
    found: defaultdict[GroupKey, list[policy.Exclusion]] = defaultdict(list)
    for exclusion in map(policy_store.exclusion_value, rows):
        found[exclusion.platform, exclusion.group_id].append(exclusion)
    return found


def _place(target: Target) -> GroupKey:
    return target.platform, target.group_id
