"""The report of a removal, as Markdown and as a workbook: every group, and what became of whom there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from members.operations.display import kind_label, step_label, words
from members.operations.models import Operation
from members.operations.reports import dated_name, file_safe
from members.operations.services import skipped_of
from members.operations.table_report import Fact, TableReport
from members.platforms.types import Platform
from members.spreadsheet import CellValue, Column
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


def _name(operation: Operation) -> str:
    """`member_removals_<person>_<time>`, safe in every file system; several people are counted."""
    people = list(dict.fromkeys(operation.steps.order_by("position").values_list("subject", flat=True)))
    who = f"{len(people)}-people" if len(people) > 1 else file_safe("".join(people))
    return dated_name(f"member_removals_{who}", operation)


def _title(operation: Operation) -> str:
    people = dict.fromkeys(operation.steps.order_by("position").values_list("subject_name", flat=True))
    return f"{kind_label(operation.kind)}: {', '.join(people) or 'nobody'}"


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


def _left_out(operation: Operation) -> Iterator[Fact]:
    left_out = skipped_of(operation)
    yield "Left out", len(left_out)
    yield "Of them: ask the owner", sum(line.code in FOR_THE_OWNER for line in left_out)


REMOVAL_REPORT = TableReport(_name, _title, "Removals", _COLUMNS, _lines, _left_out)
