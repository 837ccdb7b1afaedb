"""Where one employee is and should be: a page of theirs, with filters and as a workbook."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_GET

from audits.whereabouts import Presence, Want, Whereabout, load_whereabouts
from members.downloads import made
from members.models import Employee
from members.platforms.types import Platform
from members.spreadsheet import Column, add_sheet, workbook_in
from members.ui import Tone

TONES: dict[Presence, Tone] = {
    Presence.PRESENT: "good",
    Presence.MISSING: "muted",
    Presence.EXCLUDED: "muted",
    Presence.UNRESOLVED: "warn",
}
_COLUMNS = (
    Column("Platform", 11),
    Column("Group Name", 42),
    Column("Group ID", 18),
    Column("Category", 18),
    Column("Presence", 12),
    Column("Wanted", 12),
    Column("Why", 80),
)


def _described(row: Whereabout) -> tuple[str, Tone]:
    """Whether they are there, as a badge: only where they have to be is their absence a fault."""
    if row.lacked:
        return "Missing", "bad"
    if row.presence is Presence.MISSING:
        return "Not there", "muted"
    return str(row.presence).capitalize(), TONES[row.presence]


class FilterForm(forms.Form):
    """Which of the groups to show."""

    platform = forms.ChoiceField(
        choices=[("", "Both platforms"), *((str(each), each.label) for each in Platform)], required=False
    )
    presence = forms.ChoiceField(
        choices=[("", "Present or not"), *((str(each), str(each).capitalize()) for each in Presence)],
        required=False,
    )
    want = forms.ChoiceField(
        label="Wanted",
        choices=[("", "Wanted or not"), *((str(each), str(each).capitalize()) for each in Want)],
        required=False,
    )

    def accepts(self, row: Whereabout) -> bool:
        """Nonsense in the address restricts nothing."""
        chosen = self.cleaned_data
        return (
            chosen.get("platform") in ("", None, row.platform)
            and chosen.get("presence") in ("", None, row.presence)
            and chosen.get("want") in ("", None, row.want)
        )


class WhereaboutsPage:
    """Mixed into the page of employees."""

    admin_site: admin.AdminSite
    opts: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.whereabouts_view))
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [path("<int:pk>/whereabouts/", view, name="members_employee_whereabouts"), *urls]

    def whereabouts_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """`?format=xlsx` is the same as a workbook."""
        employee = get_object_or_404(Employee, pk=pk)
        rights = ("members.view_employee", "audits.view_groupresult")
        if not request.user.has_perms(rights):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"Where {employee.name} is",
            "opts": self.opts,
        }
        return respond(request, employee, context, "admin/members/employee/whereabouts.html")


def respond(request: HttpRequest, employee: Employee, context: dict[str, Any], template: str) -> HttpResponse:
    """The page of one employee's groups, under the filters in the address, or the same as a workbook."""
    everything = load_whereabouts(employee)
    form = FilterForm(request.GET)
    form.is_valid()
    rows = [row for row in everything.rows if form.accepts(row)]
    if request.GET.get("format") == "xlsx":
        return _workbook(employee, rows)
    counts = Counter(_described(row)[0] for row in everything.rows)
    query = request.GET.copy()
    query["format"] = "xlsx"
    context |= {
        "employee": employee,
        "form": form,
        "lines": [(row, *_described(row)) for row in rows],
        "total": len(everything.rows),
        "counts": counts.most_common(),
        "as_of": [(platform.label, everything.as_of.get(platform)) for platform in Platform],
        "xlsx": f"?{query.urlencode()}",
    }
    return TemplateResponse(request, template, context)


def _workbook(employee: Employee, rows: list[Whereabout]) -> HttpResponse:
    lines = (
        (
            row.platform.label,
            row.group_name,
            row.group_id,
            row.category,
            str(row.presence),
            str(row.want),
            row.why,
        )
        for row in rows
    )
    with workbook_in(file := BytesIO()) as book:
        add_sheet(book, "Groups", _COLUMNS, lines)
    name = f"whereabouts_{employee.key}_{timezone.now():%Y%m%d_%H%M%S}.xlsx"
    return made(file.getvalue(), name)
