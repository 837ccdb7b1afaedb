"""CSV and XLSX tables in and out of the admin: django-import-export, made strict.

A wrong row is named and nothing of its file is imported; an unknown column is an error, not
silence; what is exported is safe to open in a spreadsheet program and comes back unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar

import tablib
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.safestring import SafeString
from import_export import fields, resources, results, widgets

from members.spreadsheet import naive_utc
from members.table_files import unescaped

MAX_ROWS = 10_000
"""In either direction. An audit's own reports have no such limit: they are streamed."""

_SPELT = {"crm": "CRM", "id": "ID", "utc": "(UTC)", "slack": "Slack", "telegram": "Telegram"}


def label(column_name: str) -> str:
    """How a column is headed: "slack_user_id" is "Slack user ID". `column_named` leads back."""
    words = " ".join(_SPELT.get(word, word) for word in column_name.split("_"))
    return words[:1].upper() + words[1:]


def column_named(header: str) -> str:
    """The name of the column that a header means, however it is written."""
    return re.sub(r"[^a-z0-9]+", "_", header.lower()).strip("_")


class Text(widgets.CharWidget):
    """A text; a number typed into a spreadsheet's text column loses its ".0"."""

    def clean(self, value: Any, row: Any = None, **options: Any) -> str | None:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text: str = super().clean(value, row, **options) or ""
        return text or ("" if self.allow_blank else None)


class Word(widgets.Widget):
    """One of a few words, or none, however it is written: "Under review" is under_review."""

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self._words = [str(word) for word in words]

    def clean(self, value: Any, row: Any = None, **options: Any) -> str:
        word = "" if value is None else str(value).strip().lower().replace(" ", "_")
        if word and word not in self._words:
            raise ValueError(f"“{value}” is none of: {', '.join(self._words)}.")
        return word


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
    """A related row by its key, or by what else its model is known by."""

    def __init__(self, model: type[Model], field: str = "key") -> None:
        super().__init__(model, field=field)

    def clean(self, value: Any, row: Any = None, **options: Any) -> Model | None:
        key = Text().clean(value)
        return _by_key(self.model, [key], self.field)[0] if key else None


class Keys(widgets.ManyToManyWidget):
    """Related rows by their keys, separated by commas."""

    def __init__(self, model: type[Model]) -> None:
        super().__init__(model, field="key", separator=",")

    def clean(self, value: Any, row: Any = None, **options: Any) -> list[Model]:
        keys = [key.strip() for key in (Text().clean(value) or "").split(",")]
        return _by_key(self.model, [key for key in keys if key])


def _by_key(model: type[Model], keys: Iterable[str], field: str = "key") -> list[Any]:
    wanted = list(dict.fromkeys(keys))
    rows: Iterable[Any] = model._default_manager.filter(**{f"{field}__in": wanted})
    found = {getattr(row, field): row for row in rows}
    for key in wanted:
        if key not in found:
            called = getattr(model._meta.get_field(field), "verbose_name", field)
            raise ValueError(f"There is no {model._meta.verbose_name} with the {called} “{key}”.")
    return [found[key] for key in wanted]


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Everything that is wrong with one row, or with the table."""

    row: int | None
    """As a spreadsheet program counts: the header is row 1. None for the table."""
    messages: tuple[tuple[str, str], ...]
    """The label of the column, "" for the whole row, and one sentence."""
    values: tuple[str, ...] = ()


class TableResult(results.Result):
    """Names rows as a spreadsheet program does: the header is row 1."""

    labels: Mapping[str, str] = MappingProxyType({})
    """The label of each column by the attribute that it fills."""

    def append_base_error(self, error: results.Error) -> None:
        error.traceback = ""  # the page would print it below the sentence
        super().append_base_error(error)

    def append_invalid_row(self, number: int, row: Any, validation_error: ValidationError) -> None:
        self.invalid_rows.append(results.InvalidRow(number + 1, validation_error, tuple(row.values())))

    def row_errors(self) -> list[tuple[int, Any]]:
        return [(number + 1, errors) for number, errors in super().row_errors()]

    def problems(self) -> list[RowProblem]:
        """What is wrong, by row; what concerns the table stands first."""
        table = [RowProblem(None, (("", str(error.error)),)) for error in self.base_errors]
        rows = [
            RowProblem(
                number, tuple(("", str(error.error)) for error in errors), _texts(errors[0].row.values())
            )
            for number, errors in self.row_errors()
        ]
        rows += [
            RowProblem(
                invalid.number,
                tuple(
                    (self.labels.get(attribute, ""), sentence)
                    for attribute, sentences in invalid.error_dict.items()
                    for sentence in sentences
                ),
                _texts(invalid.values),
            )
            for invalid in self.invalid_rows
        ]
        return table + sorted(rows, key=lambda problem: problem.row or 0)

    def first_problem(self) -> str:
        """One line about the first thing that is wrong; empty when nothing is."""
        for problem in self.problems():
            sentences = " ".join(sentence for _, sentence in problem.messages)
            return sentences if problem.row is None else f"Row {problem.row}: {sentences}"
        return ""


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values if value not in (None, ""))


class PlainDiff(resources.Diff):
    """What a row would change, marked; without the style attributes that our pages forbid themselves."""

    def as_html(self) -> list[SafeString]:
        marked = super().as_html()
        return [SafeString(re.sub(r'<(ins|del) style="[^"<>]*">', r"<\1>", html)) for html in marked]


class LabelledResource(resources.ModelResource):
    """Rows of one model under headers that people read."""

    def get_diff_class(self) -> type[PlainDiff]:
        return PlainDiff

    def get_export_headers(self, *args: Any, **options: Any) -> list[str]:
        return [label(name) for name in super().get_export_headers(*args, **options)]

    def get_diff_headers(self) -> list[str]:
        return [label(name) for name in super().get_diff_headers()]


class TableResource(LabelledResource):
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
        headers = [str(header or "") for header in dataset.headers or ()]
        problem = self._misfit(headers, len(dataset))
        if problem:
            del dataset[:]  # else every row would be tried all the same
            raise ValueError(problem)
        dataset.headers = [column_named(header) for header in headers]

    def after_import(self, dataset: tablib.Dataset, result: TableResult, **options: Any) -> None:
        result.labels = {field.attribute: label(field.column_name) for field in self.get_import_fields()}

    @classmethod
    def column_labels(cls) -> list[str]:
        """How the columns may be headed that an import takes."""
        return [label(field.column_name) for field in cls().get_import_fields()]

    def _misfit(self, headers: Sequence[str], row_count: int) -> str:
        known = [field.column_name for field in self.get_import_fields()]
        named = [column_named(header) for header in headers]
        for header, name in zip(headers, named, strict=True):
            if name not in known:
                return f"Unknown column “{header}”. Columns are: {', '.join(map(label, known))}."
            if named.count(name) > 1:
                return f"The column “{header}” stands twice in the table."
        for name in self._meta.import_id_fields:
            if (column_name := self.fields[name].column_name) not in named:
                return f"The column “{label(column_name)}” is missing: it says which row is meant."
        if row_count > MAX_ROWS:
            return f"At most {MAX_ROWS:,} rows at a time; this table has {row_count:,}."
        return ""

    def before_import_row(self, row: dict[str, Any], **options: Any) -> None:
        for column, value in row.items():
            row[column] = unescaped(value)
            if isinstance(value, str) and "\0" in value:
                raise ValidationError(f"“{label(column)}” holds a character that cannot be stored.")
        key = tuple(
            str(row.get(self.fields[name].column_name) or "").strip() for name in self._meta.import_id_fields
        )
        first = self._rows_by_key.setdefault(key, options["row_number"])
        if first != options["row_number"]:
            raise ValidationError(f"This is about the same as row {first + 1}.")

    def import_instance(self, instance: Any, row: Any, **options: Any) -> None:
        """Reads the columns of several keys too, which the package does only in rows that are right."""
        errors: dict[str, Any] = {}
        try:
            super().import_instance(instance, row, **options)
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        for field in self.get_import_fields():
            if isinstance(field.widget, Keys) and field.column_name in row:
                try:
                    field.clean(row)
                except ValueError as error:
                    errors[field.attribute] = ValidationError(str(error))
        if errors:
            raise ValidationError(errors)

    def before_save_instance(self, instance: Any, row: Any, **options: Any) -> None:
        instance._change_reason = f"import of {options.get('file_name') or 'a table'}"[:100]


def column(attribute: str, widget: widgets.Widget | None = None, *, name: str = "") -> fields.Field:
    """A column that is exported and imported; a text unless a widget says otherwise."""
    return fields.Field(attribute, name or attribute, widget or Text())


def shown(attribute: str, widget: widgets.Widget | None = None, *, name: str = "") -> fields.Field:
    """A column that is exported, and ignored on import."""
    return fields.Field(attribute, name or attribute, widget or Text(), readonly=True)
