"""What the API's resources are made of. One table is the answer, the parameters and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any, TypeAlias

from django.db.models import Q, QuerySet

from groupadmin.api.problems import bad_request

MOST_VALUES = 100
"""How often a filter may be given: each is a part of one query."""
Schema: TypeAlias = Mapping[str, Any]
"""JSON Schema 2020-12, as OpenAPI 3.1 has it."""

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
YES_NO: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": TEXT}
MOMENT: Schema = {"type": "string", "format": "date-time"}


def nullable(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def word(enum: type[StrEnum] | Iterable[str]) -> Schema:
    return {"type": "string", "enum": [str(value) for value in enum]}


def stamp(moment: datetime | None) -> str | None:
    """ "2027-01-31T08:00:00Z"."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Field:
    """One value of an answer; the same is a column of the CSV."""

    name: str
    schema: Schema
    value: Callable[[Any], Any]
    about: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """A parameter that narrows an answer; given several times, any of its values will do."""

    name: str
    about: str
    schema: Schema
    condition: Callable[[Any], Q]
    """For one value, as `parsed` reads it."""

    def narrow(self, rows: QuerySet[Any], texts: Sequence[str]) -> QuerySet[Any]:
        """Raises Problem for a text that is no value of the parameter."""
        if len(texts) > MOST_VALUES:
            raise bad_request(f"{self.name}: at most {MOST_VALUES} values at a time.")
        wanted = Q()
        for text in texts:
            wanted |= self.condition(parsed(self.name, text, self.schema))
        return rows.filter(wanted)


@dataclass(frozen=True, slots=True)
class Resource:
    """Rows of one kind, by their numbers, which never change."""

    name: str
    singular: str
    about: str
    rows: Callable[[], QuerySet[Any]]
    fields: tuple[Field, ...]
    filters: tuple[Filter, ...]
    page: str
    """The admin's page of a row, by the name of its address."""
    prepare: Callable[[Sequence[Any]], None] = lambda rows: None
    """Gives the rows of a page what their own query did not bring."""


def parsed(name: str, text: str, schema: Schema) -> Any:
    """The value that the text of a parameter means. Raises Problem where it means none."""
    if "\0" in text:  # no database has such a text
        raise bad_request(f"{name}: leave the character NUL out.")
    if "enum" in schema and text not in schema["enum"]:
        raise bad_request(f"{name}: “{text}” is none of {', '.join(schema['enum'])}.")
    if schema["type"] == "boolean":
        if text not in ("true", "false"):
            raise bad_request(f"{name}: say true or false.")
        return text == "true"
    if schema.get("format") == "date-time":
        return _moment(name, text)
    return text


def _moment(name: str, text: str) -> datetime:
    try:
        if len(text) == len("2027-01-31"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_request(
            f"{name}: write a day or a moment in UTC, like 2027-01-31 or 2027-01-31T08:00:00Z."
        ) from None
