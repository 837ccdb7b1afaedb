"""Results: each group as one run saw it; a line of the report."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audits.admin.filters import CustomerFilter, GroupFilter
from audits.admin.remedies import AddMissingAction, group_keys
from audits.display import VERDICT_TONES, VERDICTS_BY_URGENCY, in_order_of, words
from audits.latest import newest_results, recorded_runs
from audits.models import BULKY, GroupResult
from audits.reasons import Reasons
from audits.remediation.selections import MissingSelection
from members.dates import day_in_words
from members.list_filters import ALL, DefaultFilter, number
from members.models import Employee
from members.platforms.types import Platform
from members.records import RecordAdmin, link
from members.ui import DASH, NBSP, badge

NEWEST = "newest"
RUNS_OFFERED = 20


class RunFilter(DefaultFilter):
    """Which run to look at; without a choice, the newest word on each platform."""

    title = "run"
    parameter_name = "run"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        runs = recorded_runs().exclude(verdicts={}).only("finished_at", "created_at")  # else: no rows
        offered = list(runs[:RUNS_OFFERED])
        chosen = self.used_parameters.get(self.parameter_name, NEWEST)
        if chosen not in (NEWEST, ALL, *(str(run.pk) for run in offered)):
            offered += runs.filter(pk=number(chosen))
        return [
            (NEWEST, "Newest of each platform"),
            *((str(run.pk), f"{run}, {day_in_words(run.finished_at or run.created_at)}") for run in offered),
            (ALL, "All runs"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[GroupResult]) -> QuerySet[GroupResult]:
        if self.value() == ALL:
            return queryset
        return queryset.filter(self._newest if self.value() == NEWEST else Q(run_id=number(self.value())))

    @cached_property
    def _newest(self) -> Q:
        return newest_results()


PEOPLE = (
    "required_present",
    "required_missing",
    "optional_present",
    "optional_missing",
    "excluded",
    "unresolved",
    "under_review",
    "departed",
)
"""The fields of a result that list people by key."""


def _look_up_people(results: Collection[Any]) -> None:
    """Give each result `people` (key → employee, for everybody it lists) and `reasons`, for a few queries."""
    keys = {key for result in results for field in PEOPLE for key in getattr(result, field)}
    people = Employee.objects.in_bulk(keys, field_name="key")
    reasons = Reasons.load()
    for result in results:
        result.people, result.reasons = people, reasons


def _people_column(field: str) -> Any:
    """The people of one field, each linked to their own page."""

    @admin.display(description=words(field))
    def column(self: GroupResultAdmin, result: Any) -> str | SafeString:
        keys = getattr(result, field)
        rows = ((link(result.people[key]) if key in result.people else key,) for key in keys)
        return format_html_join(", ", "{}", rows) or DASH

    return column


def _missing_column(field: str) -> Any:
    """The same for people who are missing, each with the reason why they are asked for."""

    @admin.display(description=words(field))
    def column(self: GroupResultAdmin, result: Any) -> SafeString:
        rows = (
            (link(result.people[key]) if key in result.people else key, _why(result, key))
            for key in getattr(result, field)
        )
        lines = format_html_join("", '<li>{} <span class="quiet">{}</span></li>', rows)
        return format_html('<ul class="feed">{}</ul>', lines)

    return column


def _why(result: Any, key: str) -> str:
    why: str = result.reasons.why(key, result.group.platform, result.category_key)
    return why


@admin.register(GroupResult)
class GroupResultAdmin(AddMissingAction, RecordAdmin):
    list_display = (
        "name",
        "platform",
        "category",
        "verdict_badge",
        "present",
        "missing",
        "flag_badges",
        "run_link",
    )
    list_filter = (
        RunFilter,
        "verdict",
        GroupFilter,
        "group__platform",
        "category",
        CustomerFilter,
        "requires_full_team",
        "privacy",
        "history_visibility",
        "admin_status",
    )
    list_select_related = ("group", "category", "run")
    search_fields = ("name", "group__external_id")
    search_help_text = "Group name or id"
    ordering = (in_order_of(VERDICTS_BY_URGENCY, "verdict"), "-missing_count", Lower("name"), "-pk")
    facts = (
        "group_link",
        "run_link",
        "platform",
        "category",
        "requires_full_team",
        "verdict_badge",
        "present",
        "flag_badges",
        "privacy",
        "history_visibility",
        "admin_status",
        "total_members",
    )
    tab_field = "verdict"
    actions = ("add_missing",)
    tab_order = VERDICTS_BY_URGENCY
    empty_hint = "Run an audit: it writes one line for every group."
    people_required_present = _people_column("required_present")
    people_required_missing = _missing_column("required_missing")
    people_optional_present = _people_column("optional_present")
    people_optional_missing = _missing_column("optional_missing")
    people_excluded = _people_column("excluded")
    people_unresolved = _people_column("unresolved")
    people_under_review = _people_column("under_review")
    people_departed = _people_column("departed")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GroupResult]:
        results = super().get_queryset(request).select_related("group", "category", "run")
        return results.defer(*(f"run__{field}" for field in BULKY))

    def get_search_results(
        self, request: Any, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Among those of the chosen run, not of all years, where one is chosen: they are few."""
        if request.GET.get(RunFilter.parameter_name) == ALL:
            return super().get_search_results(request, queryset, search_term)
        return self.search(request, queryset, search_term)

    def missing_in(self, queryset: QuerySet[GroupResult]) -> MissingSelection:
        groups = queryset.order_by("pk").values_list("group__platform", "group__external_id")
        return MissingSelection(groups=group_keys(groups))

    def get_list_display(self, request: HttpRequest) -> Any:
        """The run only where the rows may differ in it."""
        mixed = request.GET.get(RunFilter.parameter_name, NEWEST) in (NEWEST, ALL)
        return [column for column in self.list_display if mixed or column != "run_link"]

    def get_ordering(self, request: HttpRequest) -> Any:
        """Of many groups the gaps first, run by run; of one group its last audit first."""
        if GroupFilter.parameter_name in request.GET:
            return ("-run__finished_at", "-run_id")
        by_run = ("-run_id",) if request.GET.get(RunFilter.parameter_name) == ALL else ()
        return (*by_run, *self.ordering)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The facts, and those lists of people that have somebody in them."""
        people = tuple(f"people_{field}" for field in PEOPLE if obj is None or getattr(obj, field))
        return ((None, {"fields": self.facts}), ("People", {"fields": people}))

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        _look_up_people(changelist.result_list)
        return changelist

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> GroupResult | None:
        result: GroupResult | None = super().get_object(request, *args, **kwargs)
        if result is not None:
            _look_up_people([result])
        return result

    @admin.display(description="Platform", ordering="group__platform")
    def platform(self, result: GroupResult) -> str:
        return Platform(result.group.platform).label

    @admin.display(description="Verdict", ordering=in_order_of(VERDICTS_BY_URGENCY, "verdict"))
    def verdict_badge(self, result: GroupResult) -> SafeString:
        return badge(result.get_verdict_display(), VERDICT_TONES[result.verdict])

    @admin.display(description="Completeness")
    def present(self, result: GroupResult) -> str:
        return result.completeness

    @admin.display(description="Missing", ordering="missing_count")
    def missing(self, result: Any) -> str | SafeString:
        names = ((_why(result, key), result.people.get(key, key)) for key in result.required_missing)
        return format_html_join(", ", '<span title="{}">{}</span>', names) or DASH

    @admin.display(description="Flags")
    def flag_badges(self, result: GroupResult) -> str | SafeString:
        return format_html_join(" ", "{}", ((badge(words(flag), "warn"),) for flag in result.flags)) or DASH

    @admin.display(description="Run", ordering="run_id")
    def run_link(self, result: GroupResult) -> SafeString:
        return link(result.run, str(result.run).replace(" ", NBSP))

    @admin.display(description="Group")
    def group_link(self, result: GroupResult) -> SafeString:
        return link(result.group)
