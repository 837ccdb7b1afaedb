"""How long messages are kept, and what was deleted because its time was over."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from audits.history.display import counted, size_in_words
from audits.history.models import Purge, RetentionPeriod
from audits.history.retention import count_overdue
from members.admin.base import HistoryAdmin
from members.dates import day_in_words
from members.records import RecordAdmin
from members.ui import DASH, badge, named_actions, time_tag


@admin.register(RetentionPeriod)
class RetentionPeriodAdmin(HistoryAdmin):
    list_display = ("category", "period")
    list_select_related = ("category",)
    # Unlike the other pages of this app, these are edited by hand.
    change_list_template = "admin/change_list.html"
    change_form_template = "admin/change_form.html"

    @property
    def empty_hint(self) -> str:
        return f"{_usually_kept()} Add one for a category that needs another time."

    def get_fieldsets(self, request: HttpRequest, obj: RetentionPeriod | None = None) -> Any:
        return [(None, {"fields": ("category", "days"), "description": _usually_kept()})]

    def get_readonly_fields(self, request: HttpRequest, obj: RetentionPeriod | None = None) -> Any:
        return ("category",) if obj is not None else ()

    def get_action_choices(self, request: HttpRequest, *args: Any, **options: Any) -> list[tuple[str, str]]:
        return named_actions(super().get_action_choices(request))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget  # a category is chosen here, and edited elsewhere
        return field

    def save_model(
        self, request: HttpRequest, obj: RetentionPeriod, form: ModelForm[Any], change: bool
    ) -> None:
        """What the next purge will do with it is said at once, while it can still be changed."""
        super().save_model(request, obj, form, change)
        count = count_overdue(obj.category_id, obj.days)
        if count:
            messages.warning(
                request,
                f"{counted(count, 'message')} of this category {'is' if count == 1 else 'are'} older. "
                "The next purge (see Schedules) deletes what is, unless you change the number before.",
            )

    @admin.display(description="Messages are kept", ordering="days")
    def period(self, period: RetentionPeriod) -> str:
        return f"{period.days:,} days" if period.days else "for ever"


def _usually_kept() -> str:
    days = settings.HISTORY_RETENTION_DAYS
    kept = f"for {counted(days, 'day')}" if days else "for ever"
    return f"Where a category says nothing else, messages are kept {kept}."


@admin.register(Purge)
class PurgeAdmin(RecordAdmin):
    list_display = (
        "name",
        "started",
        "messages_deleted",
        "groups_touched",
        "files_deleted",
        "freed",
        "ended",
    )
    list_display_links = ("name",)
    date_hierarchy = "started_at"
    change_form_template = "admin/history/purge.html"
    empty_title = "Nothing has been deleted yet"
    empty_hint = "Nothing was old enough to be deleted so far."
    fields = ()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        report: Purge = kwargs["obj"]
        context |= {
            "title": str(report),
            "subtitle": None,
            "report": report,
            "lines": [
                line | {"before": day_in_words(date.fromisoformat(line["before"]))} for line in report.groups
            ],
            "freed": size_in_words(report.bytes) if report.bytes else DASH,
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="Purge", ordering="id")
    def name(self, report: Purge) -> str:
        return str(report)

    @admin.display(description="Started", ordering="started_at")
    def started(self, report: Purge) -> SafeString:
        return time_tag(report.started_at)

    @admin.display(description="Messages deleted", ordering="messages")
    def messages_deleted(self, report: Purge) -> str:
        return f"{report.messages:,}"

    @admin.display(description="Groups")
    def groups_touched(self, report: Purge) -> str:
        return f"{len(report.groups):,}"

    @admin.display(description="Files deleted", ordering="files")
    def files_deleted(self, report: Purge) -> str:
        return f"{report.files:,}"

    @admin.display(description="They held", ordering="bytes")
    def freed(self, report: Purge) -> str:
        return size_in_words(report.bytes) if report.bytes else DASH

    @admin.display(description="State")
    def ended(self, report: Purge) -> SafeString:
        return badge("Done", "good") if report.finished_at else badge("Under way, or cut short", "warn")
