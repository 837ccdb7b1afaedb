"""The files that a run leaves behind, and the lines a person reads on the console."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from django.core.files import File
from django.db import transaction

from audits.contract import audit_document, totals
from audits.models import AuditRun, RunReport, RunState
from audits.workbook import MISSING, Names, missing_members, write_workbook
from members.charts import percent
from members.platforms.types import Platform
from members.spreadsheet import csv_safe, printable

Writer = Callable[[AuditRun, Path], None]

NOT_WRITTEN = "The report files could not be written"
"""How a run's message begins to tell that the disk refused; the outcome is safe all the same."""


def write_csv(run: AuditRun, path: Path) -> None:
    """The missing members, one row a group and person; UTF-8, safe to open in a spreadsheet program."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(column.title for column in MISSING)
        for row in missing_members(run, Names.load()):
            writer.writerow(csv_safe(cell) for cell in row)


def write_json(run: AuditRun, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(audit_document(run), ensure_ascii=False))  # unindented: ten times as fast


WRITERS: dict[str, Writer] = {
    RunReport.Format.XLSX: write_workbook,
    RunReport.Format.CSV: write_csv,
    RunReport.Format.JSON: write_json,
}


def store_reports(*, run_id: int) -> None:
    """Write every report of a finished run and keep it with the run, in place of what was kept before.

    Raises OSError when the disk refuses.
    """
    run = AuditRun.objects.get(pk=run_id)
    stamp = (run.started_at or run.created_at).strftime("%Y%m%d_%H%M%S")
    with tempfile.TemporaryDirectory() as folder:
        for format, write in WRITERS.items():
            path = Path(folder) / f"customer_group_audit_{stamp}_run{run.pk}.{format}"
            write(run, path)
            _keep(run, format, path)
    _forget_that_the_disk_refused(run)


def _forget_that_the_disk_refused(run: AuditRun) -> None:
    lines = [line for line in run.message.splitlines() if not line.startswith(NOT_WRITTEN)]
    if NOT_WRITTEN in run.message:
        AuditRun.objects.filter(pk=run.pk).update(message="\n".join(lines))


def _keep(run: AuditRun, format: str, path: Path) -> None:
    with path.open("rb") as file, transaction.atomic():
        # Locked: the run itself and somebody on its page may write the same report at the same time.
        report, _ = RunReport.objects.select_for_update().get_or_create(run=run, format=format)
        outdated = report.file.name
        report.file.save(path.name, File(file))
    if outdated and outdated != report.file.name:  # a lost file's name is free to be taken again
        report.file.storage.delete(outdated)


def console_summary(run: AuditRun) -> Iterator[str]:
    """The outcome of a run in a few lines; no name in them steers the terminal.

    What went wrong (`AuditRun.message`) is not among them: that belongs on standard error.
    """
    return map(printable, _summary(run))


def _summary(run: AuditRun) -> Iterator[str]:
    summary = totals(run)
    empty = run.state == RunState.COMPLETE and not summary["groups"]
    yield f"Audit {run.pk}: {'nothing in scope' if empty else run.get_state_display().lower()}"
    if not summary["groups"]:
        yield "No group was audited."
        return
    names = Names.load()
    yield f"Groups       {summary['groups']:>6}   {_by_platform(run)}"
    coverage = f"coverage {percent(summary['coverage'], 1)} of those that need the full team"
    yield f"Complete     {summary['complete']:>6}   {coverage}"
    for key, count in sorted(summary["by_category"].items(), key=lambda item: -item[1]):
        yield f"  {names.category(key):<22}{count:>6}"
    yield (
        f"Flags        {summary['public_channels']} public, "
        f"{summary['deprecated_names']} with a deprecated name, "
        f"{summary['hidden_history']} with hidden history, {summary['not_visible']} not visible"
    )
    yield (
        f"Findings     {run.open_findings} open: {run.opened} opened, {run.reopened} reopened, "
        f"{run.resolved} resolved, {run.excluded} excluded by this run"
    )
    calls = ", ".join(
        f"{Platform(name).label} {sum(calls.values())}" for name, calls in run.api_calls.items()
    )
    yield f"API calls    {calls}; waited {run.waited_seconds:.0f} s for rate limits and outages"
    troubles = {platform.label for platform in Platform}  # a platform's own trouble is in the message
    spots = [spot for spot in run.blind_spots if spot["subject"] not in troubles]
    if spots:
        yield f"Blind spots  {len(spots)}:"
        for spot in spots[:10]:
            yield f"  {Platform(spot['platform']).label}: {spot['subject']}: {spot['reason']}"
        if len(spots) > 10:
            yield f"  … and {len(spots) - 10} more in the workbook"


def _by_platform(run: AuditRun) -> str:
    counts = {platform: run.results.filter(group__platform=platform).count() for platform in run.platforms}
    return ", ".join(f"{count} {Platform(platform).label}" for platform, count in counts.items())
