"""The page “Remove a person”: from whom and where to a plan, which its own page asks to confirm."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from members.form_fields import PlatformsField
from members.operations.admin.planning import may_plan, show_plan
from members.platforms.types import Platform
from telegram_ops.find import PersonUnclear
from telegram_ops.removal_plans import GroupKey, RemovalSelection, Way
from telegram_ops.removals import plan_removal

_GROUP = re.compile(rf"(?P<platform>{'|'.join(Platform)}):(?P<id>[0-9A-Z]{{1,32}})")
CHOSEN, ALL = "chosen", "all"
"""From which groups the page that found somebody has them removed."""
_NOWHERE = "As far as we can see, they are in none of these groups."
_WAYS = [
    (Way.REMOVE, "Remove: they may come back when somebody adds them"),
    (Way.BAN, "Ban: nobody can add them again (Telegram's supergroups; elsewhere they are removed)"),
]


class RemovalForm(forms.Form):
    """Who is to go, and how."""

    person = forms.CharField(
        max_length=1000,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off", "size": 40}),
        help_text="A username, a t.me link, an id, or an employee; several are separated by commas.",
    )
    platforms = PlatformsField(help_text="Groups of the others are left alone.")
    way = forms.ChoiceField(
        label="How",
        choices=_WAYS,
        initial=Way.REMOVE,
        widget=forms.RadioSelect,
        help_text="Either can be undone from the result.",
    )
    include_admins = forms.BooleanField(
        label="Also where they are admins",
        required=False,
        help_text="Where our account may remove admins: Telegram lets the owner, and who made them one.",
    )
    groups = forms.CharField(required=False, widget=forms.MultipleHiddenInput)

    def __init__(self, *args: object, chosen: list[str] | None = None, **kwargs: object) -> None:
        """`chosen` are the groups to take them out of, "platform:id"; all of them without any."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.chosen = chosen or []

    def clean_person(self) -> tuple[str, ...]:
        words = re.split(r"[,;\n]", self.cleaned_data["person"])
        people = tuple(word.strip() for word in words if word.strip())
        if not people:
            raise ValidationError("Say who is to go.")
        return people

    def clean_groups(self) -> tuple[GroupKey, ...]:
        found = [_GROUP.fullmatch(word) for word in self.chosen]
        if not all(found):
            raise ValidationError("One of the chosen groups is on no platform that we know.")
        return tuple((Platform(match["platform"]), match["id"]) for match in found if match)

    def selection(self) -> RemovalSelection:
        chosen = self.cleaned_data
        return RemovalSelection(
            people=chosen["person"],
            platforms=chosen["platforms"],
            way=Way(chosen["way"]),
            include_admins=chosen["include_admins"],
            groups=chosen["groups"],
        )


@require_http_methods(["GET", "POST"])
def remove_view(request: HttpRequest) -> HttpResponse:
    """Ask who is to go; then look where they are now, and show the plan. Only its page has it done."""
    if not may_plan(request):
        raise PermissionDenied
    asked_from = request.POST.get("from", "")
    if asked_from == CHOSEN and not request.POST.getlist("groups"):
        messages.warning(request, "No group is chosen: tick some, or remove them from all groups.")
        query = urlencode({"q": request.POST.get("person", "")})
        return HttpResponseRedirect(f"{reverse('admin:find_person')}?{query}")
    if request.method == "POST" and "plan" in request.POST:
        form = RemovalForm(request.POST, chosen=request.POST.getlist("groups"))
        if form.is_valid():
            try:
                return _planned(request, form)
            except PersonUnclear as error:
                form.add_error("person", str(error))
    else:  # also from the page that found them, which posts what was chosen there
        asked = request.POST if request.method == "POST" else request.GET
        chosen = [] if asked_from == ALL else asked.getlist("groups")
        form = RemovalForm(initial={"person": asked.get("person", "")}, chosen=chosen)
    context = {
        **admin.site.each_context(request),
        "title": "Remove a person",
        "form": form,
        "chosen": form.chosen,
    }
    return TemplateResponse(request, "admin/telegram_ops/remove.html", context)


def _planned(request: HttpRequest, form: RemovalForm) -> HttpResponse:
    """Raises PersonUnclear."""
    people = ", ".join(form.cleaned_data["person"])
    again = f"{reverse('admin:remove_person')}?{urlencode({'person': people})}"
    return show_plan(request, plan_removal(form.selection()), nothing=_NOWHERE, back=again)
