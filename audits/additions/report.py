"""The files of an addition's report: how they are called, and where they are kept.

They are written when the operation has ended, and again, under the same name, when the audit that
verifies it has been recorded.
"""

from __future__ import annotations

from audits.additions.lines import people_named
from audits.additions.markdown import write_markdown
from audits.additions.workbook import write_workbook
from members.operations.membership import ADD
from members.operations.models import Operation
from members.operations.reports import Writers, dated_name, file_safe, keep_reports, try_to_keep

WRITERS: Writers = {"md": write_markdown, "xlsx": write_workbook}


def store_reports(operation: Operation) -> None:
    """Write both files of a finished addition and keep them with it, in place of what was kept before.

    Raises OSError when the disk refuses.
    """
    keep_reports(operation, WRITERS, name=report_name(operation))


def try_to_store_reports(operation: Operation) -> None:
    """The same for an operation that may have added people. A disk that refuses holds nothing else up."""
    if not operation.steps.filter(verb=ADD).exists():
        return
    try_to_keep(operation, store_reports)


def report_name(operation: Operation) -> str:
    """`member_additions_<username>_<timestamp>`, safe in every file system; several people are counted."""
    people = [person for person in people_named(operation) if person.to_be_added]
    who = file_safe(people[0].username) if len(people) == 1 else f"{len(people)}-people"
    return dated_name(f"member_additions_{who}", operation)
