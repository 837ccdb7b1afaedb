"""What the pages of recorded facts have in common: everybody with the right reads, nobody edits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from members.list_tabs import tabs
from members.ui import DASH, named_actions

if TYPE_CHECKING:
    RecordAdminBase = admin.ModelAdmin[Any]
else:
    RecordAdminBase = admin.ModelAdmin


class RecordAdmin(RecordAdminBase):
    """Rows that the product wrote. They are evidence: the admin shows them and changes none."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.ALLOW
    list_per_page = 50
    empty_value_display = DASH
    tab_field = ""
    """The field whose values stand above the list as tabs, each with its number of rows."""
    tab_order: Sequence[str] = ()
    """Its values as they shall stand, if not in the field's own order."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist: Any = super().get_changelist_instance(request)
        changelist.tabs = ()
        if self.tab_field:
            changelist.tabs = tabs(changelist, request, self.tab_field, self.tab_order)
        changelist.tab = next((tab for tab in changelist.tabs if tab.selected), None)
        changelist.whole = next((tab for tab in changelist.tabs if tab.everything), None)
        return changelist

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
