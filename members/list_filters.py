"""List filters that Django's admin lacks: one with a default, and one that only links set."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import connection
from django.db.models import Count, Model, Q, QuerySet, Value
from django.http import HttpRequest

ALL = "all"


class ConditionFilter(admin.SimpleListFilter):
    """Each choice is a condition on the row itself or what it points at: so all are counted in one look.

    Django counts the choices of a filter of one's own by asking for every row whether it is among all those
    that the filter would show.
    """

    def condition(self, value: str) -> Q:
        """What holds for the rows of this choice. It may not lead to several rows of another table."""
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(self.condition(value))

    def get_facet_counts(self, pk_attname: str, filtered_qs: QuerySet[Any]) -> dict[str, Any]:
        choices = (self.condition(str(value)) for value, _ in self.lookup_choices)
        row = Value(1)  # not the row's key: an index alone then tells how many there are
        return {f"{place}__c": Count(row, filter=each or None) for place, each in enumerate(choices)}


class ValuesFilter(admin.AllValuesFieldListFilter):
    """All values that a column has, read by leaps in its index: Django reads every row for them.

    The column begins an index, is never null, and has few values.
    """

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: type[Model], *args: Any, **options: Any
    ) -> None:
        super().__init__(field, request, params, model, *args, **options)
        self.lookup_choices: Any = list(_values_of(model._meta.db_table, field.column))


def _values_of(table: str, column: str) -> Iterator[str]:
    table, column = map(connection.ops.quote_name, (table, column))
    least = f"SELECT MIN({column}) FROM {table}"  # noqa: S608  # names of our own
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE found(value) AS ({least} UNION ALL "  # noqa: S608  # the same
            f"SELECT ({least} WHERE {column} > found.value) FROM found WHERE found.value IS NOT NULL) "
            "SELECT value FROM found WHERE value IS NOT NULL"
        )
        yield from (value for (value,) in cursor.fetchall())


class DefaultFilter(admin.SimpleListFilter):
    """Narrows the list also while nobody has chosen: to its first choice. A choice `ALL` shows everything."""

    def value(self) -> str:
        return super().value() or str(self.lookup_choices[0][0])

    def choices(self, changelist: Any) -> Iterator[Any]:
        return islice(super().choices(changelist), 1, None)  # without Django's own "All"


class LinkedFilter(admin.SimpleListFilter):
    """Keeps to the rows of one other object. Links on its page set it; there is nothing to choose."""

    model: ClassVar[type[Model]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if self.value() is None:
            return []
        pk = number(self.value())
        return [(str(pk), str(self.model._default_manager.filter(pk=pk).first() or f"no. {pk}"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(**{str(self.parameter_name): self.value()})


def number(text: str | None) -> int:
    """The row's number that an address names. Raises IncorrectLookupParameters when it names none."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 19):
        raise IncorrectLookupParameters(f"“{text}” is not the number of a row.")
    return int(text)
