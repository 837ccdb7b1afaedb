"""The files that operations leave behind: kept with them, whole at every moment."""

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

from members.operations.models import Operation, OperationReport

log = structlog.get_logger(__name__)

NOT_WRITTEN = "The report could not be written"
"""How an operation's message tells that the disk refused; what was done is in its steps all the same."""

Writers = Mapping[str, Callable[[Operation, Path], None]]
"""What writes a report to a path, by the report's format."""


_LONGEST = 64
"""In characters, of a name in a file's name; that of a platform is shorter."""


def dated_name(stem: str, operation: Operation) -> str:
    """`<stem>_<time>`: how the files of this operation's report are called, without an ending."""
    at = operation.started_at or operation.planned_at
    return f"{stem}_{at.astimezone(UTC):%Y%m%d_%H%M%S}"


def file_safe(name: str) -> str:
    """A name as part of a file's: ASCII letters, digits, ".", "_" and "-", and never nothing."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_LONGEST].strip(".-") or "somebody"


def try_to_keep(operation: Operation, keep: Callable[[Operation], None]) -> None:
    """Have `keep` write the reports. A disk that refuses holds nothing else up, and is told on the page."""
    lines = [line for line in operation.message.splitlines() if not line.startswith(NOT_WRITTEN)]
    try:
        keep(operation)
    except OSError as error:
        log.error("operation.reports_failed", operation=operation.pk, error=str(error))
        lines.append(f"{NOT_WRITTEN}: {error.strerror or error}. The steps below say the same.")
    message = "\n".join(lines)
    if message != operation.message:
        Operation.objects.filter(pk=operation.pk).update(message=message)
        operation.message = message


def keep_reports(operation: Operation, writers: Writers, *, name: str) -> None:
    """Write the reports of a finished operation and keep them with it, in place of what was kept before.

    `name` is that of the files, without an ending. Raises OSError when the disk refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        for format, write in writers.items():
            path = Path(folder) / f"{name}.{format}"
            write(operation, path)
            _keep(operation, format, path)


def _keep(operation: Operation, format: str, path: Path) -> None:
    with transaction.atomic():
        report, _ = OperationReport.objects.select_for_update().get_or_create(
            operation=operation, format=format
        )
        if not report.file:
            with path.open("rb") as file:
                report.file.save(path.name, File(file))
        elif kept := _path_of(report):
            _put_in_place_of(kept, path)
        else:  # a store of objects, each of which is there whole or not at all
            with path.open("rb") as file, report.file.storage.open(str(report.file), "wb") as out:
                shutil.copyfileobj(file, out)


def where_is(report: OperationReport) -> str:
    """Where a person finds the file: its path, or its name in a store that has no folders."""
    return str(_path_of(report) or report.file.name)


def _path_of(report: OperationReport) -> Path | None:
    try:
        return Path(report.file.path)
    except NotImplementedError:  # so Django's storages say that they have no folders
        return None


def _put_in_place_of(kept: Path, path: Path) -> None:
    """At every moment one of the two is there, whole, whatever the disk says."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f".{kept.name}.part")
    try:
        shutil.copyfile(path, part)
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
