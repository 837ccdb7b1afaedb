"""The files in which tables come and go: CSV and XLSX, safe to open, and uploads that wait for a yes."""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import tablib
from import_export.formats import base_formats
from import_export.tmp_storages import TempFolderStorage

from members.spreadsheet import csv_safe, printable

UPLOAD_LIFETIME = timedelta(hours=12)
"""How long an uploaded table waits for its confirmation; a sign-in lasts no longer."""

MEGABYTE = 1_000_000
LARGEST_UNPACKED = 40 * MEGABYTE
"""Bytes of an unpacked workbook: a table of 10,000 rows has a tenth of that. Python never unpacks more of an
entry than its header says."""

_UPLOAD_PREFIX = "groupadmin-import-"


def escaped(value: Any) -> Any:
    """A cell that no spreadsheet program takes for a formula: an apostrophe stands in front."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if _runs(text) else text


def unescaped(value: Any) -> Any:
    """The value that `escaped` made safe."""
    return value[1:] if isinstance(value, str) and value.startswith("'") and _runs(value) else value


def _runs(text: str) -> bool:
    """Whether the text would be a formula without the apostrophes in front of it."""
    bare = printable(text.lstrip("'"))
    return csv_safe(bare) != bare


class _SafeExport:
    """Mixed into a format: escapes every cell before it is written."""

    def export_data(self, dataset: tablib.Dataset, **options: Any) -> Any:
        rows = [[escaped(cell) for cell in row] for row in dataset]
        safe = tablib.Dataset(*rows, headers=dataset.headers)
        return super().export_data(safe, **options)  # type: ignore[misc]  # a format stands behind it


class UnreadableTable(ValueError):
    """The uploaded file is no table of its format; the message is for the person who sent it."""


class Csv(_SafeExport, base_formats.CSV):
    """Comma-separated values in UTF-8; read also with semicolons or tabs between them, as Excel writes in
    countries whose numbers have commas."""

    def create_dataset(self, in_stream: str, **options: Any) -> tablib.Dataset:
        header = in_stream.partition("\n")[0]
        delimiter = next((mark for mark in ",;\t" if mark in header), ",")
        rows = list(csv.reader(io.StringIO(in_stream, newline=""), delimiter=delimiter))
        for number, row in enumerate(rows, start=1):
            if len(row) > len(rows[0]):
                raise UnreadableTable(f"Row {number} has {len(row)} cells; the header has {len(rows[0])}.")
        return super().create_dataset(in_stream, delimiter=delimiter, **options)


class Xlsx(_SafeExport, base_formats.XLSX):
    """Excel workbook, first sheet."""

    def create_dataset(self, in_stream: bytes, **options: Any) -> tablib.Dataset:
        _check_unpacked(in_stream)
        return super().create_dataset(in_stream, **options)


def _check_unpacked(workbook: bytes) -> None:
    """Raises UnreadableTable for a workbook that is small and would fill the memory once it is open."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > LARGEST_UNPACKED:
        raise UnreadableTable(
            f"This workbook unpacks to {size // MEGABYTE:,} MB; at most {LARGEST_UNPACKED // MEGABYTE} are "
            "read. Keep the table alone, without other sheets, pictures and empty rows."
        )


class UploadStorage(TempFolderStorage):
    """Keeps an uploaded table between preview and confirmation.

    The name comes back from the browser, so only files that were written here are opened.
    """

    name: str | None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.name and not Path(self.name).name.startswith(_UPLOAD_PREFIX):
            raise FileNotFoundError(self.name)

    def _open(self, mode: str = "r") -> Any:
        if self.name:
            return super()._open(mode)
        forget_uploads()
        file = tempfile.NamedTemporaryFile(prefix=_UPLOAD_PREFIX, delete=False)  # noqa: SIM115  # the caller closes it
        self.name = file.name
        return file


def forget_uploads() -> None:
    """Delete the uploaded tables that nobody confirmed in time: they hold names and addresses."""
    oldest = (datetime.now(UTC) - UPLOAD_LIFETIME).timestamp()
    for path in Path(tempfile.gettempdir()).glob(f"{_UPLOAD_PREFIX}*"):
        with suppress(FileNotFoundError, PermissionError):  # somebody else's, or gone meanwhile
            if path.stat().st_mtime < oldest:
                path.unlink()
