"""How it went with one group and with one employee, audit by audit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.utils import timezone

from audits.lifecycle import Change, State
from audits.models import AuditRun, Finding, FindingChange, GroupResult
from audits.reasons import Reasons
from audits.rows import Verdict
from audits.trends import WINDOW, recent_runs, telling_runs
from members.models import Employee, Group
from members.platforms.types import Platform
from members.policy import FindingKind
from members.time_charts import Point, Series

RESULTS_READ = 120
"""How many audits of a group are looked at."""
EVENTS_SHOWN = 50
GAPS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class GroupEvent:
    """What one audit saw to be different from the one before."""

    run: int
    at: datetime | None
    result: int
    verdicts: tuple[str, ...]
    """Before and now; empty where the verdict stayed."""
    before: str
    now: str
    """Completeness, like "7/8"."""
    missing: tuple[str, ...]
    """Names of those who are missing since."""
    found: tuple[str, ...]
    """Names of those who are not missing any more."""


@dataclass(frozen=True, slots=True)
class MissingPerson:
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class GroupHistory:
    series: tuple[Series, ...]
    """Required people there, in per cent."""
    events: tuple[GroupEvent, ...]
    """The newest first, up to `EVENTS_SHOWN`."""
    missing: tuple[MissingPerson, ...]
    """Who was missing when an audit last looked, and why they are asked for."""
    latest: GroupResult | None
    audits: int
    """How many audits this tells of."""


def load_group_history(group: Group) -> GroupHistory:
    """A constant number of queries."""
    rows = GroupResult.objects.filter(group=group, run__finished_at__isnull=False).select_related("run")
    newest = rows.order_by("-run__finished_at", "-run").only(*_GROUP_COLUMNS)[:RESULTS_READ]
    results = list(reversed(newest))
    reasons = Reasons.load()
    latest = results[-1] if results else None
    exempt = latest is None or latest.verdict == Verdict.EXEMPT
    return GroupHistory(
        series=(Series("Required people there", tuple(_attendance(results))),),
        events=tuple(list(_group_events(results, reasons))[::-1][:EVENTS_SHOWN]),
        missing=()
        if latest is None or exempt
        else tuple(
            MissingPerson(reasons.name(key), reasons.why(key, group.platform, latest.category_key))
            for key in latest.required_missing
        ),
        latest=latest,
        audits=len(results),
    )


_GROUP_COLUMNS = (
    "group_id",
    "verdict",
    "completeness",
    "category_key",
    "required_present",
    "required_missing",
    "run__finished_at",
)


def _attendance(results: Iterable[GroupResult]) -> Iterator[Point]:
    """Of the audits that could judge."""
    for result in results:
        asked_for = len(result.required_present) + len(result.required_missing)
        at = result.run.finished_at
        if asked_for and at is not None and result.verdict not in (Verdict.NOT_VISIBLE, Verdict.ERROR):
            yield Point(at, 100 * len(result.required_present) / asked_for, result.completeness)


def _group_events(results: Sequence[GroupResult], reasons: Reasons) -> Iterator[GroupEvent]:
    for was, now in pairwise(results):
        missing = [key for key in now.required_missing if key not in was.required_missing]
        found = [key for key in was.required_missing if key not in now.required_missing]
        if was.verdict != now.verdict or missing or found:
            yield GroupEvent(
                run=now.run_id,
                at=now.run.finished_at,
                result=now.pk,
                verdicts=(was.verdict, now.verdict) if was.verdict != now.verdict else (),
                before=was.completeness,
                now=now.completeness,
                missing=tuple(map(reasons.name, missing)),
                found=tuple(map(reasons.name, found)),
            )


# --- Employees ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EmployeeGap:
    """A group in which the employee is missing, and why they are asked for there."""

    finding: int
    group: str
    platform: str
    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class EmployeeHistory:
    series: tuple[Series, ...]
    """In how many groups they were missing, platform by platform."""
    changes: tuple[FindingChange, ...]
    """The newest first, up to `EVENTS_SHOWN`."""
    gaps: tuple[EmployeeGap, ...]
    """The oldest first, up to `GAPS_SHOWN`."""
    gap_count: int


def load_employee_history(employee: Employee) -> EmployeeHistory:
    """A constant number of queries. Told by the findings, which remember when they came and went."""
    mine = FindingChange.objects.filter(finding__employee=employee)
    missing = mine.filter(finding__kind=FindingKind.MISSING_REQUIRED).order_by("at", "pk")
    changes = missing.values_list("at", "finding", "finding__platform", "change")
    runs = telling_runs(recent_runs(), since=timezone.now() - WINDOW)
    newest = mine.select_related("finding__group", "run").order_by("-at", "-pk")
    gaps = Finding.objects.filter(
        employee=employee, kind=FindingKind.MISSING_REQUIRED, state=State.OPEN, group__isnull=False
    )
    first = gaps.select_related("group__category").order_by("first_seen_at", "pk")[:GAPS_SHOWN]
    return EmployeeHistory(
        series=tuple(_missing_over_time(runs, changes)),
        changes=tuple(newest[:EVENTS_SHOWN]),
        gaps=tuple(_gaps(employee, first)),
        gap_count=gaps.count(),
    )


def _missing_over_time(
    runs: Sequence[AuditRun], changes: Iterable[tuple[datetime, int, str, str]]
) -> Iterator[Series]:
    """Replays what came and went; `runs` are the moments at which a point is set, oldest first."""
    open_now: dict[str, set[int]] = defaultdict(set)
    points: dict[str, list[Point]] = defaultdict(list)
    to_come = iter(changes)
    following = next(to_come, None)
    for run in runs:
        while following is not None and run.finished_at is not None and following[0] <= run.finished_at:
            _, finding, platform, change = following
            if change in (Change.OPENED, Change.REOPENED):
                open_now[platform].add(finding)
            else:
                open_now[platform].discard(finding)
            following = next(to_come, None)
        for platform in run.verdicts:
            if run.finished_at is not None:
                points[platform].append(Point(run.finished_at, len(open_now[platform])))
    for platform in Platform:
        if any(point.value for point in points[platform]):
            yield Series(platform.label, tuple(points[platform]))


def _gaps(employee: Employee, findings: Iterable[Finding]) -> Iterator[EmployeeGap]:
    reasons = Reasons.load()
    for finding in findings:
        if (group := finding.group) is not None:
            category = group.category.key if group.category is not None else ""
            yield EmployeeGap(
                finding.pk,
                group.name,
                Platform(group.platform).label,
                finding.first_seen_at,
                reasons.why(employee.key, group.platform, category),
            )
