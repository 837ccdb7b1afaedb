"""A table on a sheet of a workbook, styled. `members.spreadsheet.add_sheet` is the way here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ERROR_CODES
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

from members.spreadsheet import CELL_LIMIT, FORMULA, CellValue, Column, Percent, naive_utc, printable

_HEADER_FONT = Font(bold=True, color="FFFFFF")
_HEADER_FILL = PatternFill("solid", fgColor="1F3A5F")
_WRAPPED = Alignment(wrap_text=True, vertical="top")


def write_sheet(sheet: Any, columns: Sequence[Column], rows: Iterable[Sequence[CellValue]]) -> int:
    """Fill an empty sheet of a write-only workbook. Returns the number of `rows`."""
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
        if not FORMULA.match(text) and text not in ERROR_CODES:
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
