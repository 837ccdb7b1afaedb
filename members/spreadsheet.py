"""Write spreadsheets that are safe to open: no formula from a name, no character that breaks a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from openpyxl import Workbook

CellValue = str | int | float | date | datetime | None

CELL_LIMIT = 32_767
"""The most that Excel takes in one cell, in UTF-16 units: an emoji counts as two."""
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot carry (its production `Char`)."""
_STEERING = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""C0 and C1 control characters that are no white space (a terminal may obey them), and Unicode's embeddings,
overrides and isolates of direction (UAX #9)."""
FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that spreadsheet programs run as a formula (OWASP, "CSV Injection"); the last four are
the full-width forms of the first four."""


class Percent(float):
    """A share, 0–1, that the reader sees in per cent."""


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    width: int
    """In characters."""
    number_format: str | None = None


def printable(text: str) -> str:
    """The text without the characters that XML and spreadsheets refuse: control characters, half an emoji."""
    return _UNPRINTABLE.sub("", text)


def one_line(text: str) -> str:
    """The text on one line of a terminal or a file: no name begins a line of its own, or steers anything.

    Control characters go, and those that turn the direction of whatever follows; runs of spaces and line
    breaks become one space.
    """
    return " ".join(_STEERING.sub("", text).split())


def csv_safe(text: str) -> str:
    """The text as a CSV cell that no program runs: a leading apostrophe defuses what looks like a formula."""
    cleaned = printable(text)
    return f"'{cleaned}" if FORMULA.match(cleaned) else cleaned


def naive_utc(moment: datetime) -> datetime:
    """XLSX knows no time zones: the same moment in UTC, for a column whose title says so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


@contextmanager
def workbook_in(file: IO[bytes]) -> Iterator[Workbook]:
    """An empty workbook for `add_sheet`, written to `file` when all went well. It streams.

    `file` is open before: openpyxl litters the console when a workbook is left half-way.
    """
    from openpyxl import Workbook  # only now: it takes long to load, and few processes write workbooks

    book = Workbook(write_only=True)
    yield book
    book.save(file)


def add_sheet(
    book: Workbook, title: str, columns: Sequence[Column], rows: Iterable[Sequence[CellValue]]
) -> int:
    """Stream a table into a write-only workbook: frozen header, filter, widths. Returns the row count.

    Texts stay texts: one that looks like a formula is stored as a string cell with a quote prefix, and one
    that is too long for a cell is cut. Aware datetimes are written as UTC.
    """
    from members.sheets import write_sheet  # as above

    return write_sheet(book.create_sheet(title), columns, rows)
