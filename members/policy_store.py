"""The policy as the database holds it, as plain data."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Prefetch, QuerySet

from members import policy
from members.models import Category, Employee, Exclusion, MembershipRule, NamingRule, ScopeLine, Team
from members.platforms.types import Platform
from members.policy import EmployeeStatus, FindingKind, Level, Match, ScopeKind
from members.policy_file import EmployeeEntry, KnownKeys, PolicyFile, TeamEntry


def employees() -> QuerySet[Employee]:
    """Everybody with their teams, in the order in which they were entered. Two queries."""
    return Employee.objects.order_by("pk").prefetch_related(
        Prefetch("teams", queryset=Team.objects.order_by("pk"))
    )


def read(people: Iterable[Employee] | None = None) -> PolicyFile:
    """The whole policy as a file would say it, in a constant number of queries.

    Everything comes in the order in which it was entered, categories in the order of their trial. `people`
    are the `employees`, where somebody has them already.
    """
    return PolicyFile(
        employees=tuple(employee_entry(row) for row in (employees() if people is None else people)),
        teams=tuple(TeamEntry(row.key, row.name) for row in Team.objects.order_by("pk")),
        categories=tuple(category_value(row) for row in Category.objects.all()),
        rules=tuple(value for _, value in rules()),
        scope=tuple(value for _, value in scope_lines()),
        naming=tuple(value for _, value in naming_rules()),
        exclusions=tuple(value for _, value in exclusions()),
    )


def known_keys() -> KnownKeys:
    """What a policy file may refer to without defining it."""
    return KnownKeys(
        employees=frozenset(Employee.objects.values_list("key", flat=True)),
        teams=frozenset(Team.objects.values_list("key", flat=True)),
        categories=frozenset(Category.objects.values_list("key", flat=True)),
    )


def employee_entry(row: Employee) -> EmployeeEntry:
    return EmployeeEntry(
        key=row.key,
        name=row.name,
        title=row.title,
        teams=tuple(team.key for team in row.teams.all()),
        status=EmployeeStatus(row.status),
        slack_user_id=row.slack_user_id,
        slack_username=row.slack_username or None,
        telegram_user_id=row.telegram_user_id,
        telegram_username=row.telegram_username or None,
        email=row.email or None,
    )


def category_value(row: Category) -> policy.Category:
    return policy.Category(row.key, row.name, row.full_team, row.default, tuple(row.patterns))


def rules() -> list[tuple[MembershipRule, policy.Rule]]:
    """Every rule, as row and as value."""
    rows = MembershipRule.objects.order_by("pk").select_related("category", "team", "employee")
    return [
        (
            row,
            policy.Rule(
                platform=Platform(row.platform),
                level=Level(row.level),
                category=_key(row.category),
                team=_key(row.team),
                employee=_key(row.employee),
                auto_add=row.auto_add,
            ),
        )
        for row in rows
    ]


def scope_lines() -> list[tuple[ScopeLine, policy.ScopeLine]]:
    """Every scope line, as row and as value."""
    rows = ScopeLine.objects.order_by("pk").select_related("employee")
    return [
        (
            row,
            policy.ScopeLine(
                platform=Platform(row.platform),
                kind=ScopeKind(row.kind),
                match=Match(row.match),
                pattern=row.pattern,
                employee=_key(row.employee),
            ),
        )
        for row in rows
    ]


def naming_rules() -> list[tuple[NamingRule, policy.Naming]]:
    """Every naming rule, as row and as value."""
    rows = NamingRule.objects.order_by("pk")
    return [(row, policy.Naming(row.pattern, row.replacement)) for row in rows]


def exclusions() -> list[tuple[Exclusion, policy.Exclusion]]:
    """Every exclusion, expired ones too, as row and as value."""
    rows = Exclusion.objects.order_by("pk").select_related("employee")
    return [(row, exclusion_value(row)) for row in rows]


def exclusion_value(row: Exclusion) -> policy.Exclusion:
    return policy.Exclusion(
        platform=Platform(row.platform),
        group_id=row.group_external_id,
        employee=_key(row.employee),
        kind=FindingKind(row.kind) if row.kind else None,
        reason=row.reason,
        expires=row.expires,
    )


def _key(row: Category | Team | Employee | None) -> str | None:
    return None if row is None else row.key
