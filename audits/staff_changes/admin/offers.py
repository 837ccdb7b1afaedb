"""The ways to leavings and joinings from the pages of employees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audits.staff_changes.admin.changes import may_begin
from audits.staff_changes.facts import ChangeKind
from members.models import Employee
from members.policy import EmployeeStatus

Mixin: Any = object
"""Stands for the page that the class below is mixed into."""


def begin_url(employee: Employee, kind: ChangeKind) -> str:
    """The page that asks to begin it."""
    query = urlencode({"employee": employee.pk, "kind": str(kind)})
    return f"{reverse('admin:staff_changes_staffchange_begin')}?{query}"


def links_to_begin(people: Iterable[Employee], kind: ChangeKind) -> SafeString:
    """Their names, each a link to that page."""
    return format_html_join(
        ", ", '<a href="{}">{}</a>', ((begin_url(person, kind), person.name) for person in people)
    )


class JoiningOffer(Mixin):
    """Mixed into the page of employees: what comes next for somebody new."""

    def save_model(self, request: HttpRequest, obj: Employee, form: ModelForm[Any], change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change or obj.status == EmployeeStatus.OFFBOARDED:
            return
        ways = []
        if request.user.has_perm("audits.run_audit"):
            run = reverse("admin:audits_auditrun_start")
            ways.append(format_html('<a href="{}">Run an audit</a>, which finds their accounts', run))
        if may_begin(request):
            url = begin_url(obj, ChangeKind.JOINING)
            ways.append(format_html('<a href="{}">See them in</a>, group by group', url))
        if ways:
            said = format_html_join(" · ", "{}", ((way,) for way in ways))
            messages.info(request, format_html("{} is new. {}.", obj.name, said))
