"""What the lists of the gated community have in common: 100,000 rows, tables in and out, names beside ids."""

from __future__ import annotations

from itertools import chain
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.forms import SplitDateTimeField
from django.http import HttpRequest

from members.admin.base import TableExportMixin, TableImportMixin
from members.records import NAMED_AT_MOST, RecordAdmin
from whitelist.names import Name, ids_called, names_of

SUBSCRIPTION_TONES: dict[str, Any] = {
    "pending": "info",
    "active": "good",
    "grace": "warn",
    "expired": "bad",
    "cancelled": "muted",
}


class PeopleAdmin(TableExportMixin, RecordAdmin):
    """A list of people by Telegram id, each with what they are called."""

    import_export_change_list_template: ClassVar[str] = "admin/import_export/change_list_export.html"
    change_list_template = "admin/whitelist/change_list.html"
    id_field = "pk"
    """Where a row keeps the Telegram id."""
    search_fields: ClassVar[Any] = ("pk",)  # else there would be no search box
    search_help_text = "A Telegram id, or a username or name"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        names = names_of(self.id_of(row) for row in rows)
        for row in rows:
            row.called = names[self.id_of(row)]
        changelist.result_list = rows
        return changelist

    def get_search_results(
        self, request: Any, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the whole id or by what somebody is called: no other field is worth a scan of the table."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.isascii() and term.isdigit():
            return queryset.filter(**{self.id_field: int(term)} if len(term) < 19 else {"pk": None}), False
        if not hasattr(request, "found_ids"):  # once for all queries of a page: it reads both tables of names
            named = (ids[: NAMED_AT_MOST + 1] for ids in ids_called(term))
            request.found_ids = frozenset(chain.from_iterable(named))
        if len(request.found_ids) <= NAMED_AT_MOST:
            return queryset.filter(**{f"{self.id_field}__in": request.found_ids}), False
        found = Q()
        for ids in ids_called(term):
            found |= Q(**{f"{self.id_field}__in": ids})
        return queryset.filter(found), False

    def id_of(self, row: Any) -> int:
        number: int = getattr(row, self.id_field)
        return number

    def heading(self, row: Any) -> str:
        """What the person is called, as in the list."""
        return str(names_of([self.id_of(row)])[self.id_of(row)]) or str(self.id_of(row))

    @admin.display(description="Name")
    def person(self, row: Any) -> str:
        name: Name = getattr(row, "called", None) or names_of([self.id_of(row)])[self.id_of(row)]
        return str(name) or self.get_empty_value_display()


class EditableAdmin(TableImportMixin, PeopleAdmin):
    """The same, with rows that staff add and change by hand or by table. None is ever deleted."""

    import_export_change_list_template = "admin/import_export/change_list_import_export.html"
    change_form_template = "admin/change_form.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request, obj)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """The day and the time of a moment share one label, so each says by itself what it is."""
        field = super().formfield_for_dbfield(db_field, request, **options)
        if isinstance(field, SplitDateTimeField):
            for widget, part in zip(field.widget.widgets, ("day", "time"), strict=True):
                widget.attrs["aria-label"] = f"{field.label}: {part}"
        return field
