"""The report of an operation as two tables, its summary and its groups: in Markdown, and in a workbook."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from members.markdown import escaped, write_heading, write_table
from members.operations.display import kind_label, tally
from members.operations.models import Operation
from members.operations.progress import step_counts
from members.operations.reports import keep_reports, try_to_keep
from members.operations.states import OperationState
from members.operations.words import STATE_WORDS
from members.spreadsheet import CellValue, Column, add_sheet, workbook_in

Fact = tuple[str, str | int | datetime | None]
"""What, and how it is."""
SUMMARY = (Column("What", 28), Column("How it is", 60))


@dataclass(frozen=True, slots=True)
class TableReport:
    """What one kind's report says; every function is asked about the finished operation."""

    name: Callable[[Operation], str]
    """Of the files, without an ending."""
    title: Callable[[Operation], str]
    sheet: str
    """What the workbook calls the table of groups."""
    columns: Sequence[Column]
    lines: Callable[[Operation], Iterable[Sequence[CellValue]]]
    left_out: Callable[[Operation], Iterable[Fact]]
    """How many the plan left out, after the numbers of what was done."""

    def try_to_store(self, operation: Operation) -> None:
        """Keep both files with the operation. A disk that refuses holds nothing else up."""
        writers = {"md": self._write_markdown, "xlsx": self._write_workbook}
        try_to_keep(operation, lambda one: keep_reports(one, writers, name=self.name(one)))

    def _write_markdown(self, operation: Operation, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            write_heading(file, f"# {escaped(self.title(operation))}")
            write_table(file, [column.title for column in SUMMARY], self._facts(operation))
            write_heading(file, "## Groups")
            write_table(file, [column.title for column in self.columns], self.lines(operation))

    def _write_workbook(self, operation: Operation, path: Path) -> None:
        with path.open("wb") as file, workbook_in(file) as book:
            add_sheet(book, self.sheet, self.columns, self.lines(operation))
            add_sheet(book, "Summary", SUMMARY, self._facts(operation))

    def _facts(self, operation: Operation) -> Iterator[Fact]:
        done = [(part.label, part.value) for part in tally(operation.kind, step_counts(operation))]
        return facts(operation, [*done, *self.left_out(operation)])


def facts(operation: Operation, came_of_it: Iterable[Fact]) -> Iterator[Fact]:
    """Who asked for it, who allowed it, when, and what came of it."""
    yield "Operation", f"{operation.pk}: {kind_label(operation.kind)}"
    yield "Outcome", STATE_WORDS[OperationState(operation.state)]
    for line in operation.message.splitlines():
        yield "Trouble", line
    yield from came_of_it
    yield "Planned by", operation.planned_by
    yield "Planned (UTC)", operation.planned_at
    yield "Confirmed by", operation.confirmed_by
    yield "Confirmed (UTC)", operation.confirmed_at
    yield "Started (UTC)", operation.started_at
    yield "Finished (UTC)", operation.finished_at
