"""Before protection is taken away or given back: who, how many, what follows; then the confirmation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from whitelist import facts, services
from whitelist.burning import Cause
from whitelist.models import WhitelistEntry
from whitelist.names import Name, names_of

SHOWN = 200
"""How many people the page names."""


class WhyForm(forms.Form):
    reason = forms.CharField(
        label="Why",
        max_length=500,
        required=False,
        widget=AdminTextareaWidget(attrs={"rows": 2}),
        help_text="It stands in the record beside each of them.",
    )


@dataclass(frozen=True, slots=True)
class Wording:
    """What one of the two pages says."""

    title: str
    verb: str
    nobody: str
    effect: str
    danger: bool


BURN = Wording(
    title="Burn whitelist",
    verb="Burn",
    nobody="None of the selected entries is protected: there is nothing to burn.",
    effect="They lose their protection. Nobody is kicked by this: a sweep looks at each of them by itself.",
    danger=True,
)
REVIVE = Wording(
    title="Protect again",
    verb="Protect",
    nobody="All of the selected entries are protected already.",
    effect="They are protected again, until somebody burns them or they leave.",
    danger=False,
)


def ask_before_burning(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[WhitelistEntry]
) -> HttpResponse | None:
    """The page that asks, and once it is confirmed the burning."""
    chosen = queryset.filter(revoked_at=None)

    def act(ids: Sequence[int], reason: str) -> str:
        actor = request.user.get_username()
        count = len(services.burn(telegram_ids=ids, cause=Cause.MANUAL, actor=actor, reason=reason))
        return f"{count:,} burned."

    return _ask(model_admin, request, chosen, BURN, act)


def ask_before_reviving(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[WhitelistEntry]
) -> HttpResponse | None:
    """The page that asks, and once it is confirmed the reviving."""
    chosen = queryset.filter(revoked_at__isnull=False)

    def act(ids: Sequence[int], reason: str) -> str:
        count = len(services.revive(telegram_ids=ids, actor=request.user.get_username(), note=reason))
        return f"{count:,} protected again."

    return _ask(model_admin, request, chosen, REVIVE, act)


def _ask(
    model_admin: Any,
    request: HttpRequest,
    chosen: QuerySet[WhitelistEntry],
    wording: Wording,
    act: Callable[[Sequence[int], str], str],
) -> HttpResponse | None:
    ids = list(chosen.order_by("pk").values_list("pk", flat=True))
    if not ids:
        messages.warning(request, wording.nobody)
        return None
    plan = _hash(ids)
    form = WhyForm(request.POST if "plan" in request.POST else None)
    if form.is_valid():
        if request.POST["plan"] == plan:
            messages.success(request, act(ids, form.cleaned_data["reason"]))
            return None
        messages.warning(request, "The list has changed since it was shown. Look at it again.")
    endangered = facts.endangered(now=timezone.now()).filter(pk__in=chosen.values("pk"))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": wording.title,
        "wording": wording,
        "form": form,
        "opts": WhitelistEntry._meta,
        "count": len(ids),
        "plan": plan,
        "people": _named(ids[:SHOWN]),
        "more": max(0, len(ids) - SHOWN),
        "endangered": endangered.count() if wording.danger else 0,
        "action": request.POST["action"],
        "across": request.POST.get("select_across", "0"),
        "checkbox": ACTION_CHECKBOX_NAME,
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
    }
    return TemplateResponse(request, "admin/whitelist/whitelistentry/decide.html", context)


def _named(ids: Sequence[int]) -> list[tuple[WhitelistEntry, Name]]:
    entries, names = WhitelistEntry.objects.in_bulk(ids), names_of(ids)
    return [(entries[telegram_id], names[telegram_id]) for telegram_id in ids if telegram_id in entries]


def _hash(ids: Sequence[int]) -> str:
    """Sixteen hex digits that stand for exactly these people."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:16]
