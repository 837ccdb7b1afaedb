"""Template tags of the admin's frame: icons, and what there is to filter on a list and how it is filtered."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from django import template
from django.contrib.admin.options import IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.views.main import ChangeList
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from members.list_filters import LinkedFilter

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """A decorative icon from static/groupadmin/icons.svg, in the colour of the text around it."""
    sprite = static("groupadmin/icons.svg")
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', sprite, name)


@dataclass(frozen=True, slots=True)
class ActiveFilter:
    """A filter that narrows a list: what it is about, its value, and the list without it."""

    title: str
    value: str
    remove_url: str


@register.simple_tag
def active_filters(cl: ChangeList) -> list[ActiveFilter]:
    """The filters in force on a changelist, in the order of its filter panel."""
    plain = copy.copy(cl)
    plain.add_facets = False  # asking for the choices would otherwise count every one of them again
    active = []
    for spec in cl.filter_specs:
        names = [name for name in spec.expected_parameters() if name is not None]
        if any(name in cl.filter_params for name in names):
            value = next(
                (str(choice["display"]) for choice in spec.choices(plain) if choice["selected"]), "set"
            )
            active.append(ActiveFilter(str(spec.title), value, cl.get_query_string(remove=names)))
    return active


@register.simple_tag
def whole_list(cl: ChangeList) -> str:
    """The way to a changelist without its search and filters.

    A list of what belongs to one other object stays that, unless nothing else narrows it.
    """
    linked = (spec.expected_parameters() for spec in cl.filter_specs if isinstance(spec, LinkedFilter))
    kept = {IS_POPUP_VAR, TO_FIELD_VAR}.union(*linked)
    narrowing = [name for name in cl.filter_params if name not in kept]
    return cl.get_query_string(dict.fromkeys(narrowing)) if narrowing else "?"


@register.filter
def has_rows(cl: ChangeList) -> bool:
    """Whether there is anything to filter, be it hidden by what is in force. A query where nothing shows."""
    return bool(cl.result_count) or cl.root_queryset.exists()
