"""List filters that Django's admin lacks: one with a default, and one that only links set."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model, QuerySet
from django.http import HttpRequest

ALL = "all"


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
