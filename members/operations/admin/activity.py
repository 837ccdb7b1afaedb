"""The record of who did what: to be read, filtered, searched and verified, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from members.list_filters import ValuesFilter
from members.operations import record_check
from members.operations.display import event_outcome, person, words
from members.operations.models import ActivityEvent, ActivityHead, Step
from members.platforms.types import Platform
from members.records import RecordAdmin
from members.ui import DASH, time_tag


class PlatformFilter(admin.SimpleListFilter):
    title = "platform"
    parameter_name = "platform"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(platform), platform.label) for platform in Platform]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ActivityEvent]) -> QuerySet[ActivityEvent]:
        return queryset.filter(platform=value) if (value := self.value()) else queryset


@admin.register(ActivityEvent)
class ActivityEventAdmin(RecordAdmin):
    list_display = ("what", "when", "actor", "result", "whom", "where", "operation", "about")
    list_display_links = ("what",)
    list_filter = (
        ("action", ValuesFilter),
        ("outcome", ValuesFilter),
        PlatformFilter,
        ("actor", ValuesFilter),
    )
    search_fields = ("actor", "subject", "group_name", "group_id", "detail", "=operation_id")
    search_help_text = "Who, whom, a group's name or id, or the number of an operation"
    date_hierarchy = "at"
    ordering = ("-id",)
    change_list_template = "admin/operations/activityevent/change_list.html"
    fields = (
        "what",
        "when",
        "actor",
        "operation",
        "result",
        "whom",
        "where",
        "group_id",
        "about",
        "previous_hash",
        "hash",
    )
    empty_hint = "Every plan, confirmation and write is written down here."

    def get_urls(self) -> list[URLPattern]:
        verify = self.admin_site.admin_view(require_POST(self.verify_view))
        return [path("verify/", verify, name="operations_activityevent_verify"), *super().get_urls()]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        _name(changelist.result_list)
        return changelist

    def get_object(self, request: HttpRequest, *args: Any, **options: Any) -> ActivityEvent | None:
        event = super().get_object(request, *args, **options)
        if event is not None:
            _name([event])
        return event

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        head = ActivityHead.objects.filter(pk=1).first()
        checked = record_check.last_verification()
        context = {"length": head.length if head else 0, "checked": checked, "whole": record_check.WHOLE}
        return super().changelist_view(request, context | (extra_context or {}))

    def verify_view(self, request: HttpRequest) -> HttpResponse:
        """Check the whole record now, as `manage.py verify_activity` does."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        verdict = record_check.verify_record(actor=request.user.get_username())
        if verdict.problem:
            messages.error(request, f"The record is not whole. {record_check.problem_of(verdict)}")
        else:
            messages.success(request, f"The record is whole: {verdict.length:,} events.")
        return HttpResponseRedirect(reverse("admin:operations_activityevent_changelist"))

    def heading(self, row: ActivityEvent) -> str:
        return f"{self.what(row)} · {row.actor}"

    @admin.display(description="What", ordering="action")
    def what(self, event: ActivityEvent) -> str:
        return words(event.action.removeprefix("step."))

    @admin.display(description="When", ordering="id")
    def when(self, event: ActivityEvent) -> SafeString:
        return time_tag(event.at)

    @admin.display(description="Outcome", ordering="outcome")
    def result(self, event: ActivityEvent) -> str | SafeString:
        return event_outcome(event.outcome) if event.outcome else DASH

    @admin.display(description="Whom", ordering="subject")
    def whom(self, event: Any) -> str | SafeString:
        return person(event.subject, event.subject_name) if event.subject else DASH

    @admin.display(description="Group", ordering="group_name")
    def where(self, event: ActivityEvent) -> str:
        if not event.platform:
            return event.group_name or DASH
        label = Platform(event.platform).label
        return f"{event.group_name} ({label})" if event.group_name else label

    @admin.display(description="Detail")
    def about(self, event: ActivityEvent) -> str:
        return event.detail or DASH

    @admin.display(description="Operation", ordering="operation_id")
    def operation(self, event: ActivityEvent) -> str | SafeString:
        """By its number alone: the record outlives what it tells of."""
        if event.operation_id is None:
            return DASH
        url = reverse("admin:operations_operation_change", args=[event.operation_id])
        return format_html('<a href="{}">{}</a>', url, event.operation_id)


def _name(events: Iterable[Any]) -> None:
    """Give each event a `subject_name`, as its operation called them: the record itself keeps plain keys."""
    known = {(event.operation_id, event.subject) for event in events if event.operation_id and event.subject}
    steps = Step.objects.filter(
        operation_id__in={operation_id for operation_id, _ in known},
        subject__in={subject for _, subject in known},
    ).exclude(subject_name="")
    rows = steps.order_by().values_list("operation_id", "subject", "subject_name").distinct()
    names = {(operation_id, subject): name for operation_id, subject, name in rows}
    for event in events:
        event.subject_name = names.get((event.operation_id, event.subject), event.subject)
