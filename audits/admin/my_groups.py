"""My groups: where whoever is signed in is and should be, and why. Everybody may see their own."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from audits.admin.whereabouts import respond
from members.models import Employee
from members.services import employee_of


@require_GET
def my_groups_view(request: HttpRequest) -> HttpResponse:
    """`?format=xlsx` is the same as a workbook. Who it is about is never a matter of the address."""
    context = {**admin.site.each_context(request), "title": "My groups", "opts": Employee._meta}
    employee = employee_of(request.user)
    if employee is None:
        return TemplateResponse(request, "admin/audits/nobodys_groups.html", context)
    return respond(request, employee, context, "admin/audits/my_groups.html")
