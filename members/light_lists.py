"""What makes the page of a long list light: for the database, and for us."""

from __future__ import annotations

from copy import copy
from functools import cached_property, partial
from typing import Any

from django.contrib.admin import FieldListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags import admin_list
from django.contrib.admin.utils import lookup_spawns_duplicates
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.db.models import Max, Min, Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext


class CountedTogether(ChangeList):
    """Counts the choices of all filters that nobody has set in one query.

    Django asks once for each filter, and each time makes all of them anew, with what they read to know
    their choices.
    """

    _filters: Any = None

    def get_filters(self, request: HttpRequest) -> Any:
        if self._filters is None:
            self._filters = super().get_filters(request)
            counts = _Counts(self, [spec for spec in self._filters[0] if self._shares(spec, request)])
            for spec in counts.specs:
                spec.get_facet_queryset = partial(counts.of, spec)
        return self._filters

    def _shares(self, spec: Any, request: HttpRequest) -> bool:
        """Whether its choices are counted among the very rows that are listed, each of them once."""
        if any(value is not None for value in spec.used_parameters.values()):
            return False
        if isinstance(spec, FieldListFilter):
            return not lookup_spawns_duplicates(self.lookup_opts, spec.field_path)
        # One of our own may narrow the list also while nobody has chosen.
        return spec.queryset(request, self.root_queryset) in (None, self.root_queryset)


class _Counts:
    """The counts of several filters, asked for when the first of them is shown."""

    def __init__(self, changelist: ChangeList, specs: list[Any]) -> None:
        self.specs = specs
        self._changelist = changelist

    def of(self, spec: Any, _: ChangeList) -> dict[str, int]:
        """In place of a filter's own `get_facet_queryset`, and with its names."""
        mine = f"{self.specs.index(spec)}:"
        return {name.removeprefix(mine): count for name, count in self._all.items() if name.startswith(mine)}

    @cached_property
    def _all(self) -> dict[str, int]:
        rows: Any = self._changelist.queryset
        counts = {
            f"{place}:{name}": count
            for place, spec in enumerate(self.specs)
            for name, count in spec.get_facet_counts(self._changelist.pk_attname, rows).items()
        }
        return dict(rows.aggregate(**counts))


class LightRows:
    """Mixed into a ModelAdmin, in front of Django's."""

    def action_checkbox(self, row: Model) -> SafeString:
        """What Django makes of two templates for each row, a tenth of the page's time."""
        return format_html(
            '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">',
            ACTION_CHECKBOX_NAME,
            str(row.pk),  # unlocalized: it is sent back
            format_html(gettext("Select this object for an action - {}"), str(row)),
        )


class KeysFirst(Paginator):
    """Sorts the keys of all rows, and reads only those rows whole that are on the page.

    For lists whose rows are wide, with much joined: sorted whole, the last page took the database longest.
    """

    def page(self, number: int | str) -> Page[Any]:
        page = super().page(number)
        found: Any = page.object_list
        rows: Any = self.object_list
        page.object_list = rows.filter(pk__in=found.values("pk"))
        return page


YEARS_AT_MOST = 30
"""Rows further apart than this have a wrong date among them: years without rows are left out again."""


def date_choices(changelist: Any) -> dict[str, Any]:
    """Django's way from years to months and days; but every year from the first to the last is offered.

    Which of them have rows, Django asks of all rows, and that took longest on the page of a long list.
    `date_hierarchy` names a DateTimeField, as all of ours do.
    """
    field = changelist.date_hierarchy
    year, month, day = (f"{field}__{part}" for part in ("year", "month", "day"))
    looked_at = copy(changelist)
    if not {year, month, day} & changelist.params.keys():
        ends = changelist.queryset.order_by().aggregate(first=Min(field), last=Max(field))
        if ends["first"] is None:
            return {"show": False}
        first, last = (timezone.localtime(ends[end]) for end in ("first", "last"))
        if 0 < last.year - first.year <= YEARS_AT_MOST:
            years = map(str, range(first.year, last.year + 1))
            choices = [
                {"title": each, "link": changelist.get_query_string({year: each}, [f"{field}__"])}
                for each in years
            ]
            return {"show": True, "back": None, "choices": choices}
        if first.year == last.year:
            looked_at.params = {**changelist.params, year: first.year}
            if first.month == last.month:
                looked_at.params[month] = first.month
    return admin_list.date_hierarchy(looked_at) or {"show": False}
