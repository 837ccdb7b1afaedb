"""The page “Find a person”: a search that reads the platforms now, and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from members.downloads import made
from members.models import Employee, Group
from members.operations.admin.planning import may_plan
from members.platforms.types import AdminStatus, Platform
from members.ui import DASH, Tone, badge, time_tag
from telegram_ops.find import Depth, Found, PersonUnclear, find_people
from telegram_ops.found_files import write_found_workbook
from telegram_ops.sightings import Place

PERMISSION = "members.find_person"

_OUR_STATUS: dict[AdminStatus, tuple[str, Tone]] = {
    AdminStatus.OWNER: ("Owner", "good"),
    AdminStatus.ADMIN_CAN_RENAME: ("Admin can rename", "good"),
    AdminStatus.ADMIN: ("Admin", "good"),
    AdminStatus.MEMBER: ("Member", "warn"),
}


class FindForm(forms.Form):
    """Whom to look for, and where."""

    q = forms.CharField(
        label="Person",
        max_length=200,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off", "size": 34}),
        help_text="A username, a t.me link, an id, or an employee by name, key or e-mail.",
    )
    platform = forms.ChoiceField(
        choices=[("", "Telegram and Slack"), *((str(each), f"{each.label} alone") for each in Platform)],
        required=False,
        help_text="Both are asked at the same time.",
    )
    details = forms.BooleanField(
        label="With their role and since when",
        required=False,
        help_text="One more call for each Telegram group.",
    )

    def find(self) -> Found:
        """Raises PersonUnclear."""
        name = self.cleaned_data["platform"]
        (found,) = find_people(
            [self.cleaned_data["q"]],
            platforms=(Platform(name),) if name else tuple(Platform),
            depth=Depth.ALL if self.cleaned_data["details"] else Depth.LISTS,
        )
        return found


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list."""

    place: Place
    group_page: Group | None
    our_status: SafeString
    role: str
    since: SafeString
    wanted: SafeString

    @property
    def key(self) -> str:
        """How the page that removes people names the group."""
        return f"{self.place.group.platform}:{self.place.group.id}"


@require_GET
def find_view(request: HttpRequest) -> HttpResponse:
    """Look for `?q=`, now; `&format=xlsx` is the same as a workbook."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    form = FindForm(request.GET if "q" in request.GET else None)
    found = None
    if form.is_valid():
        try:
            found = form.find()
        except PersonUnclear as error:
            form.add_error("q", str(error))
    if found is not None and request.GET.get("format") == "xlsx":
        return _workbook(found)
    context = {
        **admin.site.each_context(request),
        "title": "Find a person",
        "form": form,
        "found": found,
        "may_remove": may_plan(request),
        **(_result(found, request) if found is not None else {}),
    }
    return TemplateResponse(request, "admin/telegram_ops/find.html", context)


def _result(found: Found, request: HttpRequest) -> dict[str, object]:
    person = found.sought.person
    employee = Employee.objects.filter(key=person.key).first() if person is not None else None
    shown = {name: value for name, value in request.GET.items() if name != "format"}
    return {
        "rows": _rows(found),
        "employee": employee if request.user.has_perm("members.view_employee") else None,
        "required": sum(place.required for place in found.places),
        "powerless": sum(not place.group.may_remove for place in found.places),
        "accounts": [look for look in found.looks if look.user is not None],
        "troubles": [look for look in found.looks if look.trouble or look.as_of],
        "xlsx": f"?{urlencode({**shown, 'format': 'xlsx'})}",
        "with_details": "" if shown.get("details") else f"?{urlencode({**shown, 'details': 'on'})}",
    }


def _rows(found: Found) -> list[Row]:
    conditions = Q(pk__in=[])
    for platform in Platform:
        ids = [place.group.id for place in found.places if place.group.platform is platform]
        conditions |= Q(platform=platform, external_id__in=ids)
    stored = {(group.platform, group.external_id): group for group in Group.objects.filter(conditions)}
    return [
        Row(
            place,
            stored.get((str(place.group.platform), place.group.id)),
            _our_status(place),
            str(place.role).capitalize() if place.role is not None else DASH,
            time_tag(place.since),
            badge(str(place.level).capitalize(), "info" if place.required else "muted")
            if place.level is not None
            else SafeString(DASH),
        )
        for place in found.places
    ]


def _our_status(place: Place) -> SafeString:
    known = _OUR_STATUS.get(place.group.admin_status)
    if known is None:
        if place.group.platform is Platform.SLACK:
            return badge("In it", "good") if place.group.joined else badge("Not in it", "warn")
        return badge("Unknown", "muted")
    return badge(*known)


def _workbook(found: Found) -> HttpResponse:
    file, now = BytesIO(), timezone.now()
    write_found_workbook(found, file, now=now)
    name = f"groups_of_{''.join(filter(str.isalnum, found.key))[:60]}_{now:%Y%m%d_%H%M%S}.xlsx"
    return made(file.getvalue(), name)
