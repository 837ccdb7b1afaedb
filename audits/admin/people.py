"""Bringing people into groups: from the lists of employees, teams and groups to a plan."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from audits.admin.leavers import LeaverOffer
from audits.admin.remedies import GONE, AddMissingAction, keys_of
from audits.admin.whereabouts import WhereaboutsPage
from audits.rebranding import load_rebranding
from audits.remediation.people import plan_people
from audits.remediation.selections import GroupKey, MissingSelection, PeopleSelection, Where
from audits.staff_changes.admin.offers import JoiningOffer
from members.admin.groups import GroupAdmin
from members.admin.people import EmployeeAdmin, TeamAdmin
from members.form_fields import CategoryField, PlatformsField
from members.models import Employee, Group, Team
from members.operations.admin.planning import may_plan, show_plan
from telegram_ops.admin.ownership_asking import AskOwnersAction
from telegram_ops.admin.renames import RenamePage

_NOBODY = "There is nobody to add to such a group."


class WhereForm(forms.Form):
    """Into which groups."""

    platforms = PlatformsField()
    where = forms.ChoiceField(
        choices=[
            (str(Where.REQUIRED), "Where the rules require it"),
            (str(Where.OPTIONAL), "Also where it is optional"),
            (str(Where.ALL), "In all of these groups, whatever the rules say"),
        ],
        initial=str(Where.REQUIRED),
        required=False,
        widget=forms.RadioSelect,
        help_text="The rules are those under Policy › Membership rules.",
    )
    category = CategoryField()

    def selection(self, chosen: QuerySet[Any]) -> PeopleSelection:
        """These people, or these teams, into the groups that the form says."""
        keys = tuple(chosen.order_by("name", "pk").values_list("key", flat=True))
        return PeopleSelection(
            employees=keys if chosen.model is Employee else (),
            teams=keys if chosen.model is Team else (),
            platforms=self.cleaned_data["platforms"],
            category=self.cleaned_data["category"],
            where=Where(self.cleaned_data["where"] or Where.REQUIRED),
        )


class WhoForm(forms.Form):
    """Which people."""

    teams = forms.ModelMultipleChoiceField(
        Team.objects.order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Everybody who is in them.",
    )
    employees = forms.ModelMultipleChoiceField(
        Employee.objects.order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Beside the teams, or instead of them.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("teams") and not cleaned.get("employees"):
            raise ValidationError("Choose a team, or somebody.")
        return cleaned

    def selection(self, chosen: QuerySet[Group]) -> PeopleSelection:
        """The people whom the form says into these groups."""
        return PeopleSelection(
            employees=tuple(employee.key for employee in self.cleaned_data["employees"]),
            teams=tuple(team.key for team in self.cleaned_data["teams"]),
            groups=keys_of(chosen),
        )


def ask(
    model_admin: Any,
    request: HttpRequest,
    queryset: QuerySet[Any],
    form_class: type[WhereForm] | type[WhoForm],
    title: str,
) -> HttpResponse:
    """An action's own page: what remains to be said, and then the plan."""
    if not queryset.exists():
        messages.warning(request, GONE)
        return HttpResponseRedirect(request.get_full_path())
    form = form_class(request.POST if "plan" in request.POST else None)
    if form.is_valid():
        return show_plan(request, plan_people(form.selection(queryset)), nothing=_NOBODY)
    opts = queryset.model._meta
    count = queryset.count()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "form": form,
        "opts": opts,
        "count": count,
        "noun": opts.verbose_name if count == 1 else opts.verbose_name_plural,
        "action": request.POST["action"],
        "across": request.POST.get("select_across", "0"),
        "checkbox": ACTION_CHECKBOX_NAME,
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
    }
    return TemplateResponse(request, "admin/audits/people.html", context)


class AddEverywhereAction:
    """Mixed into the lists of employees and teams."""

    def has_plan_permission(self, request: HttpRequest) -> bool:
        return may_plan(request)

    @admin.action(description="Add to groups…", permissions=["plan"])
    def add_to_groups(self, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse:
        return ask(self, request, queryset, WhereForm, "Add to groups")


class RemedyEmployeeAdmin(AddEverywhereAction, JoiningOffer, LeaverOffer, WhereaboutsPage, EmployeeAdmin):
    actions = (*EmployeeAdmin.actions, "add_to_groups")


class RemedyTeamAdmin(AddEverywhereAction, TeamAdmin):
    actions = ("add_to_groups",)


class RemedyGroupAdmin(AddMissingAction, RenamePage, AskOwnersAction, GroupAdmin):
    actions = ("add_missing", "add_people", "rename", "ask_owners", *GroupAdmin.actions)
    rename_template = "admin/audits/rename.html"
    import_export_change_list_template = "admin/members/group/change_list_tools.html"

    def missing_in(self, queryset: QuerySet[Group]) -> MissingSelection:
        return MissingSelection(groups=keys_of(queryset))

    def groups_to_rename(self, queryset: QuerySet[Group]) -> tuple[GroupKey, ...]:
        return keys_of(queryset)

    def rename_context(self, request: HttpRequest) -> dict[str, Any]:
        may_see = request.user.has_perm("audits.view_finding")
        return {"rebranding": load_rebranding() if may_see else None}

    @admin.action(description="Add people…", permissions=["plan"])
    def add_people(self, request: HttpRequest, queryset: QuerySet[Group]) -> HttpResponse:
        return ask(self, request, queryset, WhoForm, "Add people")


_IN_PLACE: dict[type[Model], type[admin.ModelAdmin[Any]]] = {
    Employee: RemedyEmployeeAdmin,
    Team: RemedyTeamAdmin,
    Group: RemedyGroupAdmin,
}
"""Pages of the floor below, with the actions that only this floor can plan."""

for model, page in _IN_PLACE.items():
    admin.site.unregister(model)
    admin.site.register(model, page)
