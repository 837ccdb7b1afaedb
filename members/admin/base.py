"""What the admin pages of a hand-edited model have in common: history, and tables in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db.models import Field, Model
from django.forms import CharField, Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from import_export.admin import ExportMixin, ImportMixin
from import_export.forms import ImportForm, SelectableFieldsExportForm
from simple_history.admin import SimpleHistoryAdmin

from members.admin.versions import PlainChanges
from members.odd_addresses import OddAddresses
from members.table_files import Csv, UnreadableTable, UploadStorage, Xlsx
from members.tables import MAX_ROWS, TableResult, label
from members.ui import DASH, named_actions


class _FirstFormatChosen:
    """Mixed into a form of the package: the first format is chosen, instead of none."""

    fields: dict[str, Any]

    def _init_formats(self, formats: Any) -> None:
        super()._init_formats(formats)  # type: ignore[misc]  # the package's form stands behind it
        choice = self.fields["format"]
        choice.help_text = "XLSX opens in every spreadsheet program; CSV is plain text in UTF-8."
        choice.choices = [(value, label) for value, label in choice.choices if value]


class TableExportForm(_FirstFormatChosen, SelectableFieldsExportForm):
    """Which columns, and in which format."""

    def _get_field_label(self, resource: Any, field_name: str) -> str:
        return label(resource.fields[field_name].column_name)


class TableImportForm(_FirstFormatChosen, ImportForm):
    """Which file; its format is guessed by its name."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["import_file"].help_text = "A workbook or a CSV file, with the columns named above."


class TableExportMixin(ExportMixin):
    """The list as a CSV or XLSX table, with the filters that are set; for who may see it."""

    export_form_class = TableExportForm
    export_formats = (Xlsx, Csv)
    to_encoding = "utf-8-sig"  # else Excel takes a CSV file for Latin-1

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: Any, **options: Any) -> Any:
        if queryset.count() > MAX_ROWS:
            raise ValueError(f"These are more than {MAX_ROWS:,} rows. Set a filter first.")
        return super().get_export_data(file_format, request, queryset, **options)


class TableImportMixin(ImportMixin):
    """A CSV or XLSX table into the list: preview, confirm, and all of it or nothing."""

    import_form_class = TableImportForm
    import_formats = (Xlsx, Csv)
    tmp_storage_class = UploadStorage

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def get_import_data_kwargs(self, **options: Any) -> dict[str, Any]:
        return {**super().get_import_data_kwargs(**options), "rollback_on_validation_errors": True}

    def import_action(self, request: HttpRequest, **options: Any) -> HttpResponse:
        response = super().import_action(request, **options)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            (resource,) = self.get_import_resource_classes(request)
            response.context_data["columns"] = resource.column_labels()
        return response

    def add_data_read_fail_error_to_form(self, form: Form, e: Exception) -> None:
        """In words for whoever sent the file; the package names the Python exception."""
        form.add_error("import_file", _why_unreadable(e))

    def process_import(self, request: HttpRequest, **options: Any) -> HttpResponse:
        try:
            return super().process_import(request, **options)
        except FileNotFoundError:
            return self._refuse(request, "The uploaded file is gone. Upload it again.")

    def process_result(self, result: TableResult, request: HttpRequest) -> HttpResponse:
        """The preview was clean, but the policy may have changed since."""
        if problem := result.first_problem():
            return self._refuse(request, f"Nothing was imported. {problem}")
        return super().process_result(result, request)

    def _refuse(self, request: HttpRequest, message: str) -> HttpResponse:
        messages.error(request, message)
        app_label, model_name = self.get_model_info()
        return HttpResponseRedirect(reverse(f"admin:{app_label}_{model_name}_import"))


def _why_unreadable(error: Exception) -> str:
    match error:
        case UnreadableTable():
            return str(error)
        case UnicodeDecodeError():
            return (
                "This is no CSV file in UTF-8. In Excel, save it as “CSV UTF-8”, or choose the format xlsx."
            )
    return "This is no table of the format that you chose. Upload an XLSX workbook or a CSV file in UTF-8."


class HistoryAdmin(OddAddresses, SimpleHistoryAdmin):
    """A model whose every version is kept, to be read by whoever may read the row."""

    def history_form_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        """The package lets whoever may look at an old version bring it back, too."""
        if request.method == "POST" and not self.has_change_permission(request):
            raise PermissionDenied
        response: HttpResponse = super().history_form_view(request, *args, **options)
        return response

    def get_historical_record_context_helper(self, request: HttpRequest, record: Any) -> PlainChanges:
        return PlainChanges(self.model, record)


class PolicyAdmin(TableImportMixin, TableExportMixin, HistoryAdmin):
    """A model that staff edit by hand."""

    import_export_change_list_template = "admin/import_export/change_list_import_export.html"
    show_facets = ShowFacets.ALWAYS
    list_per_page = 50
    empty_value_display = DASH
    verbatim: ClassVar[tuple[str, ...]] = ()
    """Text fields in which leading and trailing spaces mean something."""
    fixed_fields: ClassVar[tuple[str, ...]] = ()
    """Fields that are filled in when a row is added, and can only be read from then on."""

    def get_action_choices(self, request: HttpRequest, *args: Any, **options: Any) -> list[tuple[str, str]]:
        return named_actions(super().get_action_choices(request))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Sequence[str]:
        return (*super().get_readonly_fields(request, obj), *(self.fixed_fields if obj else ()))

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **options: Any) -> Any:
        form_field = super().formfield_for_dbfield(db_field, request, **options)
        if db_field.name in self.verbatim and isinstance(form_field, CharField):
            form_field.strip = False
        if form_field is not None and isinstance(form_field.widget, RelatedFieldWidgetWrapper):
            # A slip of the mouse beside a choice must not delete or change the row that was chosen.
            form_field.widget.can_delete_related = form_field.widget.can_change_related = False
        return form_field
