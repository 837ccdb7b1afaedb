"""Tabs above a list: the values of one field, each with its number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db.models import Count
from django.http import HttpRequest

from members.list_filters import ALL, DefaultFilter


@dataclass(frozen=True, slots=True)
class Tab:
    title: str
    url: str
    count: int | None
    """None: not counted."""
    selected: bool
    everything: bool = False


def tabs(
    changelist: ChangeList,
    request: HttpRequest,
    name: str,
    order: Sequence[str] = (),
    *,
    counted: bool = True,
) -> tuple[Tab, ...]:
    """One tab for each value of the field `name` that occurs, and "All", first where that is the default.

    The list must have a filter for the field. `order` holds the values as they shall stand, if not in the
    field's own order.

    Counted under all the other filters that are set, so that a tab holds what its number says. Not `counted`,
    there is a tab for each value that could occur.
    """
    field: Any = changelist.model._meta.get_field(name)
    parameter = f"{name}__exact"
    spec: Any = next(spec for spec in changelist.filter_specs if parameter in spec.expected_parameters())
    everything = ALL if isinstance(spec, DefaultFilter) else None
    default = spec.value() if isinstance(spec, DefaultFilter) else everything
    chosen = changelist.params.get(parameter, default)
    counts: dict[Any, int | None] = dict.fromkeys(value for value, _ in field.flatchoices)
    if counted:
        counts = {everything: 0, chosen: 0, **_count(changelist, request, spec, name)}
        counts[everything] = sum(filter(None, counts.values()))
        choices = [value for value, _ in getattr(spec, "lookup_choices", field.flatchoices)]
        known = {f"{place}__c": counts.get(value, 0) for place, value in enumerate(choices)}
        spec.get_facet_queryset = lambda _: known  # the filter's choices need not be counted as well
    tabs = [
        Tab(str(title), changelist.get_query_string({parameter: value}), counts[value], value == chosen)
        for value, title in sorted(field.flatchoices, key=lambda choice: _place(choice[0], order))
        if value in counts
    ]
    whole = Tab(
        "All",
        changelist.get_query_string({parameter: everything}),
        counts.get(everything),
        everything == chosen,
        everything=True,
    )
    return (*tabs, whole) if everything == ALL else (whole, *tabs)


def _count(changelist: ChangeList, request: HttpRequest, spec: Any, name: str) -> dict[Any, int]:
    """Value → rows."""
    others = changelist.get_queryset(request, exclude_parameters=spec.expected_parameters())
    # An index knows how many rows there are; to tell whether one comes twice takes the rows themselves.
    rows = Count("pk", distinct=True) if others.query.distinct else Count("*")
    return dict(others.order_by().values_list(name).annotate(rows=rows))


def _place(value: str, order: Sequence[str]) -> int:
    return order.index(value) if value in order else len(order)
