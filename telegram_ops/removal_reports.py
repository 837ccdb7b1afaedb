"""The report of a removal, as Markdown and as a workbook: every group, and what became of whom there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from openpyxl import Workbook

from members.markdown import escaped, write_heading, write_table
from members.operations.display import kind_label, step_label, tally, words
from members.operations.models import Operation
from members.operations.progress import step_counts
from members.operations.reports import Writers, keep_reports, try_to_keep
from members.operations.services import skipped_of
from members.operations.states import OperationState
from members.operations.words import STATE_WORDS
from members.platforms.types import Platform
from members.spreadsheet import CellValue, Column, add_sheet
from telegram_ops.removal_plans import FOR_THE_OWNER

_COLUMNS = (
    Column("Person", 26),
    Column("Person Key", 14),
    Column("User ID", 16),
    Column("Platform", 11),
    Column("Group Name", 42),
    Column("Group ID", 18),
    Column("What", 10),
    Column("Outcome", 26),
    Column("Note", 70),
    Column("Time (UTC)", 20),
)
_SUMMARY = (Column("What", 28), Column("How it is", 60))


def try_to_store_removal_reports(operation: Operation) -> None:
    """Keep both files with a finished removal. A disk that refuses holds nothing else up."""
    try_to_keep(operation, lambda one: keep_reports(one, _WRITERS, name=report_name(one)))


def report_name(operation: Operation) -> str:
    """`member_removals_<person>_<time>`, safe in every file system; several people are counted."""
    people = list(dict.fromkeys(operation.steps.order_by("position").values_list("subject", flat=True)))
    who = f"{len(people)}-people" if len(people) > 1 else _file_safe("".join(people))
    at = operation.started_at or operation.planned_at
    return f"member_removals_{who}_{at.astimezone(UTC):%Y%m%d_%H%M%S}"


def _file_safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:64].strip(".-") or "somebody"


def _write_markdown(operation: Operation, path: Path) -> None:
    people = dict.fromkeys(operation.steps.order_by("position").values_list("subject_name", flat=True))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        write_heading(file, f"# {kind_label(operation.kind)}: {', '.join(map(escaped, people)) or 'nobody'}")
        write_table(file, [column.title for column in _SUMMARY], _facts(operation))
        write_heading(file, "## Groups")
        write_table(file, [column.title for column in _COLUMNS], _lines(operation))


def _write_workbook(operation: Operation, path: Path) -> None:
    with path.open("wb") as file:  # first: openpyxl litters the console when it is left half-way
        book = Workbook(write_only=True)
        add_sheet(book, "Removals", _COLUMNS, _lines(operation))
        add_sheet(book, "Summary", _SUMMARY, _facts(operation))
        book.save(file)


_WRITERS: Writers = {"md": _write_markdown, "xlsx": _write_workbook}


def _lines(operation: Operation) -> Iterator[Sequence[CellValue]]:
    """The steps, then what was left out."""
    for step in operation.steps.order_by("position").iterator(chunk_size=1000):
        yield (
            step.subject_name,
            step.subject,
            step.user_id,
            Platform(step.platform).label,
            step.group_name,
            step.group_id,
            words(step.verb),
            step_label(operation.kind, step.state, step.outcome),
            step.message,
            step.finished_at,
        )
    for line in skipped_of(operation):
        target = line.target
        yield (
            target.subject_name,
            target.subject,
            target.user_id,
            "" if target.only_a_name else target.platform.label,
            target.group_name or "All groups",
            target.group_id,
            "",
            "Ask the owner" if line.code in FOR_THE_OWNER else "Left out",
            line.reason,
            operation.planned_at,
        )


def _facts(operation: Operation) -> Iterator[tuple[str, str | int | datetime | None]]:
    """Who asked for it, who allowed it, when, and what came of it."""
    left_out = skipped_of(operation)
    yield "Operation", f"{operation.pk}: {kind_label(operation.kind)}"
    yield "Outcome", STATE_WORDS[OperationState(operation.state)]
    for line in operation.message.splitlines():
        yield "Trouble", line
    for part in tally(operation.kind, step_counts(operation)):
        yield part.label, part.value
    yield "Left out", len(left_out)
    yield "Of them: ask the owner", sum(line.code in FOR_THE_OWNER for line in left_out)
    yield "Planned by", operation.planned_by
    yield "Planned (UTC)", operation.planned_at
    yield "Confirmed by", operation.confirmed_by
    yield "Confirmed (UTC)", operation.confirmed_at
    yield "Started (UTC)", operation.started_at
    yield "Finished (UTC)", operation.finished_at
