"""Trends: coverage over time, and how it went with one category, one group, one employee."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from audits.histories import load_employee_history, load_group_history
from audits.lifecycle import State
from audits.models import AuditRun, Finding
from audits.trends import WINDOW, coverage_points, recent_runs, telling_runs
from members.charts import Bar
from members.models import Category, Employee, Group
from members.platforms.types import Platform
from members.policy import FindingKind
from members.time_charts import Series

PEOPLE_SHOWN = 20


@require_GET
def trends_view(request: HttpRequest) -> HttpResponse:
    """Coverage of both platforms and of every category, and who is missing in most groups."""
    _require(request, "audits.view_auditrun")
    runs = telling_runs(recent_runs(), since=timezone.now() - WINDOW)
    categories = [
        (category, series)
        for category in Category.objects.order_by("position", "pk")
        if (series := _by_platform(runs, category.key))
    ]
    context = {
        **_context(request, "Trends"),
        "series": _by_platform(runs),
        "categories": categories,
        "people": _most_missing(request),
    }
    return TemplateResponse(request, "admin/audits/trends.html", context)


@require_GET
def group_trend_view(request: HttpRequest, pk: int) -> HttpResponse:
    """One group, audit by audit."""
    _require(request, "audits.view_groupresult", "members.view_group")
    group = get_object_or_404(Group.objects.select_related("category"), pk=pk)
    context = {**_context(request, group.name), "group": group, "history": load_group_history(group)}
    return TemplateResponse(request, "admin/audits/group_trend.html", context)


@require_GET
def employee_trend_view(request: HttpRequest, pk: int) -> HttpResponse:
    """One employee, audit by audit."""
    _require(request, "audits.view_finding", "members.view_employee")
    employee = get_object_or_404(Employee, pk=pk)
    context = {
        **_context(request, employee.name),
        "employee": employee,
        "history": load_employee_history(employee),
    }
    return TemplateResponse(request, "admin/audits/employee_trend.html", context)


def _require(request: HttpRequest, *permissions: str) -> None:
    if not request.user.has_perms(permissions):
        raise PermissionDenied


def _context(request: HttpRequest, title: str) -> dict[str, Any]:
    return {**admin.site.each_context(request), "title": title, "opts": AuditRun._meta}


def _by_platform(runs: list[AuditRun], category: str | None = None) -> list[Series]:
    """The platforms that have something to tell."""
    found = (
        Series(platform.label, coverage_points(runs, platform=platform, category=category))
        for platform in Platform
    )
    return [series for series in found if series.points]


def _most_missing(request: HttpRequest) -> list[Bar]:
    """Employees by the number of groups that miss them, each with the way to their own trend."""
    if not request.user.has_perm("audits.view_finding"):
        return []
    open_ones = Finding.objects.filter(
        state=State.OPEN, kind=FindingKind.MISSING_REQUIRED, employee__isnull=False
    )
    counted = open_ones.order_by().values_list("employee", "employee__name").annotate(groups=Count("pk"))
    may_open = request.user.has_perm("members.view_employee")
    return [
        Bar(name, groups, url=reverse("admin:employee_trend", args=[pk]) if may_open else "")
        for pk, name, groups in counted.order_by("-groups", "employee__name")[:PEOPLE_SHOWN]
    ]
