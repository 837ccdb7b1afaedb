"""The report of an addition as a workbook: what happened, line by line, and the groups before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from audits.additions.lines import count_lines, read_lines
from audits.additions.summary import facts
from audits.remediation.verification import before_and_after
from members.operations.models import Operation
from members.operations.table_report import SUMMARY
from members.spreadsheet import CellValue, Column, add_sheet, workbook_in

LINES = (
    Column("Person", 26),
    Column("Person Key", 14),
    Column("Platform", 11),
    Column("User ID", 16),
    Column("Group Name", 42),
    Column("Group ID", 18),
    Column("Result", 26),
    Column("Outcome", 24),
    Column("Note", 70),
    Column("Time (UTC)", 20),
)
STATES = (
    Column("Platform", 11),
    Column("Group Name", 42),
    Column("Group ID", 18),
    Column("Completeness Before", 14),
    Column("Completeness After", 14),
)


def write_workbook(operation: Operation, path: Path) -> None:
    """Write the report of a finished operation to `path`. Streams: memory does not grow with the steps."""
    states = before_and_after(operation)
    with path.open("wb") as file, workbook_in(file) as book:
        add_sheet(book, "Additions", LINES, _lines(operation))
        add_sheet(book, "Summary", SUMMARY, facts(operation, count_lines(operation), states))
        add_sheet(
            book,
            "Before and after",
            STATES,
            ((state.platform.label, state.name, state.id, state.before, state.after) for state in states),
        )


def _lines(operation: Operation) -> Iterator[tuple[CellValue, ...]]:
    for line in read_lines(operation):
        yield (
            line.person_name if line.person else "Everybody",
            line.person,
            line.platform_label,
            line.user_id,
            line.group_name or "All groups",
            line.group_id,
            line.section,
            line.outcome,
            line.message,
            line.at,
        )
