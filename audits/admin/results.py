"""Results: each group as one run saw it; a line of the report."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audits.admin.base import RecordAdmin, link
from audits.display import VERDICT_TONES, words
from audits.models import AuditRun, GroupResult
from members.models import Employee
from members.platforms.types import Platform
from members.ui import DASH, badge

_RUNS_OFFERED = 20


class RunFilter(admin.SimpleListFilter):
    """Which run to look at; without a choice, the newest result of each platform's groups."""

    title = "run"
    parameter_name = "run"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        runs = AuditRun.objects.filter(results__isnull=False).distinct().order_by("-pk")[:_RUNS_OFFERED]
        return [(str(run.pk), f"{run}, {run.created_at:%d %b %Y}") for run in runs]

    def choices(self, changelist: Any) -> Any:
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "Newest",
        }
        yield from list(super().choices(changelist))[1:]

    def queryset(self, request: HttpRequest, queryset: QuerySet[GroupResult]) -> QuerySet[GroupResult]:
        if self.value():
            return queryset.filter(run_id=self.value())
        return queryset


def _people_column(field: str) -> Any:
    """A detail field that lists the people behind the keys, each linked to their own page."""

    @admin.display(description=words(field))
    def column(self: admin.ModelAdmin[GroupResult], result: GroupResult) -> SafeString:
        keys = getattr(result, field)
        if not keys:
            return format_html("{}", DASH)
        people = {employee.key: employee for employee in Employee.objects.filter(key__in=keys)}
        return format_html_join(", ", "{}", ((link(people[key]) if key in people else key,) for key in keys))

    return column


@admin.register(GroupResult)
class GroupResultAdmin(RecordAdmin):
    list_display = (
        "name",
        "platform",
        "category",
        "verdict_badge",
        "completeness",
        "missing",
        "flag_badges",
        "total_members",
        "run_link",
    )
    list_filter = (RunFilter, "verdict", "group__platform", "category", "requires_full_team", "privacy")
    list_select_related = ("group", "category", "run")
    search_fields = ("name", "group__external_id")
    search_help_text = "Group name or id"
    fields = (
        "group_link",
        "run_link",
        "platform",
        "category",
        "requires_full_team",
        "verdict_badge",
        "completeness",
        "flag_badges",
        "privacy",
        "history_visibility",
        "admin_status",
        "total_members",
        "people_required_present",
        "people_required_missing",
        "people_optional_present",
        "people_optional_missing",
        "people_excluded",
        "people_unresolved",
        "people_under_review",
        "people_departed",
    )
    empty_hint = "Run an audit: it writes one line for every group."
    people_required_present = _people_column("required_present")
    people_required_missing = _people_column("required_missing")
    people_optional_present = _people_column("optional_present")
    people_optional_missing = _people_column("optional_missing")
    people_excluded = _people_column("excluded")
    people_unresolved = _people_column("unresolved")
    people_under_review = _people_column("under_review")
    people_departed = _people_column("departed")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GroupResult]:
        results: QuerySet[GroupResult] = (
            super().get_queryset(request).select_related("group", "category", "run")
        )
        on_list = (
            request.resolver_match is not None
            and request.resolver_match.url_name == "audits_groupresult_changelist"
        )
        if not on_list or RunFilter.parameter_name in request.GET or "group__id__exact" in request.GET:
            return results
        return results.filter(run_id__in=newest_runs())

    @admin.display(description="Platform", ordering="group__platform")
    def platform(self, result: GroupResult) -> str:
        return Platform(result.group.platform).label

    @admin.display(description="Verdict", ordering="verdict")
    def verdict_badge(self, result: GroupResult) -> SafeString:
        return badge(result.get_verdict_display(), VERDICT_TONES[result.verdict])

    @admin.display(description="Required missing", ordering="-missing_count")
    def missing(self, result: GroupResult) -> str:
        return ", ".join(result.required_missing) or DASH

    @admin.display(description="Flags")
    def flag_badges(self, result: GroupResult) -> SafeString:
        return format_html_join(" ", "{}", ((badge(words(flag), "warn"),) for flag in result.flags))

    @admin.display(description="Run", ordering="run")
    def run_link(self, result: GroupResult) -> SafeString:
        return link(result.run)

    @admin.display(description="Group")
    def group_link(self, result: GroupResult) -> SafeString:
        return link(result.group, result.name)


def newest_runs() -> set[int]:
    """The newest run with results of each platform: a run for Slack alone leaves Telegram's rows standing."""
    newest = GroupResult.objects.order_by().values("group__platform").annotate(newest=Max("run_id"))
    return {row["newest"] for row in newest}
