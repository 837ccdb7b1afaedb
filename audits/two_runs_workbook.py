"""Two runs side by side, as a workbook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO

from audits.display import words
from audits.two_runs import GroupLine, PersonLine, TwoRuns, findings_of
from members.platforms.types import Platform
from members.spreadsheet import CellValue, Column, add_sheet, workbook_in

_SUMMARY = (Column("What", 36), Column("Earlier", 22), Column("Later", 22))
_GROUPS = (
    Column("What", 22),
    Column("Platform", 11),
    Column("Group ID", 18),
    Column("Group Name", 42),
    Column("Before", 16),
    Column("Now", 16),
)
_PEOPLE = (
    Column("What", 16),
    Column("Platform", 11),
    Column("Group ID", 18),
    Column("Group Name", 42),
    Column("Employee Name", 26),
    Column("How", 20),
    Column("Why", 80),
)
_FINDINGS = (
    Column("What", 12),
    Column("Platform", 11),
    Column("Group ID", 18),
    Column("Group Name", 42),
    Column("Kind", 26),
    Column("Employee Name", 26),
    Column("Detail", 70),
)


def comparison_workbook(compared: TwoRuns) -> bytes:
    """Everything that changed; the bytes of an XLSX file."""
    with workbook_in(file := BytesIO()) as book:
        add_sheet(book, "Summary", _SUMMARY, _summary(compared))
        add_sheet(book, "Groups", _GROUPS, _groups(compared))
        add_sheet(book, "People", _PEOPLE, _people(compared))
        add_sheet(book, "Findings", _FINDINGS, _findings(compared))
    return file.getvalue()


def _summary(compared: TwoRuns) -> Iterator[tuple[CellValue, ...]]:
    earlier, later = compared.earlier, compared.later
    yield "Run", earlier.pk, later.pk
    yield "Finished (UTC)", earlier.finished_at, later.finished_at
    yield "Open findings, all platforms", earlier.open_findings, later.open_findings
    yield "Platforms compared", ", ".join(platform.label for platform in compared.platforms), ""
    for what, count in (
        ("Groups that appeared", len(compared.appeared)),
        ("Groups gone", len(compared.gone)),
        ("Verdicts changed", len(compared.verdicts)),
        ("People missing who were not", len(compared.became_missing)),
        ("People not missing any more", len(compared.became_present)),
        ("Findings opened", len(compared.opened)),
        ("Findings resolved", len(compared.resolved)),
    ):
        yield what, None, count


def _groups(compared: TwoRuns) -> Iterator[tuple[CellValue, ...]]:
    def rows(what: str, lines: Iterable[GroupLine]) -> Iterator[tuple[CellValue, ...]]:
        for line in lines:
            before, now = (
                (words(each) for each in line.verdicts) if line.verdicts else (line.before, line.now)
            )
            yield what, line.platform, line.group_id, line.name, before, now

    yield from rows("Verdict changed", compared.verdicts)
    yield from rows("Appeared", compared.appeared)
    yield from rows("Gone", compared.gone)


def _people(compared: TwoRuns) -> Iterator[tuple[CellValue, ...]]:
    def rows(what: str, lines: Iterable[PersonLine]) -> Iterator[tuple[CellValue, ...]]:
        for line in lines:
            yield what, line.platform, line.group_id, line.group, line.name, line.how, line.why

    yield from rows("Missing now", compared.became_missing)
    yield from rows("Not any more", compared.became_present)


def _findings(compared: TwoRuns) -> Iterator[tuple[CellValue, ...]]:
    for what, keys in (("Opened", compared.opened), ("Resolved", compared.resolved)):
        for start in range(0, len(keys), 1000):
            for finding in findings_of(keys[start : start + 1000]):
                yield (
                    what,
                    Platform(finding.platform).label,
                    finding.group_external_id,
                    finding.group.name if finding.group else "",
                    finding.get_kind_display(),
                    finding.employee.name if finding.employee else finding.subject,
                    finding.detail,
                )
