"""The page “Status of a person”: what would become of them, explained step by step."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from members.operations.models import ActivityEvent
from members.platforms.types import Platform
from whitelist import facts, flags
from whitelist.admin.base import SUBSCRIPTION_TONES
from whitelist.decision import Person, Reason, decide, explain
from whitelist.models import CommunityMember, Subscriber, WhitelistEntry
from whitelist.names import names_of
from whitelist.record import gated_chat_id

PERMISSION = "whitelist.view_subscriber"
EVENTS = 30
CANDIDATES = 20


class PersonForm(forms.Form):
    """Whom to look at."""

    q = forms.CharField(
        label="Person",
        max_length=64,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off", "size": 34}),
        help_text="A Telegram id, or a username.",
    )

    def ids(self) -> list[int]:
        """Who is meant: one person by their id, all who have the username."""
        text = self.cleaned_data["q"].strip().removeprefix("@")
        if text.isascii() and text.isdecimal():
            return [int(text)] if 0 < int(text) < 2**52 else []
        members = CommunityMember.objects.filter(chat_id=gated_chat_id(), username__iexact=text)
        found = set(members.values_list("telegram_id", flat=True)[:CANDIDATES])
        found |= set(
            Subscriber.objects.filter(username__iexact=text).values_list("pk", flat=True)[:CANDIDATES]
        )
        return sorted(found)


@require_GET
def person_view(request: HttpRequest) -> HttpResponse:
    """Look at `?q=`; changes nothing."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    form = PersonForm(request.GET if "q" in request.GET else None)
    ids = form.ids() if form.is_valid() else []
    if form.is_valid() and not ids:
        form.add_error("q", "Nobody whom we know is called so: try the number.")
    context = {
        **admin.site.each_context(request),
        "title": "Status of a person",
        "form": form,
        "candidates": list(names_of(ids).items()) if len(ids) > 1 else [],
        **(_status(ids[0]) if len(ids) == 1 else {}),
    }
    return TemplateResponse(request, "admin/whitelist/person.html", context)


def _status(telegram_id: int) -> dict[str, Any]:
    now, kicks_on = timezone.now(), flags.kick_enabled()
    person = facts.people([telegram_id])[telegram_id]
    verdict = decide(person, kicks_on=kicks_on, now=now)
    subscriber = Subscriber.objects.filter(pk=telegram_id).first()
    return {
        "person": person,
        "called": names_of([telegram_id])[telegram_id],
        "verdict": verdict,
        "steps": explain(person, kicks_on=kicks_on, now=now),
        "if_on": decide(person, kicks_on=True, now=now) if verdict.reason is Reason.KICKS_OFF else None,
        "subscriber": subscriber,
        "subscription": person.subscription,
        "subscription_tone": _tone(person),
        "entry": WhitelistEntry.objects.filter(pk=telegram_id).first(),
        "member": CommunityMember.objects.filter(chat_id=gated_chat_id(), telegram_id=telegram_id).first(),
        "events": ActivityEvent.objects.filter(platform=Platform.TELEGRAM, subject=str(telegram_id)).order_by(
            "-pk"
        )[:EVENTS],
    }


def _tone(person: Person) -> str:
    return SUBSCRIPTION_TONES[person.subscription.status] if person.subscription else "muted"
