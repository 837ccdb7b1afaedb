"""Addresses that somebody made up: a list or a form that cannot take them says so, and nothing fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.forms import Field, ModelChoiceField
from django.http import HttpRequest

from members.light_lists import CountedTogether, LightRows


class CarefulChangeList(CountedTogether):
    """Django takes a filter that makes no sense back while it is built; this one also while it is asked.

    A year 0, a number beyond the database's largest or half a range come to light only then.
    """

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        with _filters_doubted(request):
            return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        with _filters_doubted(request):
            super().get_results(request)


@contextmanager
def _filters_doubted(request: HttpRequest) -> Iterator[None]:
    try:
        yield
    except (ValueError, OverflowError, IndexError, DatabaseError) as error:
        if not request.GET.keys() - {ERROR_FLAG}:
            raise  # it was no filter's fault
        raise IncorrectLookupParameters(error) from error


class OddAddresses(LightRows):
    """Mixed into a ModelAdmin, in front of Django's."""

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return CarefulChangeList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """As Django has it, without regular expressions: one can keep a database busy for hours."""
        if lookup.endswith("regex"):
            return False
        allowed: bool = super().lookup_allowed(lookup, value, request)  # type: ignore[misc]  # a ModelAdmin's
        return allowed

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What an address fills into a new form; a row that nobody can choose there is left out."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)  # type: ignore[misc]  # the same
        fields = self.get_form(request).base_fields  # type: ignore[attr-defined]  # the same
        return {name: value for name, value in initial.items() if _can_take(fields.get(name), value)}


def _can_take(field: Field | None, value: Any) -> bool:
    if isinstance(field, ModelChoiceField):
        try:
            field.clean(value)
        except (ValidationError, ValueError, OverflowError):
            return False
    return True
