"""Write spreadsheets that are safe to open: no formula from a name, no character that breaks a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ERROR_CODES
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

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
_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that spreadsheet programs run as a formula (OWASP, "CSV Injection"); the last four are
the full-width forms of the first four."""
_HEADER_FONT = Font(bold=True, color="FFFFFF")
_HEADER_FILL = PatternFill("solid", fgColor="1F3A5F")
_WRAPPED = Alignment(wrap_text=True, vertical="top")


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
    return f"'{cleaned}" if _FORMULA.match(cleaned) else cleaned


def naive_utc(moment: datetime) -> datetime:
    """XLSX knows no time zones: the same moment in UTC, for a column whose title says so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def add_sheet(
    book: Workbook, title: str, columns: Sequence[Column], rows: Iterable[Sequence[CellValue]]
) -> int:
    """Stream a table into a write-only workbook: frozen header, filter, widths. Returns the row count.

    Texts stay texts: one that looks like a formula is stored as a string cell with a quote prefix, and one
    that is too long for a cell is cut. Aware datetimes are written as UTC.
    """
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    for index, column in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(index)].width = column.width
    sheet.append([_header(sheet, column.title) for column in columns])
    count = 0
    for row in rows:
        sheet.append([_cell(sheet, value, column) for value, column in zip(row, columns, strict=True)])
        count += 1
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{count + 1}"
    return count


def _header(sheet: Any, title: str) -> Any:
    cell = WriteOnlyCell(sheet, title)
    cell.font, cell.fill, cell.alignment = _HEADER_FONT, _HEADER_FILL, _WRAPPED
    return cell


def _cell(sheet: Any, value: CellValue, column: Column) -> Any:
    """A bare value where that is enough (fast), a styled cell where it is not."""
    number_format = column.number_format
    if isinstance(value, str):
        text = _fitting(printable(value))
        if not _FORMULA.match(text) and text not in ERROR_CODES:
            return text
        cell = WriteOnlyCell(sheet, text)
        cell.data_type = "s"
        cell.quotePrefix = True
        return cell
    if isinstance(value, Percent):
        number_format = number_format or "0%"
    elif isinstance(value, datetime):
        value = naive_utc(value)
        number_format = number_format or "yyyy-mm-dd hh:mm:ss"
    if number_format is None or value is None:
        return value
    cell = WriteOnlyCell(sheet, value)  # type: ignore[arg-type]  # the stubs forget int and date
    cell.number_format = number_format
    return cell


def _fitting(text: str) -> str:
    if 2 * len(text) <= CELL_LIMIT:
        return text
    units = text.encode("utf-16-le")
    if len(units) <= 2 * CELL_LIMIT:
        return text
    return units[: 2 * (CELL_LIMIT - 1)].decode("utf-16-le", errors="ignore") + "…"
