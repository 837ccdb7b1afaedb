"""What is offered when somebody leaves: a plan that takes them out of their groups."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from audits.lifecycle import State
from audits.models import Finding
from audits.staff_changes.admin.changes import may_begin
from audits.staff_changes.admin.offers import links_to_begin
from audits.staff_changes.facts import ChangeKind
from members.models import Employee
from members.operations.admin.planning import may_plan, show_plan
from members.platforms.types import Platform
from members.policy import EmployeeStatus, FindingKind
from telegram_ops.references import PersonUnclear
from telegram_ops.removal_plans import RemovalSelection
from telegram_ops.removals import plan_removal

NAMED = 5
"""Of how many who left at once the message names the way on."""
_NOBODY_LEFT = "None of the selected findings is about somebody who left and is still there."


class LeaverOffer:
    """Mixed into the page of employees: whoever is marked as offboarded still sits in groups."""

    def save_model(self, request: HttpRequest, obj: Employee, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)  # type: ignore[misc]
        if "status" in form.changed_data and obj.status == EmployeeStatus.OFFBOARDED:
            offer_removal(request, [obj])

    def _mark(self, request: HttpRequest, queryset: QuerySet[Employee], status: EmployeeStatus) -> None:
        leavers = list(queryset.exclude(status=status)) if status is EmployeeStatus.OFFBOARDED else []
        super()._mark(request, queryset, status)  # type: ignore[misc]
        offer_removal(request, leavers)


def offer_removal(request: HttpRequest, leavers: Iterable[Employee]) -> None:
    """Say where they can be taken out of their groups, and how their leaving is seen through, to whoever may
    do that."""
    people = list(leavers)
    names = ", ".join(person.name for person in people)
    ways = []
    if people and may_begin(request):
        links = links_to_begin(people[:NAMED], ChangeKind.LEAVING)
        ways.append(format_html("See it through with a checklist: {}", links))
    if people and may_plan(request):
        query = urlencode({"person": ", ".join(person.key for person in people)})
        url = f"{reverse('admin:remove_person')}?{query}"
        ways.append(format_html('<a href="{}">Plan the removal</a>', url))
    if ways:
        said = format_html_join(" · ", "{}", ((way,) for way in ways))
        messages.warning(request, format_html("{} may still be in groups. {}", names, said))


class RemoveLeaversAction:
    """Mixed into the list of findings: those who left are taken out where the findings say they are."""

    @admin.action(description="Remove those who left…", permissions=["plan"])
    def remove_leavers(self, request: HttpRequest, queryset: QuerySet[Finding]) -> HttpResponseRedirect:
        found = queryset.filter(
            kind=FindingKind.DEPARTED_MEMBER_PRESENT,
            state=State.OPEN,
            employee__status=EmployeeStatus.OFFBOARDED,
        ).order_by("pk")
        pairs = tuple(
            (Platform(platform), group_id, key)
            for platform, group_id, key in found.values_list("platform", "group_external_id", "subject")
        )
        if not pairs:
            messages.warning(request, _NOBODY_LEFT)
            return HttpResponseRedirect(request.get_full_path())
        selection = RemovalSelection(
            people=tuple(dict.fromkeys(key for _, _, key in pairs)),
            platforms=tuple(platform for platform in Platform if platform in {pair[0] for pair in pairs}),
            pairs=pairs,
        )
        try:
            plan = plan_removal(selection)
        except PersonUnclear as error:  # an employee who is gone, or whose account nobody can tell
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())
        return show_plan(request, plan, nothing="They are gone already: run an audit.")
