"""Write spreadsheets that are safe to open: no formula from a name, no character that breaks a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

CellValue = str | int | float | date | datetime | None

_FORMULA = re.compile(r"^[\s]*[=+\-@]")
"""How a text begins that spreadsheet programs run as a formula (OWASP, "CSV Injection")."""
_HEADER_FONT = Font(bold=True, color="FFFFFF")
_HEADER_FILL = PatternFill("solid", fgColor="1F3A5F")
_WRAPPED = Alignment(wrap_text=True, vertical="top")


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    width: int
    """In characters."""
    number_format: str | None = None


def printable(text: str) -> str:
    """The text without the control characters that XML and spreadsheets refuse."""
    return ILLEGAL_CHARACTERS_RE.sub("", text)


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

    Texts stay texts: one that looks like a formula is stored as a string cell with a quote prefix.
    Aware datetimes are written as UTC.
    """
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
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
    if isinstance(value, str):
        text = printable(value)
        if not _FORMULA.match(text):
            return text
        cell = WriteOnlyCell(sheet, text)
        cell.data_type = "s"
        cell.style_array.quotePrefix = 1
        return cell
    if isinstance(value, datetime):
        cell = WriteOnlyCell(sheet, naive_utc(value))
        cell.number_format = column.number_format or "yyyy-mm-dd hh:mm:ss"
        return cell
    if column.number_format is not None and value is not None:
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = column.number_format
        return cell
    return value
