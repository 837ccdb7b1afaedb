"""What the pages of recorded facts have in common: everybody with the right reads, nobody edits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IS_FACETS_VAR
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from members.list_tabs import tabs
from members.odd_addresses import OddAddresses
from members.ui import DASH, named_actions

if TYPE_CHECKING:
    RecordAdminBase = admin.ModelAdmin[Any]
else:
    RecordAdminBase = admin.ModelAdmin

COUNTED_UNASKED = 20_000
"""Among more rows, how many each choice of a filter would show is counted when somebody asks for it."""

TABS_COUNTED_UNASKED = 300_000
"""Above a list of more rows, the tabs have their numbers when somebody asks for them."""

NAMED_AT_MOST = 5_000
"""So many rows that a search found are asked for by their keys."""


class RecordAdmin(OddAddresses, RecordAdminBase):
    """Rows that the product wrote. They are evidence: the admin shows them and changes none."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.ALLOW
    list_per_page = 50
    empty_value_display = DASH
    begins_with_groups = False
    """Whether the list, while it is empty, leads to the groups: that is where its rows are begun."""
    tab_field = ""
    """The field whose values stand above the list as tabs, with their numbers of rows."""
    tab_order: Sequence[str] = ()
    """Its values as they shall stand, if not in the field's own order."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist: Any = super().get_changelist_instance(request)
        changelist.tabs = ()
        if self.tab_field:
            counted = changelist.result_count <= TABS_COUNTED_UNASKED or IS_FACETS_VAR in request.GET
            changelist.tabs = tabs(changelist, request, self.tab_field, self.tab_order, counted=counted)
        changelist.tab = next((tab for tab in changelist.tabs if tab.selected), None)
        changelist.whole = next((tab for tab in changelist.tabs if tab.everything), None)
        if changelist.query and not any(name.startswith(f"{self.date_hierarchy}__") for name in request.GET):
            changelist.date_hierarchy = None  # its years take as long to find as the rows
        if changelist.result_count > COUNTED_UNASKED and IS_FACETS_VAR not in request.GET:
            changelist.add_facets, changelist.is_facets_optional = False, bool(changelist.filter_specs)
        return changelist

    def heading(self, row: Any) -> str:
        """What a row's page is called."""
        return str(row)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs["obj"]
        if row is not None and context.get("subtitle") == str(row):
            context["subtitle"] = self.heading(row)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_search_results(
        self, request: Any, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A page asks for its rows, their number and more, and a search reads the whole table: so it is made
        once, unless it finds too much to name."""
        if not search_term.strip():
            return queryset, False
        everything = self.get_queryset(request).order_by()
        found, repeated = self.search(request, everything, search_term)
        if not hasattr(request, "found_keys"):
            keys = found.values_list("pk", flat=True)
            request.found_keys = list((keys.distinct() if repeated else keys)[: NAMED_AT_MOST + 1])
        if len(request.found_keys) <= NAMED_AT_MOST:
            return queryset.filter(pk__in=request.found_keys), False
        if repeated:
            return queryset.filter(pk__in=found.values("pk")), False
        return self.search(request, queryset, search_term)

    def search(self, request: Any, rows: QuerySet[Any], term: str) -> tuple[QuerySet[Any], bool]:
        """Those of `rows` that a search finds, and whether one may come several times."""
        return super().get_search_results(request, rows, term)

    def get_action_choices(self, request: HttpRequest, *args: Any, **options: Any) -> list[tuple[str, str]]:
        return named_actions(super().get_action_choices(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def link(row: Model | None, text: object | None = None) -> SafeString:
    """A link to a row's own admin page; a dash where there is no row."""
    if row is None:
        return SafeString('<span class="empty-value">–</span>')
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, row if text is None else text)
