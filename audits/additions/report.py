"""The files of an addition's report: how they are called, and where they are kept.

They are written when the operation has ended, and again, under the same name, when the audit that
verifies it has been recorded.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path

import structlog
from django.core.files import File
from django.db import transaction

from audits.additions.lines import people_named
from audits.additions.markdown import write_markdown
from audits.additions.workbook import write_workbook
from members.operations.membership import ADD
from members.operations.models import Operation, OperationReport

WRITERS: Mapping[str, Callable[[Operation, Path], None]] = {"md": write_markdown, "xlsx": write_workbook}

_LONGEST_USERNAME = 64
"""In characters, of a file's name; that of a platform is shorter."""

log = structlog.get_logger(__name__)


def store_reports(operation: Operation) -> None:
    """Write both files of a finished addition and keep them with it, in place of what was kept before.

    Raises OSError when the disk refuses.
    """
    name = report_name(operation)
    with tempfile.TemporaryDirectory() as folder:
        for format, write in WRITERS.items():
            path = Path(folder) / f"{name}.{format}"
            write(operation, path)
            _keep(operation, format, path)


def try_to_store_reports(operation: Operation) -> None:
    """The same for an operation that may have added people. A disk that refuses holds nothing else up."""
    if not operation.steps.filter(verb=ADD).exists():
        return
    try:
        store_reports(operation)
    except OSError as error:
        log.error("operation.reports_failed", operation=operation.pk, error=str(error))


def report_name(operation: Operation) -> str:
    """`member_additions_<username>_<timestamp>`, safe in every file system; several people are counted."""
    people = [person for person in people_named(operation) if person.to_be_added]
    who = file_safe(people[0].username) if len(people) == 1 else f"{len(people)}-people"
    at = operation.started_at or operation.planned_at
    return f"member_additions_{who}_{at.astimezone(UTC):%Y%m%d_%H%M%S}"


def file_safe(username: str) -> str:
    """The username as part of a file's name: ASCII letters, digits, ".", "_" and "-", and never nothing."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", username)[:_LONGEST_USERNAME].strip(".-") or "somebody"


def _keep(operation: Operation, format: str, path: Path) -> None:
    with transaction.atomic():
        report, _ = OperationReport.objects.select_for_update().get_or_create(
            operation=operation, format=format
        )
        if report.file:
            _put_in_place_of(Path(report.file.path), path)
            return
        with path.open("rb") as file:
            report.file.save(path.name, File(file))


def _put_in_place_of(kept: Path, path: Path) -> None:
    """At every moment one of the two is there, whole, whatever the disk says."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f".{kept.name}.part")
    try:
        shutil.copyfile(path, part)
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
