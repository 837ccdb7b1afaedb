"""The page “Ask the owners”: for which groups and in which words; then the plan, whose page asks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from members.models import Group
from members.operations.admin.planning import may_plan, show_plan
from members.operations.models import Operation
from members.operations.services import OperationRefused
from members.platforms.types import Platform
from telegram_ops.ownership import groups_to_ask_for, groups_without_rights, plan_requests
from telegram_ops.ownership_models import OwnershipTemplate
from telegram_ops.ownership_plans import OwnershipSelection
from telegram_ops.ownership_texts import BUILT_IN

Mixin: Any = object
"""Stands for the page that the class below is mixed into."""

TEMPLATE = "admin/telegram_ops/ownershiprequest/ask.html"
_NOTHING = "There is no group to ask for."


def _template_choices() -> list[tuple[str, str]]:
    rows = dict(OwnershipTemplate.objects.values_list("key", "name"))
    names = {template.key: template.name for template in BUILT_IN} | rows
    return [("", "The usual one"), *names.items()]


class AskForm(forms.Form):
    """In which words, and whether it is for the first time."""

    template = forms.ChoiceField(
        label="Text",
        required=False,
        choices=_template_choices,
        help_text="The usual one asks for the ownership, and a reminder where they were asked before.",
    )
    remind = forms.BooleanField(
        required=False,
        label="Remind those who were asked before",
        help_text=f"Whoever was asked at least {settings.OWNERSHIP_REMINDER_DAYS} days ago, and nobody else. "
        "Without it, nobody is asked twice.",
    )


def ask_view(request: HttpRequest) -> HttpResponse:
    """Ask in which words; then read who runs the groups, and show the plan. Only its page has it sent."""
    if not may_plan(request):
        raise PermissionDenied
    if request.method == "POST" and "plan" in request.POST:
        form, chosen = AskForm(request.POST), request.POST.getlist("groups")
        if not all(word.isascii() and word.isdigit() for word in chosen):
            form.add_error("template", "One of the chosen groups is not Telegram's: choose them again.")
        elif form.is_valid():
            selection = OwnershipSelection(
                groups=tuple(chosen),
                template=form.cleaned_data["template"],
                remind=form.cleaned_data["remind"],
            )
            try:
                plan = plan_requests(selection)
            except OperationRefused as error:
                form.add_error("template", str(error))
            else:
                return show_plan(request, plan, nothing=_NOTHING)
        return _page(request, form, chosen)
    operation = request.GET.get("operation", "")
    chosen = _of_operation(operation) if operation.isascii() and operation.isdigit() else []
    chosen += request.GET.getlist("groups")
    return _page(request, AskForm(initial={"remind": "remind" in request.GET}), chosen)


def _of_operation(number: str) -> list[str]:
    operation = Operation.objects.filter(pk=int(number[:18])).first()
    return list(groups_to_ask_for(operation)) if operation is not None else []


def _page(request: HttpRequest, form: AskForm, chosen: list[str]) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": "Ask the owners",
        "form": form,
        "chosen": chosen,
        "count": len(chosen) or groups_without_rights().count(),
        "address": reverse("admin:telegram_ops_ownershiprequest_ask"),
    }
    return TemplateResponse(request, TEMPLATE, context)


class AskOwnersAction(Mixin):
    """Mixed into the list of groups."""

    def has_plan_permission(self, request: HttpRequest) -> bool:
        return may_plan(request)

    @admin.action(description="Ask their owners…", permissions=["plan"])
    def ask_owners(self, request: HttpRequest, queryset: QuerySet[Group]) -> HttpResponse | None:
        """The page that asks in which words, for the selected groups."""
        rows = queryset.filter(platform=Platform.TELEGRAM)
        chosen = list(rows.order_by("name", "pk").values_list("external_id", flat=True))
        if not chosen:
            messages.warning(request, "Only Telegram groups have owners who can be asked.")
            return None
        return _page(request, AskForm(), chosen)
