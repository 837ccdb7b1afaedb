"""CSV and XLSX tables in and out of the admin: django-import-export, made strict.

A wrong row is named and nothing of its file is imported; an unknown column is an error, not
silence; what is exported is safe to open in a spreadsheet program and comes back unchanged.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import tablib
from django.core.exceptions import ValidationError
from django.db.models import Model
from import_export import fields, resources, results, widgets
from import_export.formats import base_formats
from import_export.tmp_storages import TempFolderStorage

from members.spreadsheet import csv_safe, naive_utc, printable

MAX_ROWS = 10_000
"""In either direction. An audit's own reports have no such limit: they are streamed."""

UPLOAD_LIFETIME = timedelta(hours=12)
"""How long an uploaded table waits for its confirmation; a sign-in lasts no longer."""

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
        return super().export_data(tablib.Dataset(*rows, headers=dataset.headers), **options)  # type: ignore[misc]


class UnreadableTable(ValueError):
    """The uploaded file is no table of its format; the message is for the person who sent it."""


class Csv(_SafeExport, base_formats.CSV):
    """Comma-separated values in UTF-8."""

    def create_dataset(self, in_stream: str, **options: Any) -> tablib.Dataset:
        rows = list(csv.reader(io.StringIO(in_stream, newline="")))
        for number, row in enumerate(rows, start=1):
            if len(row) > len(rows[0]):
                raise UnreadableTable(f"Row {number} has {len(row)} cells; the header has {len(rows[0])}.")
        return super().create_dataset(in_stream, **options)


class Xlsx(_SafeExport, base_formats.XLSX):
    """Excel workbook, first sheet."""


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


class Text(widgets.CharWidget):
    """A text; a number typed into a spreadsheet's text column loses its ".0"."""

    def clean(self, value: Any, row: Any = None, **options: Any) -> str | None:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text: str = super().clean(value, row, **options) or ""
        return text or ("" if self.allow_blank else None)


class Word(widgets.Widget):
    """One of a few words, however it is written: "Under review" is under_review."""

    def clean(self, value: Any, row: Any = None, **options: Any) -> str:
        return "" if value is None else str(value).strip().lower().replace(" ", "_")


class WholeNumber(widgets.IntegerWidget):
    def clean(self, value: Any, row: Any = None, **options: Any) -> int | None:
        if self.is_empty(value):
            return None
        text = str(value).strip().removesuffix(".0")
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise ValueError(f"“{value}” is not a whole number.")
        return int(text)

    def render(self, value: Any, obj: Any = None, **options: Any) -> Any:
        """As it is: an id is no amount, so no thousands separators."""
        return "" if value is None else value


class YesNo(widgets.Widget):
    WORDS: ClassVar = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}

    def clean(self, value: Any, row: Any = None, **options: Any) -> bool:
        try:
            return self.WORDS[str(value).strip().lower().removesuffix(".0")]
        except KeyError:
            raise ValueError("Say yes or no.") from None

    def render(self, value: Any, obj: Any = None, **options: Any) -> str:
        return "yes" if value else "no"


class Day(widgets.Widget):
    """A date, as a spreadsheet's own date or as 2027-01-31."""

    def clean(self, value: Any, row: Any = None, **options: Any) -> date | None:
        if value is None or value == "":
            return None
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value).strip())
        except ValueError:
            raise ValueError(f"“{value}” is not a date like 2027-01-31.") from None

    def render(self, value: date | None, obj: Any = None, **options: Any) -> Any:
        return value or ""


class Moment(widgets.Widget):
    """A point in time, for export alone; in UTC, because XLSX knows no time zones."""

    def render(self, value: datetime | None, obj: Any = None, **options: Any) -> Any:
        return "" if value is None else naive_utc(value)


class Lines(widgets.Widget):
    """A list of texts, one a line."""

    def clean(self, value: Any, row: Any = None, **options: Any) -> list[str]:
        return [line for line in str(value or "").splitlines() if line.strip()]

    def render(self, value: Any, obj: Any = None, **options: Any) -> str:
        return "\n".join(value or ())


class Key(widgets.ForeignKeyWidget):
    """A related row by its key."""

    def __init__(self, model: type[Model]) -> None:
        super().__init__(model, field="key")

    def clean(self, value: Any, row: Any = None, **options: Any) -> Model | None:
        key = Text().clean(value)
        return _by_key(self.model, [key])[0] if key else None


class Keys(widgets.ManyToManyWidget):
    """Related rows by their keys, separated by commas."""

    def __init__(self, model: type[Model]) -> None:
        super().__init__(model, field="key", separator=",")

    def clean(self, value: Any, row: Any = None, **options: Any) -> list[Model]:
        keys = [key.strip() for key in (Text().clean(value) or "").split(",")]
        try:
            return _by_key(self.model, [key for key in keys if key])
        except ValueError as error:
            # Raised outside the pass that collects the errors of single fields, so it says it all itself.
            raise ValidationError(str(error)) from error


def _by_key(model: type[Model], keys: Iterable[str]) -> list[Any]:
    wanted = list(dict.fromkeys(keys))
    found = {row.key: row for row in model._default_manager.filter(key__in=wanted)}  # type: ignore[attr-defined]
    for key in wanted:
        if key not in found:
            raise ValueError(f"There is no {model._meta.verbose_name} with the key “{key}”.")
    return [found[key] for key in wanted]


class TableResult(results.Result):
    """Names rows as a spreadsheet program does: the header is row 1."""

    def append_base_error(self, error: results.Error) -> None:
        error.traceback = ""  # the page would print it below the sentence
        super().append_base_error(error)

    def append_invalid_row(self, number: int, row: Any, validation_error: ValidationError) -> None:
        super().append_invalid_row(number + 1, row, validation_error)

    def row_errors(self) -> list[tuple[int, Any]]:
        return [(number + 1, errors) for number, errors in super().row_errors()]

    def first_problem(self) -> str:
        """One line about the first thing that is wrong; empty when nothing is."""
        for error in self.base_errors:
            return str(error.error)
        for number, errors in self.row_errors():
            return f"Row {number}: {errors[0].error}"
        for invalid in self.invalid_rows:
            return f"Row {invalid.number}: {' '.join(invalid.error.messages)}"
        return ""


class TableResource(resources.ModelResource):
    """Rows of one model, known by their natural key."""

    class Meta:
        skip_unchanged = True
        report_skipped = True
        clean_model_instances = True
        use_transactions = True

    @classmethod
    def get_result_class(cls) -> type[TableResult]:
        return TableResult

    def before_import(self, dataset: tablib.Dataset, **options: Any) -> None:
        """Refuse a table that cannot be meant for this model."""
        self._rows_by_key: dict[tuple[str, ...], int] = {}
        problem = self._misfit([str(header or "") for header in dataset.headers or ()], len(dataset))
        if problem:
            del dataset[:]  # else every row would be tried all the same
            raise ValueError(problem)

    def _misfit(self, headers: Sequence[str], row_count: int) -> str:
        known = [field.column_name for field in self.get_import_fields()]
        for header in headers:
            if header not in known:
                return f"Unknown column “{header}”. Columns are: {', '.join(known)}."
            if headers.count(header) > 1:
                return f"The column “{header}” stands twice in the table."
        for name in self._meta.import_id_fields:
            if (column_name := self.fields[name].column_name) not in headers:
                return f"The column “{column_name}” is missing: it says which row is meant."
        if row_count > MAX_ROWS:
            return f"At most {MAX_ROWS:,} rows at a time; this table has {row_count:,}."
        return ""

    def before_import_row(self, row: dict[str, Any], **options: Any) -> None:
        for column, value in row.items():
            row[column] = unescaped(value)
        key = tuple(
            str(row.get(self.fields[name].column_name) or "").strip() for name in self._meta.import_id_fields
        )
        first = self._rows_by_key.setdefault(key, options["row_number"])
        if first != options["row_number"]:
            raise ValidationError(f"This is about the same as row {first + 1}.")

    def before_save_instance(self, instance: Any, row: Any, **options: Any) -> None:
        instance._change_reason = f"import of {options.get('file_name') or 'a table'}"[:100]


def column(attribute: str, widget: widgets.Widget | None = None, *, name: str = "") -> fields.Field:
    """A column that is exported and imported; a text unless a widget says otherwise."""
    return fields.Field(attribute, name or attribute, widget or Text())


def shown(attribute: str, widget: widgets.Widget | None = None, *, name: str = "") -> fields.Field:
    """A column that is exported, and ignored on import."""
    return fields.Field(attribute, name or attribute, widget or Text(), readonly=True)
