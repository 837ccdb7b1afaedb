"""Findings: what is wrong now, what was, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from import_export import resources

from audits.admin.base import RecordAdmin, link
from audits.admin.filters import ALL, DefaultFilter, GroupFilter, LinkedFilter, number
from audits.display import CHANGE_TONES, STATE_TONES, optional_last, words
from audits.lifecycle import Change, State
from audits.models import Finding, FindingChange
from members.admin.base import TableExportMixin
from members.models import Employee, Exclusion, holding
from members.tables import Moment, WholeNumber, shown
from members.ui import DASH, badge, time_tag

if TYPE_CHECKING:
    ChangeInlineBase = admin.TabularInline[FindingChange, Finding]
else:
    ChangeInlineBase = admin.TabularInline


class StateFilter(DefaultFilter):
    """What is open, until somebody asks for more."""

    title = "state"
    parameter_name = "state__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((str(state), words(state)) for state in State), (ALL, "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Finding]) -> QuerySet[Finding]:
        return queryset if self.value() == ALL else queryset.filter(state=self.value())


class EmployeeFilter(LinkedFilter):
    title = "employee"
    parameter_name = "employee__id__exact"
    model = Employee


class ChangedByFilter(admin.SimpleListFilter):
    """What one run changed: "7", or "7-opened" for one sort of change alone. The run's page sets it."""

    title = "changed by"
    parameter_name = "changed_by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = self.value()
        if value is None:
            return []
        run_id, change = self._parts(value)
        return [(value, f"Audit {run_id}" + (f", {change}" if change else ""))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Finding]) -> QuerySet[Finding]:
        value = self.value()
        if value is None:
            return queryset
        run_id, change = self._parts(value)
        changes = FindingChange.objects.filter(run_id=run_id)
        if change:
            changes = changes.filter(change=change)
        return queryset.filter(pk__in=changes.values("finding"))

    def _parts(self, value: str) -> tuple[int, str]:
        run_id, _, change = value.partition("-")
        return number(run_id), change if change in {*Change} else ""


class FindingChangeInline(ChangeInlineBase):
    """The finding's life, run by run."""

    model = FindingChange
    verbose_name_plural = "history"
    fields = readonly_fields = ("when", "what", "reason", "by")
    can_delete = False
    extra = 0
    ordering = ("-at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FindingChange]:
        return super().get_queryset(request).select_related("run")

    def has_view_permission(self, request: HttpRequest, obj: Finding | None = None) -> bool:
        return True  # whoever may see the finding may see its history

    def has_add_permission(self, request: HttpRequest, obj: Finding | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Finding | None = None) -> bool:
        return False

    @admin.display(description="When")
    def when(self, change: FindingChange) -> SafeString:
        return time_tag(change.at)

    @admin.display(description="What")
    def what(self, change: FindingChange) -> SafeString:
        return badge(change.get_change_display(), CHANGE_TONES[change.change])

    @admin.display(description="By")
    def by(self, change: FindingChange) -> SafeString:
        return link(change.run)


class FindingResource(resources.ModelResource):
    """The findings as a table, with names beside the keys."""

    group_name = shown("group__name", name="group_name")
    employee_name = shown("employee__name", name="employee_name")
    first_seen_utc = shown("first_seen_at", Moment(), name="first_seen_utc")
    last_seen_utc = shown("last_seen_at", Moment(), name="last_seen_utc")
    resolved_utc = shown("resolved_at", Moment(), name="resolved_utc")
    times_reopened = shown("times_reopened", WholeNumber())

    class Meta:
        model = Finding
        fields = export_order = (
            "platform",
            "group_external_id",
            "group_name",
            "kind",
            "subject",
            "employee_name",
            "state",
            "detail",
            "first_seen_utc",
            "last_seen_utc",
            "resolved_utc",
            "end_reason",
            "times_reopened",
        )


@admin.register(Finding)
class FindingAdmin(TableExportMixin, RecordAdmin):
    resource_classes = (FindingResource,)
    change_list_template = "admin/audits/change_list.html"
    list_display = ("what", "status", "group_link", "employee_link", "detail", "first_seen", "last_seen")
    list_display_links = ("what",)
    list_filter = (
        StateFilter,
        "kind",
        "platform",
        GroupFilter,
        EmployeeFilter,
        ChangedByFilter,
        "group__category",
        "employee__teams",
    )
    list_select_related = ("group", "employee")
    search_fields = ("group__name", "group_external_id", "employee__name", "subject")
    search_help_text = "Group name or id, employee name or key"
    date_hierarchy = "first_seen_at"
    ordering = (optional_last(), "-first_seen_at", "-id")
    tab_field = "state"
    inlines: ClassVar = [FindingChangeInline]
    empty_hint = "Run an audit: it writes down everything that is wrong."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Finding]:
        related = ("group", "employee", "first_seen_run", "last_seen_run")
        return super().get_queryset(request).select_related(*related)

    def get_fields(self, request: HttpRequest, obj: Finding | None = None) -> tuple[str, ...]:
        """What this finding has something to say about."""
        ended = ("resolved", "end_reason") if obj and obj.state == State.RESOLVED else ()
        excluded = ("excluded_because",) if obj and obj.state == State.EXCLUDED else ()
        reopened = ("times_reopened",) if obj and obj.times_reopened else ()
        seen = ("first_seen", "first_run", "last_seen", "last_run")
        return (
            "status",
            *excluded,
            "detail",
            "platform",
            "group_link",
            "employee_link",
            *seen,
            *ended,
            *reopened,
        )

    def get_list_display(self, request: HttpRequest) -> Any:
        """The state only where the rows differ in it."""
        mixed = request.GET.get(StateFilter.parameter_name) == ALL
        return [column for column in self.list_display if mixed or column != "status"]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        finding: Finding = kwargs["obj"]
        who_and_where = (str(part) for part in (finding.employee, finding.group) if part is not None)
        context["subtitle"] = ": ".join((finding.get_kind_display(), " in ".join(who_and_where)))
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="Finding", ordering="kind")
    def what(self, finding: Finding) -> str:
        return finding.get_kind_display()

    @admin.display(description="Group", ordering="group__name")
    def group_link(self, finding: Finding) -> SafeString:
        return link(finding.group)

    @admin.display(description="Employee", ordering="employee__name")
    def employee_link(self, finding: Finding) -> SafeString:
        return link(finding.employee)

    @admin.display(description="State", ordering="state")
    def status(self, finding: Finding) -> SafeString:
        return badge(finding.get_state_display(), STATE_TONES[finding.state], hint=finding.end_reason)

    @admin.display(description="Excluded because")
    def excluded_because(self, finding: Finding) -> SafeString | str:
        granted = Exclusion.objects.filter(
            holding(timezone.now().date()),
            Q(employee=finding.employee_id) | Q(employee=None),
            Q(kind=finding.kind) | Q(kind=""),
            platform=finding.platform,
            group_external_id=finding.group_external_id,
        )
        return format_html_join("; ", "{}", ((link(row, row.reason),) for row in granted)) or DASH

    @admin.display(description="First seen", ordering="first_seen_at")
    def first_seen(self, finding: Finding) -> SafeString:
        return time_tag(finding.first_seen_at)

    @admin.display(description="Last seen", ordering="last_seen_at")
    def last_seen(self, finding: Finding) -> SafeString:
        return time_tag(finding.last_seen_at)

    @admin.display(description="Resolved")
    def resolved(self, finding: Finding) -> SafeString:
        return time_tag(finding.resolved_at)

    @admin.display(description="First seen by")
    def first_run(self, finding: Finding) -> SafeString:
        return link(finding.first_seen_run)

    @admin.display(description="Last seen by")
    def last_run(self, finding: Finding) -> SafeString:
        return link(finding.last_seen_run)
