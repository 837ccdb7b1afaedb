"""The audit workbook: the SOP's table, and the sheets a person reads beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path

from audits.contract import totals
from audits.models import AuditRun, GroupResult
from audits.reasons import Reasons
from audits.rows import Verdict
from members.models import Category, Employee, Exclusion, Group
from members.platforms.types import AdminStatus, Platform
from members.policy import FindingKind
from members.spreadsheet import CellValue, Column, Percent, add_sheet, workbook_in

RESULTS = (
    Column("Platform", 11),
    Column("Group Name", 42),
    Column("Category", 16),
    Column("Requires Full Team", 11),
    Column("Needs Rename (iBTC)", 11),
    Column("Privacy Status", 11),
    Column("History Visibility", 11),
    Column("Admin Status", 18),
    Column("Total Members", 10),
    Column("Required Present", 44),
    Column("Required Missing", 36),
    Column("Optional Present", 30),
    Column("Optional Missing", 30),
    Column("Completeness", 14),
)
"""The 14 columns of the operating procedure, in its order; other people's scripts read them by name."""
SUMMARY = (Column("What", 36), Column("Value", 24), Column("Note", 60))
MISSING = (
    Column("Platform", 11),
    Column("Group ID", 18),
    Column("Group Name", 42),
    Column("Category", 16),
    Column("Employee", 14),
    Column("Employee Name", 26),
    Column("Completeness", 14),
    Column("Why", 70),
)
"""Why: the rules as they are when the file is written."""
EXCEPTIONS = (
    Column("Platform", 11),
    Column("Group ID", 18),
    Column("Group Name", 42),
    Column("What", 28),
    Column("Reason", 60),
    Column("Expires", 12, "yyyy-mm-dd"),
)
BLIND_SPOTS = (Column("Platform", 11), Column("What", 42), Column("Why it could not be seen", 90))
_UNJUDGED: Mapping[str, str] = {Verdict.NOT_VISIBLE: "Not visible", Verdict.ERROR: "Not judged"}
"""What stands for the completeness of a group that was not, or not wholly, seen."""


def write_workbook(run: AuditRun, path: Path) -> None:
    """Write the workbook of a finished run to `path`. Streams: memory does not grow with the rows."""
    with path.open("wb") as file, workbook_in(file) as book:
        names = Names.load()
        add_sheet(book, "Audit Results", RESULTS, _results(run, names))
        add_sheet(book, "Summary", SUMMARY, _summary(run, names))
        add_sheet(book, "Missing members", MISSING, missing_members(run, names))
        add_sheet(book, "Exceptions", EXCEPTIONS, _exceptions(run))
        add_sheet(book, "Blind spots", BLIND_SPOTS, _blind_spots(run))


@dataclass(frozen=True, slots=True)
class Names:
    """What people call the employees and categories that a run knows by key."""

    employees: Mapping[str, str]
    categories: Mapping[str, str]

    @classmethod
    def load(cls) -> Names:
        return cls(
            dict(Employee.objects.values_list("key", "name")),
            dict(Category.objects.values_list("key", "name")),
        )

    def employee(self, key: str) -> str:
        return self.employees.get(key, key)

    def everybody(self, keys: Iterable[str]) -> str:
        return ", ".join(map(self.employee, keys))

    def category(self, key: str) -> str:
        return self.categories.get(key, key) or "Uncategorised"


def missing_members(run: AuditRun, names: Names) -> Iterator[tuple[str, ...]]:
    """One row a group and required person who is missing; exempt groups miss nobody."""
    reasons = Reasons.load()
    for result in _ordered(run, missing_count__gt=0):
        if result.verdict == Verdict.EXEMPT:
            continue
        for key in result.required_missing:
            yield (
                Platform(result.group.platform).label,
                result.group.external_id,
                result.name,
                names.category(result.category_key),
                key,
                names.employee(key),
                result.completeness,
                reasons.why(key, result.group.platform, result.category_key),
            )


def _ordered(run: AuditRun, **only: int) -> Iterator[GroupResult]:
    """By platform and category, gaps first: what asks for something to be done stands together."""
    results = GroupResult.objects.filter(run=run, **only).select_related("group")
    return results.order_by("group__platform", "category_key", "-missing_count", "name", "pk").iterator(
        chunk_size=1000
    )


def _results(run: AuditRun, names: Names) -> Iterator[tuple[CellValue, ...]]:
    for result in _ordered(run):
        yield (
            Platform(result.group.platform).label,
            result.name,
            names.category(result.category_key),
            _yes(result.requires_full_team),
            _yes(FindingKind.DEPRECATED_NAME in result.flags),
            "Unknown" if _never_seen(result) else result.get_privacy_display(),
            _words(result.history_visibility),
            _words(result.admin_status),
            result.total_members,
            names.everybody(result.required_present),
            names.everybody(result.required_missing),
            names.everybody(result.optional_present),
            names.everybody(result.optional_missing),
            _UNJUDGED.get(result.verdict, result.completeness),
        )


def _never_seen(result: GroupResult) -> bool:
    """Whether the run was shown nothing of the group, so that even its privacy is a guess."""
    return result.verdict in _UNJUDGED and result.admin_status == AdminStatus.UNKNOWN


def _summary(run: AuditRun, names: Names) -> Iterator[tuple[CellValue, ...]]:
    summary = totals(run)
    yield "Run", run.pk, run.get_state_display()
    yield "Started (UTC)", run.started_at, ""
    yield "Finished (UTC)", run.finished_at, ""
    yield "Platforms", _platforms(run), "Every member list was read" if run.deep else ""
    yield "Groups", summary["groups"], "In scope, archived ones left out"
    yield "Complete", summary["complete"], "Every required person is there"
    coverage = "Share of complete groups among those that need the full team and could be judged"
    yield "Coverage", Percent(summary["coverage"]), coverage
    yield "Public groups", summary["public_channels"], "Should they be private?"
    yield "Deprecated names", summary["deprecated_names"], "To be renamed"
    yield "Hidden history", summary["hidden_history"], "New members do not see earlier messages"
    yield "Not visible", summary["not_visible"], "See the sheet Blind spots"
    for key, count in summary["by_category"].items():
        yield f"Category: {names.category(key)}", count, ""
    yield "Findings open before", run.open_before, "All platforms"
    yield "Findings opened", run.opened, "By this run"
    yield "Findings reopened", run.reopened, "By this run"
    yield "Findings resolved", run.resolved, "By this run: open ones that ended"
    yield "Findings excluded", run.excluded, "By this run: open ones that an exclusion accepts now"
    yield "Findings open", run.open_findings, "After this run, all platforms"
    for platform, calls in run.api_calls.items():
        yield f"API calls: {Platform(platform).label}", sum(calls.values()), _calls(calls)
    yield "Waited for rate limits and outages (s)", round(run.waited_seconds, 1), ""
    for line in run.message.splitlines():
        yield "Trouble", "", line


def _exceptions(run: AuditRun) -> Iterator[tuple[CellValue, ...]]:
    for group in run.archived_groups:
        yield (
            Platform(group["platform"]).label,
            group["id"],
            group["name"],
            "Archived",
            "No action needed",
            None,
        )
    group_names = {
        (platform, external_id): name
        for platform, external_id, name in Group.objects.values_list("platform", "external_id", "name")
    }
    granted = Exclusion.objects.filter(platform__in=run.platforms)
    if run.finished_at is not None:  # a file written again tells what held then
        granted = granted.filter(granted_at__lte=run.finished_at)
    for exclusion in granted.select_related("employee"):
        who = exclusion.employee.name if exclusion.employee is not None else ""
        kind = exclusion.get_kind_display() if exclusion.kind else ""
        expired = exclusion.expires is not None and exclusion.expires < _day(run)
        what = " · ".join(part for part in ("Exclusion", who, kind, "expired" if expired else "") if part)
        yield (
            Platform(exclusion.platform).label,
            exclusion.group_external_id,
            group_names.get((exclusion.platform, exclusion.group_external_id), ""),
            what,
            exclusion.reason,
            exclusion.expires,
        )


def _blind_spots(run: AuditRun) -> Iterator[tuple[str, ...]]:
    for spot in run.blind_spots:
        yield Platform(spot["platform"]).label, spot["subject"], spot["reason"]


def _day(run: AuditRun) -> date:
    """The UTC day on which the run judged what an exclusion excuses: after it had looked."""
    return (run.finished_at or run.created_at).astimezone(UTC).date()


def _platforms(run: AuditRun) -> str:
    return ", ".join(Platform(name).label for name in run.platforms)


def _calls(calls: Mapping[str, int]) -> str:
    return ", ".join(f"{method} {count}" for method, count in calls.items())


def _words(value: str) -> str:
    return "n/a" if value == "n/a" else value.replace("_", " ").capitalize()


def _yes(value: bool) -> str:
    return "Yes" if value else "No"
