"""Employees and teams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from members import services
from members.admin.base import PolicyAdmin
from members.models import Employee, EmployeeAccount, EmployeeHandle, SlackWorkspace, Team
from members.platforms.types import Platform
from members.policy import EmployeeStatus
from members.resources import EmployeeResource, TeamResource
from members.ui import DASH, Tone, badge, time_tag

_STATUS_TONES: dict[str, Tone] = {
    EmployeeStatus.ACTIVE: "good",
    EmployeeStatus.OPTIONAL: "info",
    EmployeeStatus.UNDER_REVIEW: "warn",
    EmployeeStatus.OFFBOARDED: "muted",
}


class _WithoutMemberships:
    """Deleting a team, or somebody in it: who was in which team needs no line each."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        to_delete, counts, *rest = super().get_deleted_objects(objs, request)  # type: ignore[misc]
        memberships = Employee.teams.through._meta
        counts.pop(memberships.verbose_name_plural, None)
        return (_without(to_delete, f"{capfirst(memberships.verbose_name)}: "), counts, *rest)


@admin.register(Team)
class TeamAdmin(_WithoutMemberships, PolicyAdmin):
    resource_classes = (TeamResource,)
    fixed_fields = ("key",)
    list_display = ("name", "key", "people", "rules_naming_it")
    search_fields = ("name", "key")
    fields = ("name", "key", "members")
    readonly_fields = ("members",)
    empty_hint = "A team is a set of employees; rules speak of teams."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                people_count=Count("employees", distinct=True), rules_count=Count("rules", distinct=True)
            )
        )

    @admin.display(description="People", ordering="people_count")
    def people(self, team: Any) -> int:
        return team.people_count

    @admin.display(description="Rules", ordering="rules_count")
    def rules_naming_it(self, team: Any) -> int:
        return team.rules_count

    @admin.display(description="Members")
    def members(self, team: Team) -> str | SafeString:
        """Who is in it; membership is edited with the employee, so that it is part of their history."""
        if team.pk is None:
            return DASH
        names = format_html_join(", ", "{}", team.employees.values_list("name"))
        return names or DASH


class EmployeeHandleInline(admin.TabularInline):
    model = EmployeeHandle
    fields = readonly_fields = ("platform", "username", "first_seen", "last_seen")
    verbose_name_plural = "usernames seen by audits"
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="First seen")
    def first_seen(self, handle: EmployeeHandle) -> SafeString:
        return time_tag(handle.first_seen_at)

    @admin.display(description="Last seen")
    def last_seen(self, handle: EmployeeHandle) -> SafeString:
        return time_tag(handle.last_seen_at)


class EmployeeAccountInline(admin.TabularInline):
    """Who they are in further Slack workspaces; only where there are any."""

    model = EmployeeAccount
    fields = ("workspace", "username", "user_id")
    extra = 0


@admin.register(Employee)
class EmployeeAdmin(_WithoutMemberships, PolicyAdmin):
    resource_classes = (EmployeeResource,)
    fixed_fields = ("key",)
    list_display = ("name", "title", "status_badge", "team_names", "slack", "telegram")
    list_filter = (
        "status",
        "teams",
        ("slack_user_id", EmptyFieldListFilter),
        ("telegram_user_id", EmptyFieldListFilter),
    )
    search_fields = (
        "name",
        "key",
        "title",
        "email",
        "slack_username",
        "slack_user_id",
        "telegram_username",
        "telegram_user_id",
        "handles__username",
    )
    search_help_text = "Name, key, title, e-mail, a present or former username, or an id"
    autocomplete_fields = ("teams", "user")
    inlines = (EmployeeAccountInline, EmployeeHandleInline)
    actions: Sequence[str] = ("mark_active", "mark_offboarded")
    readonly_fields = ("created", "updated")
    fieldsets = (
        (None, {"fields": ("name", "key", "title", "email", "user", "status", "teams")}),
        ("Slack", {"fields": (("slack_username", "slack_user_id"),)}),
        ("Telegram", {"fields": (("telegram_username", "telegram_user_id"),)}),
        ("Record", {"fields": (("created", "updated"),), "classes": ("collapse",)}),
    )
    empty_hint = "Load a policy file, import a table, or add the people by hand."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Employee]:
        return super().get_queryset(request).prefetch_related("teams")

    def get_inlines(self, request: HttpRequest, obj: Any) -> tuple[type[admin.TabularInline], ...]:
        if obj is None:
            return ()
        return self.inlines if SlackWorkspace.objects.exists() else (EmployeeHandleInline,)

    def save_model(self, request: HttpRequest, obj: Employee, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for platform in Platform:
            id_field, username_field = f"{platform}_user_id", f"{platform}_username"
            stale = username_field in form.changed_data and id_field not in form.changed_data
            if stale and (known_id := getattr(obj, id_field)) is not None:
                messages.warning(
                    request,
                    f"The {platform.label} id {known_id} still decides who {obj.name} is there. "
                    "Clear it to match by the new username.",
                )

    @admin.display(description="Status", ordering="status")
    def status_badge(self, employee: Employee) -> SafeString:
        return badge(employee.get_status_display(), _STATUS_TONES[employee.status])

    @admin.display(description="Teams")
    def team_names(self, employee: Employee) -> str:
        return ", ".join(team.name for team in employee.teams.all()) or DASH

    @admin.display(description="Slack", ordering="slack_username")
    def slack(self, employee: Employee) -> SafeString:
        return _account(employee.slack_username, employee.slack_user_id)

    @admin.display(description="Telegram", ordering="telegram_username")
    def telegram(self, employee: Employee) -> SafeString:
        return _account(employee.telegram_username, employee.telegram_user_id)

    @admin.display(description="Created")
    def created(self, employee: Employee) -> SafeString:
        return time_tag(employee.created_at)

    @admin.display(description="Last changed")
    def updated(self, employee: Employee) -> SafeString:
        return time_tag(employee.updated_at)

    @admin.action(description="Mark as active", permissions=["change"])
    def mark_active(self, request: HttpRequest, queryset: QuerySet[Employee]) -> None:
        self._mark(request, queryset, EmployeeStatus.ACTIVE)

    @admin.action(description="Mark as offboarded", permissions=["change"])
    def mark_offboarded(self, request: HttpRequest, queryset: QuerySet[Employee]) -> None:
        self._mark(request, queryset, EmployeeStatus.OFFBOARDED)

    def _mark(self, request: HttpRequest, queryset: QuerySet[Employee], status: EmployeeStatus) -> None:
        count = services.set_status(employees=queryset, status=status)
        if not count:
            messages.info(request, f"Nothing changed: all of them are {status} already.")
            return
        messages.success(request, f"{count} changed to {status}. The next audit goes by it.")


def _without(lines: list[Any], beginning: str) -> list[Any]:
    """A nested list of lines as Django has it for a deletion, without those that begin so."""
    return [
        _without(line, beginning) if isinstance(line, list) else line
        for line in lines
        if isinstance(line, list) or not str(line).startswith(beginning)
    ]


def _account(username: str, known_id: object) -> SafeString:
    """ "@ada", and a warning where nobody knows yet which id is behind it."""
    if known_id is None:
        return (
            format_html("@{} {}", username, badge("not matched yet", "warn")) if username else badge("none")
        )
    return format_html('<span title="id {}">{}</span>', known_id, f"@{username}" if username else known_id)
