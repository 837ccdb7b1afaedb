"""The report of a bulk rename, as Markdown and as a workbook: every group with its old and its new name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from members.operations.display import step_label
from members.operations.models import Operation, Step
from members.operations.reports import dated_name
from members.operations.services import skipped_of
from members.operations.table_report import Fact, TableReport
from members.platforms.types import Platform
from members.spreadsheet import CellValue, Column
from telegram_ops.rename_plans import NEW, OLD

_COLUMNS = (
    Column("Platform", 11),
    Column("Group ID", 18),
    Column("Old Name", 42),
    Column("New Name", 42),
    Column("Outcome", 22),
    Column("Note", 70),
    Column("Time (UTC)", 20),
)


def _lines(operation: Operation) -> Iterator[Sequence[CellValue]]:
    """The steps, then what was left out."""
    for step in operation.steps.order_by("position").iterator(chunk_size=1000):
        outcome = step_label(operation.kind, step.state, step.outcome)
        yield (*_names(step), outcome, step.message, step.finished_at)
    for line in skipped_of(operation):
        target = line.target
        platform = target.platform.label if target.group_id else ""
        yield platform, target.group_id, target.group_name, "", "Left out", line.reason, operation.planned_at


def _names(step: Step) -> tuple[str, str, str, str]:
    new = step.after.get("name") or step.arguments[NEW]
    return Platform(step.platform).label, step.group_id, step.arguments[OLD], new


def _left_out(operation: Operation) -> Iterator[Fact]:
    yield "Left out", len(operation.skipped)


RENAME_REPORT = TableReport(
    name=lambda operation: dated_name("group_renames", operation),
    title=lambda operation: "Groups renamed",
    sheet="Renames",
    columns=_COLUMNS,
    lines=_lines,
    left_out=_left_out,
)
