"""Steps: every write of an operation with its own outcome, to be searched and filtered."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet, Value
from django.db.models.functions import Upper
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from members.list_filters import LinkedFilter
from members.list_search import words_of
from members.operations.admin.pages import by_urgency
from members.operations.connections import name_of
from members.operations.display import arguments_label, kind_label, person, step_badge, words
from members.operations.models import Operation, Step
from members.platforms.types import Platform
from members.records import RecordAdmin, link
from members.ui import DASH, time_tag


class OperationFilter(LinkedFilter):
    title = "operation"
    parameter_name = "operation__id__exact"
    model = Operation


@admin.register(Step)
class StepAdmin(RecordAdmin):
    list_display = (
        "what",
        "status",
        "group_name",
        "platform_name",
        "message",
        "ended",
        "operation_link",
    )
    list_display_links = ("what",)
    list_filter = (OperationFilter, "state", "outcome", "platform")
    search_fields = ("search_text",)  # see `search`
    search_help_text = "Group or person: name, key or id"
    ordering = ("-operation_id", by_urgency(), "position")
    tab_field = "state"
    fields = (
        "operation_link",
        "status",
        "message",
        "what",
        "whom",
        "user_id",
        "group_name",
        "group_id",
        "through",
        "details",
        "tries",
        "began",
        "ended",
    )
    empty_hint = "They come with the operations that are planned."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Step]:
        slim = ("operation__kind", "operation__state")
        return super().get_queryset(request).select_related("operation").only(*_FIELDS, *slim)

    def search(self, request: Any, rows: QuerySet[Step], term: str) -> tuple[QuerySet[Step], bool]:
        for word in words_of(term):
            rows = rows.filter(search_text__contains=Upper(Value(word)))
        return rows, False

    def get_list_display(self, request: HttpRequest) -> Any:
        """The operation only where the rows may differ in it."""
        mixed = OperationFilter.parameter_name not in request.GET
        return [column for column in self.list_display if mixed or column != "operation_link"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False  # a page of its operation, not of the navigation

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("operations.view_operation")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        chosen = request.GET.get(OperationFilter.parameter_name, "")
        operation = Operation.objects.filter(pk=int(chosen)).first() if _is_key(chosen) else None
        context = {"operation": operation, "operation_opts": Operation._meta}
        return super().changelist_view(request, context | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["operation_opts"] = Operation._meta
        return super().render_change_form(request, context, *args, **kwargs)

    def heading(self, row: Step) -> str:
        return f"{self.what(row)} · {row.group_name}".strip(" ·")

    @admin.display(description="Step", ordering="verb")
    def what(self, step: Step) -> str:
        who = step.subject_name or step.user_id
        return f"{words(step.verb)} {who or arguments_label(step.operation.kind, step.arguments)}".strip()

    @admin.display(description="State", ordering=by_urgency())
    def status(self, step: Step) -> SafeString:
        return step_badge(step, step.operation.kind)

    @admin.display(description="Platform", ordering="platform")
    def platform_name(self, step: Step) -> str:
        return Platform(step.platform).label

    @admin.display(description="Platform")
    def through(self, step: Step) -> str:
        """The platform, and which of several accounts there."""
        return name_of(Platform(step.platform), step.connection)

    @admin.display(description="Operation", ordering="operation_id")
    def operation_link(self, step: Step) -> SafeString:
        return link(step.operation, f"{step.operation}: {kind_label(step.operation.kind)}")

    @admin.display(description="Whom")
    def whom(self, step: Step) -> str | SafeString:
        return person(step.subject, step.subject_name) or DASH

    @admin.display(description="Details")
    def details(self, step: Step) -> str:
        told = _named("before", step.before) | _named("after", step.after)
        said = [f"{words(name)}: {value}" for name, value in told.items()]
        return "\n".join(filter(None, [arguments_label(step.operation.kind, step.arguments), *said])) or DASH

    @admin.display(description="Tries without an answer")
    def tries(self, step: Step) -> int:
        return step.attempts

    @admin.display(description="Call begun", ordering="started_at")
    def began(self, step: Step) -> SafeString:
        return time_tag(step.started_at)

    @admin.display(description="Ended", ordering="finished_at")
    def ended(self, step: Step) -> SafeString:
        return time_tag(step.finished_at)


_FIELDS = [field.name for field in Step._meta.concrete_fields if not field.generated]


def _named(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix} {name}": value for name, value in values.items()}


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
