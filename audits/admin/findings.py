"""Findings: what is wrong now, what was, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from audits.admin.base import RecordAdmin, link
from audits.display import CHANGE_TONES, STATE_TONES
from audits.models import Finding, FindingChange
from members.ui import badge, time_tag

if TYPE_CHECKING:
    ChangeInlineBase = admin.TabularInline[FindingChange, Finding]
else:
    ChangeInlineBase = admin.TabularInline


class FindingChangeInline(ChangeInlineBase):
    """The finding's life, run by run."""

    model = FindingChange
    verbose_name_plural = "history"
    fields = readonly_fields = ("when", "what", "reason", "by")
    can_delete = False
    extra = 0
    ordering = ("-at",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("run")

    def has_add_permission(self, request: HttpRequest, obj: Finding | None = None) -> bool:
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


@admin.register(Finding)
class FindingAdmin(RecordAdmin):
    list_display = ("what", "group_link", "employee_link", "status", "detail", "first_seen", "last_seen")
    list_display_links = ("what",)
    list_filter = ("state", "kind", "platform", "group__category", "employee__teams")
    list_select_related = ("group", "employee")
    search_fields = ("group__name", "group_external_id", "employee__name", "subject")
    search_help_text = "Group name or id, employee name or key"
    date_hierarchy = "first_seen_at"
    show_facets = admin.ShowFacets.ALLOW
    inlines: ClassVar = [FindingChangeInline]
    fields = (
        "what",
        "status",
        "detail",
        "platform",
        "group_link",
        "group_external_id",
        "employee_link",
        "first_seen",
        "first_run",
        "last_seen",
        "last_run",
        "resolved",
        "end_reason",
        "times_reopened",
    )
    empty_hint = "Run an audit: it writes down everything that is wrong."

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super()
            .get_queryset(request)
            .select_related("group", "employee", "first_seen_run", "last_seen_run")
        )

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
