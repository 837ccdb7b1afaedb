"""Writing a pack: one ZIP file, streamed, whose bytes tell nothing new but who made it and when."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Any, BinaryIO

from django.conf import settings
from django.db.models import F, QuerySet

from audits.evidence.manifest import ACTIVITY, MANIFEST, Manifest, PackedFile, Segment
from audits.evidence.models import RecordPurge
from audits.evidence.period import Period
from audits.evidence.record import PurgedMeanwhile, RecordGap, Stretch
from audits.evidence.tables import CHUNK, TABLES, Table, operations_of, runs_of, text_of
from audits.history.sinks import ZipSink
from audits.models import RunReport
from members.dates import day_in_words, moment_in_words
from members.operations.models import OperationReport
from members.spreadsheet import csv_safe

README = """\
Evidence of what Group Admin audited, found, accepted and changed.

manifest.json            who made this, when, of which days (UTC), and the SHA-256 of every other file
activity.jsonl           the activity record: who did what, one event a line
runs.csv                 the audits that ended in the period; their workbooks are in audits/
findings.csv             what was wrong at some time of the period
finding_changes.csv      how it came and went
exclusions.csv           what was accepted: by whom, why, until when
exclusion_requests.csv   who asked for it, and who decided
operations.csv           what was planned and done on the platforms; its reports are in operations/
steps.csv                each step of it

Times are UTC. A text that a spreadsheet program would run as a formula has an apostrophe in front.

To verify it: manage.py verify_evidence FILE. It needs no database. By other means: every event of
activity.jsonl has as "hash" the SHA-256 (hex) of this JSON list, in UTF-8, without blanks between its parts:
  [previous_hash, at, actor, action, operation_id, platform, group_id, group_name, subject, outcome, detail]
Each "previous_hash" is the "hash" of the line before. The first is the manifest's "hash_before", the last
"hash" its "hash_after". Packs of periods that follow each other join there.
"""
_PORTION = 1 << 18
_FILE_WEIGHT = 50
"""As how many rows a file counts for the progress."""
_NAMED = 20
"""How many missing files a note names."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a pack shall tell of, and what it says of itself."""

    period: Period
    made_by: str
    made_at: datetime
    told: Callable[[int], None] = lambda count: None
    """Called every now and then with how much more is written, in the units of `workload`."""


def workload(period: Period) -> int:
    """How much there is to write, for the progress."""
    files = _workbooks(period).count() + _operation_reports(period).count()
    return Stretch.of(period).count + sum(table.count(period) for table in TABLES) + _FILE_WEIGHT * files


def write_pack(wish: Wish, out: BinaryIO) -> Manifest:
    """Write the whole pack. Raises RecordGap, PurgedMeanwhile, OSError.

    Memory grows with the number of files alone.
    """
    purged = _newest_purges()
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            manifest = _Pack(wish, ZipSink(archive)).write()
    except RecordGap:
        _check_unchanged(purged)  # else it is that gap
        raise
    _check_unchanged(purged)
    return manifest


@dataclass(slots=True)
class _Measured:
    """Bytes on their way into the ZIP, hashed and counted."""

    out: BinaryIO
    hash: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def write(self, data: bytes) -> None:
        self.hash.update(data)
        self.size += len(data)
        self.out.write(data)


@dataclass(slots=True)
class _Pack:
    """A pack that is being written: what is in it so far, and what there is to say about it."""

    wish: Wish
    sink: ZipSink
    files: list[PackedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self) -> Manifest:
        period = self.wish.period
        stretch = Stretch.of(period)
        if period.end > self.wish.made_at:
            self.notes.append(_not_over(period, self.wish.made_at))
        self.notes += _gone_before(period, stretch)
        activity = self._activity(stretch)  # the names stand in the order of the alphabet
        self._stored(_workbooks(period), "audits", "The workbook of audit")
        for table in TABLES:
            if table.name == "operations.csv":
                self._table(table)
                self._stored(_operation_reports(period), "operations", "A report of operation")
                with self._file("read-me.txt") as file:
                    file.write(README.encode())
            else:
                self._table(table)
        manifest = Manifest(
            since=str(period.since),
            until=str(period.until),
            made_at=self.wish.made_at.astimezone(UTC).isoformat(timespec="seconds"),
            made_by=self.wish.made_by,
            product_version=settings.PRODUCT_VERSION,
            activity=activity,
            notes=self.notes,
            files=self.files,
        )
        with self.sink.file(MANIFEST) as out:
            out.write(manifest.to_json().encode())
        return manifest

    @contextmanager
    def _file(self, name: str) -> Iterator[_Measured]:
        with self.sink.file(name) as out:
            measured = _Measured(out)
            yield measured
        self.files.append(PackedFile(name, measured.size, measured.hash.hexdigest()))

    def _activity(self, stretch: Stretch) -> Segment:
        count, last = 0, stretch.hash_before
        with self._file(ACTIVITY) as file:
            for line, hash in stretch.lines():
                file.write(line)
                count, last = count + 1, hash
                self.wish.told(1)
        return Segment(count, stretch.before, stretch.hash_before, last)

    def _table(self, table: Table) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        with self._file(table.name) as file:
            writer.writerow(table.columns)
            for row in table.rows(self.wish.period):
                writer.writerow(csv_safe(text_of(value)) for value in row)
                self.wish.told(1)
                if text.tell() > _PORTION:
                    file.write(text.getvalue().encode())
                    text.seek(0)
                    text.truncate()
            file.write(text.getvalue().encode())

    def _stored(self, reports: QuerySet[Any], folder: str, what: str) -> None:
        """The files that audits or operations left behind, as they are; one that is gone is noted."""
        gone = []
        for report in reports.iterator(chunk_size=CHUNK):
            name = PurePath(str(report.file)).name
            try:
                stored = report.file.storage.open(str(report.file))
            except OSError:
                gone.append(str(report.owner))
                continue
            with stored, self._file(f"{folder}/{report.owner:08}/{name}") as file:
                for chunk in stored.chunks(_PORTION):
                    file.write(chunk)
                    self.wish.told(0)
            self.wish.told(_FILE_WEIGHT)
        if gone:
            more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
            self.notes.append(f"{what} {', '.join(gone[:_NAMED])}{more} is not there any more.")


def _newest_purges() -> list[tuple[int, object]]:
    """Other ones after every portion that a purge deleted; two may go on at a time."""
    return list(RecordPurge.objects.order_by("-pk").values_list("pk", "counts")[:2])


def _check_unchanged(purged: list[tuple[int, object]]) -> None:
    """Raises PurgedMeanwhile."""
    if _newest_purges() != purged:
        raise PurgedMeanwhile


def _not_over(period: Period, made_at: datetime) -> str:
    """What a pack that was made too early cannot hold yet."""
    return (
        f"The period was not over when this was made: it goes on until {day_in_words(period.until)}, and "
        f"nothing that happened after {moment_in_words(made_at)} is in here. Make it again after that day."
    )


def _gone_before(period: Period, stretch: Stretch) -> Iterator[str]:
    """What there is nothing to tell of any more."""
    told = ("findings", "changes", "runs", "operations")
    purges = RecordPurge.objects.filter(before__gt=period.start, counts__has_any_keys=told)
    if stretch.purged or purges.exists():
        yield "What happened at the beginning of the period was purged before: its time was over."
    kept = timedelta(days=settings.LOOK_RETENTION_DAYS)
    if RecordPurge.objects.filter(counts__has_key="looks", started_at__gt=period.start + kept).exists():
        yield "Audits of single groups at its beginning were purged before: their time was over."


def _workbooks(period: Period) -> QuerySet[Any]:
    """By audit; `owner` is its number."""
    books = RunReport.objects.filter(run__in=runs_of(period).values("pk"), format=RunReport.Format.XLSX)
    return books.annotate(owner=F("run_id")).order_by("run", "pk")


def _operation_reports(period: Period) -> QuerySet[Any]:
    """By operation; `owner` is its number."""
    reports = OperationReport.objects.filter(operation__in=operations_of(period).values("pk"))
    return reports.annotate(owner=F("operation_id")).order_by("operation", "file", "pk")
