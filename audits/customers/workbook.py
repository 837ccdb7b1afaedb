"""A customer's groups and open findings as a workbook."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO

from audits.customers.reading import GroupLine, Overview
from audits.display import words
from members.platforms.types import Platform
from members.spreadsheet import CellValue, Column, add_sheet, workbook_in

_MOMENT = "yyyy-mm-dd hh:mm"
_GROUPS = (
    Column("Platform", 11),
    Column("Group Name", 42),
    Column("Group ID", 18),
    Column("Category", 18),
    Column("Verdict", 13),
    Column("Completeness", 13),
    Column("Required Missing", 40),
    Column("Open Findings", 10),
    Column("Last Message (UTC)", 18, _MOMENT),
    Column("Quiet Days", 10),
    Column("Archived", 10),
    Column("Audited (UTC)", 18, _MOMENT),
)
_FINDINGS = (
    Column("Platform", 11),
    Column("Group Name", 42),
    Column("Finding", 26),
    Column("Employee", 26),
    Column("Detail", 60),
    Column("First Seen (UTC)", 18, _MOMENT),
)


def write_workbook(overview: Overview, *, now: datetime, with_activity: bool) -> bytes:
    """The same as the page; `with_activity` says whether the reader may know when somebody wrote."""
    findings = (
        (
            Platform(finding.platform).label,
            finding.group.name if finding.group is not None else finding.group_external_id,
            finding.get_kind_display(),
            finding.employee.name if finding.employee is not None else finding.subject,
            finding.detail,
            finding.first_seen_at,
        )
        for finding in overview.findings
    )
    with workbook_in(file := BytesIO()) as book:
        add_sheet(book, "Groups", _GROUPS, (_line(each, now, with_activity) for each in overview.lines))
        add_sheet(book, "Open findings", _FINDINGS, findings)
    return file.getvalue()


def _line(line: GroupLine, now: datetime, with_activity: bool) -> tuple[CellValue, ...]:
    group, result = line.group, line.result
    said = line.last_said_at if with_activity else None
    return (
        Platform(group.platform).label,
        group.name,
        group.external_id,
        group.category.name if group.category is not None else "",
        words(result.verdict) if result is not None else "",
        result.completeness if result is not None else "",
        ", ".join(line.missing),
        line.findings,
        said,
        max((now - said).days, 0) if said is not None else None,
        "yes" if group.archived else "no",
        result.run.finished_at if result is not None else None,
    )
