"""The report of a bulk rename, as Markdown and as a workbook: every group with its old and its new name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from openpyxl import Workbook

from members.markdown import write_heading, write_table
from members.operations.display import kind_label, step_label, tally
from members.operations.models import Operation, Step
from members.operations.progress import step_counts
from members.operations.reports import Writers, keep_reports, try_to_keep
from members.operations.services import skipped_of
from members.operations.states import OperationState
from members.operations.words import STATE_WORDS
from members.platforms.types import Platform
from members.spreadsheet import CellValue, Column, add_sheet
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
_SUMMARY = (Column("What", 28), Column("How it is", 60))


def try_to_store_rename_reports(operation: Operation) -> None:
    """Keep both files with a finished rename. A disk that refuses holds nothing else up."""
    try_to_keep(operation, lambda one: keep_reports(one, _WRITERS, name=report_name(one)))


def report_name(operation: Operation) -> str:
    """`group_renames_<time>`."""
    at = operation.started_at or operation.planned_at
    return f"group_renames_{at.astimezone(UTC):%Y%m%d_%H%M%S}"


def _write_markdown(operation: Operation, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        write_heading(file, "# Groups renamed")
        write_table(file, [column.title for column in _SUMMARY], _facts(operation))
        write_heading(file, "## Groups")
        write_table(file, [column.title for column in _COLUMNS], _lines(operation))


def _write_workbook(operation: Operation, path: Path) -> None:
    with path.open("wb") as file:  # first: openpyxl litters the console when it is left half-way
        book = Workbook(write_only=True)
        add_sheet(book, "Renames", _COLUMNS, _lines(operation))
        add_sheet(book, "Summary", _SUMMARY, _facts(operation))
        book.save(file)


_WRITERS: Writers = {"md": _write_markdown, "xlsx": _write_workbook}


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


def _facts(operation: Operation) -> Iterator[tuple[str, str | int | datetime | None]]:
    """Who asked for it, who allowed it, when, and what came of it."""
    yield "Operation", f"{operation.pk}: {kind_label(operation.kind)}"
    yield "Outcome", STATE_WORDS[OperationState(operation.state)]
    for line in operation.message.splitlines():
        yield "Trouble", line
    for part in tally(operation.kind, step_counts(operation)):
        yield part.label, part.value
    yield "Left out", len(operation.skipped)
    yield "Planned by", operation.planned_by
    yield "Planned (UTC)", operation.planned_at
    yield "Confirmed by", operation.confirmed_by
    yield "Confirmed (UTC)", operation.confirmed_at
    yield "Started (UTC)", operation.started_at
    yield "Finished (UTC)", operation.finished_at
