"""Tables that are safe to open: texts stay texts, dates are dates, and no name can break a file."""

from __future__ import annotations

import re
import zipfile
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from members.spreadsheet import (
    CELL_LIMIT,
    CellValue,
    Column,
    Percent,
    add_sheet,
    csv_safe,
    naive_utc,
    printable,
)

FORMULAS = [
    "=1+1",
    "+1",
    "-x",
    "@x",
    " =1+1",
    "\t=1+1",
    "\r=1+1",
    "\n=1",
    "\ttab",
    "＝1+1",
    '=HYPERLINK("//x")',
]
HARMLESS = [
    "acme-bitsafe",
    "1-2",
    "a=b",
    "7/8",
    "Ada 👩‍🚀 Example",
    "قناة العملاء",
    "עברית",
    "#general",
    "0042",
]


def written(tmp_path: Path, *values: CellValue, column: Column | None = None) -> Worksheet:
    """A sheet with one column of these values, written and read back."""
    book = Workbook(write_only=True)
    add_sheet(book, "Table", [column or Column("Name", 20)], [(value,) for value in values])
    book.save(tmp_path / "table.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "table.xlsx")["Table"]
    assert isinstance(sheet, Worksheet)
    return sheet


@pytest.mark.parametrize("name", [*FORMULAS, *HARMLESS, "#REF!", "#N/A"])
def test_a_text_stays_the_text_it_is(tmp_path: Path, name: str) -> None:
    cell = written(tmp_path, name)["A2"]
    assert cell.data_type in ("s", "inlineStr")
    assert cell.value == name.replace("\r", "\n")  # as XML has it


@pytest.mark.parametrize("name", FORMULAS)
def test_what_looks_like_a_formula_is_marked_as_text_for_who_edits_the_cell(
    tmp_path: Path, name: str
) -> None:
    assert written(tmp_path, name)["A2"].quotePrefix is True


@pytest.mark.parametrize("name", HARMLESS)
def test_other_texts_are_not_marked(tmp_path: Path, name: str) -> None:
    assert not written(tmp_path, name)["A2"].quotePrefix


def test_no_formula_is_ever_written(tmp_path: Path) -> None:
    written(tmp_path, *FORMULAS)
    with zipfile.ZipFile(tmp_path / "table.xlsx") as archive:
        assert not re.search(rb"<f[ >/]", archive.read("xl/worksheets/sheet1.xml"))


def test_characters_that_no_file_can_carry_are_left_out(tmp_path: Path) -> None:
    assert written(tmp_path, "a\x00b\x1bc\x07\ufffe\uffff\ud83dd")["A2"].value == "abcd"
    assert printable("line\nbreak\ttab é 👍") == "line\nbreak\ttab é 👍"


@given(st.text(st.characters(codec=None), max_size=40))
def test_every_text_can_be_written_as_xml_and_utf_8(text: str) -> None:
    clean = printable(text)
    clean.encode("utf-8")
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", clean)
    assert printable(clean) == clean


@pytest.mark.parametrize(("letter", "units"), [("x", 1), ("👍", 2)])
def test_a_text_longer_than_a_cell_takes_is_cut(tmp_path: Path, letter: str, units: int) -> None:
    value = written(tmp_path, letter * 40_000)["A2"].value
    assert isinstance(value, str)
    assert value.endswith("…")
    assert CELL_LIMIT - units < len(value.encode("utf-16-le")) // 2 <= CELL_LIMIT


def test_a_text_that_just_fits_is_whole(tmp_path: Path) -> None:
    assert written(tmp_path, "x" * CELL_LIMIT)["A2"].value == "x" * CELL_LIMIT


def test_numbers_dates_and_moments_are_what_they_are(tmp_path: Path) -> None:
    moment = datetime(2026, 5, 4, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    sheet = written(tmp_path, 31, 0.5, Percent(0.76), moment, None)
    number, fraction, share, when, nothing = (sheet.cell(row, 1) for row in range(2, 7))
    assert (number.value, fraction.value, nothing.value) == (31, 0.5, None)
    assert (share.value, share.number_format) == (0.76, "0%")
    assert when.value == datetime(2026, 5, 4, 12, 30)  # noqa: DTZ001  # XLSX has no zones
    day = written(tmp_path, date(2099, 1, 31), column=Column("Expires", 12, "yyyy-mm-dd"))["A2"]
    assert (day.data_type, day.number_format) == ("d", "yyyy-mm-dd")
    assert day.value == datetime(2099, 1, 31)  # noqa: DTZ001  # XLSX knows no days


def test_the_header_stays_in_sight_and_filters(tmp_path: Path) -> None:
    sheet = written(tmp_path, "one", "two", column=Column("Name", 33))
    assert (sheet["A1"].value, sheet["A1"].font.bold) == ("Name", True)
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:A3"
    assert sheet.column_dimensions["A"].width == 33
    assert sheet.print_title_rows == "$1:$1"


def test_a_table_without_rows_is_its_header(tmp_path: Path) -> None:
    sheet = written(tmp_path)
    assert [cell.value for cell in sheet[1]] == ["Name"]
    assert (sheet.max_row, sheet.auto_filter.ref) == (1, "A1:A1")


@pytest.mark.parametrize("name", FORMULAS)
def test_csv_defuses_what_looks_like_a_formula(name: str) -> None:
    assert csv_safe(name) == f"'{name}"


@pytest.mark.parametrize("name", HARMLESS)
def test_csv_leaves_other_texts_alone(name: str) -> None:
    assert csv_safe(name) == name


def test_csv_defuses_what_hides_behind_a_control_character() -> None:
    assert csv_safe("\x00=1+1") == "'=1+1"


def test_moments_are_written_in_utc() -> None:
    assert naive_utc(datetime(2026, 5, 4, 12, tzinfo=UTC)) == datetime(2026, 5, 4, 12)  # noqa: DTZ001
