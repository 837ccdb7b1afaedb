"""Requests for groups as a workbook: the messages, and who is asked for which group, or why nobody is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from members.operations.display import step_label
from members.operations.models import Operation, Step
from members.operations.plan import Skipped
from members.operations.reports import dated_name, keep_reports, try_to_keep
from members.operations.services import skipped_of
from members.spreadsheet import CellValue, Column, add_sheet, workbook_in
from telegram_ops.ownership_plans import KIND, topics_of

_MESSAGES = (
    Column("Person", 26),
    Column("Username", 20),
    Column("User ID", 16),
    Column("Groups", 9),
    Column("Outcome", 22),
    Column("Time (UTC)", 20),
    Column("Text", 90),
)
_GROUPS = (
    Column("Group Name", 42),
    Column("Group ID", 18),
    Column("Our Status", 18),
    Column("Person", 26),
    Column("User ID", 16),
    Column("Role", 10),
    Column("Outcome", 22),
    Column("Note", 80),
)


def write_workbook(path: Path, steps: Sequence[Step], left_out: Sequence[Skipped]) -> None:
    """A sheet of messages and a sheet of groups, planned or done."""
    with path.open("wb") as file, workbook_in(file) as book:
        add_sheet(book, "Messages", _MESSAGES, _messages(steps))
        add_sheet(book, "Groups", _GROUPS, _groups(steps, left_out))


def try_to_store_report(operation: Operation) -> None:
    """Keep it with a finished operation. A disk that refuses holds nothing else up."""
    name = dated_name("ownership_requests", operation)
    try_to_keep(operation, lambda one: keep_reports(one, {"xlsx": _write_workbook_of}, name=name))


def _write_workbook_of(operation: Operation, path: Path) -> None:
    write_workbook(path, list(operation.steps.order_by("position")), skipped_of(operation))


def _messages(steps: Iterable[Step]) -> Iterator[tuple[CellValue, ...]]:
    for step in steps:
        yield (
            step.subject_name,
            step.arguments["username"],
            step.user_id,
            len(topics_of(step.arguments)),
            step_label(KIND, step.state, step.outcome),
            step.finished_at,
            step.arguments["text"],
        )


def _groups(steps: Iterable[Step], left_out: Iterable[Skipped]) -> Iterator[tuple[CellValue, ...]]:
    """Those that somebody is asked for, then those that were left out."""
    for step in steps:
        for topic in topics_of(step.arguments):
            yield (
                topic.name,
                topic.id,
                topic.status.replace("_", " "),
                step.subject_name,
                step.user_id,
                "owner" if topic.theirs else "admin",
                step_label(KIND, step.state, step.outcome),
                step.message or topic.why,
            )
    for line in left_out:
        target = line.target
        yield (
            target.group_name,
            target.group_id,
            "",
            target.subject_name,
            target.user_id,
            "",
            "Left out",
            line.reason,
        )
