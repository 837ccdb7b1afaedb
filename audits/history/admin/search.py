"""The page “Search messages”."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from audits.history.admin.conversations import READ
from audits.history.admin.syncs import midnight
from audits.history.models import Message
from audits.history.query import marks
from audits.history.renderers.text import visible
from audits.history.search import Found, Place, Question, TooBroad, search
from members.form_fields import DayField
from members.platforms.history import micros, moment
from members.platforms.types import Platform


class SearchForm(forms.Form):
    """What to look for."""

    q = forms.CharField(
        label="Words",
        required=False,
        max_length=300,
        widget=forms.TextInput(
            attrs={"type": "search", "autofocus": True, "autocomplete": "off", "size": 40}
        ),
        help_text="Whole words, in any order. Quotes keep words together, “or” allows either, a minus "
        "excludes: “invoice or bill -draft”.",
    )
    sender = forms.CharField(required=False, max_length=100, label="From", help_text="Name, username or id.")
    group = forms.CharField(required=False, max_length=255, help_text="Part of the name, or the id.")
    platform = forms.ChoiceField(
        required=False,
        choices=[("", "Slack and Telegram"), *((str(each), each.label) for each in Platform)],
        help_text="Where it was said.",
    )
    since = DayField(
        required=False,
        label="Not before",
        help_text="A day (UTC).",
    )
    until = DayField(
        required=False,
        label="Not after",
        help_text="The last day (UTC).",
    )

    def question(self) -> Question:
        last = self.cleaned_data["until"]
        platform = self.cleaned_data["platform"]
        return Question(
            words=self.cleaned_data["q"],
            sender=self.cleaned_data["sender"],
            group=self.cleaned_data["group"],
            platform=Platform(platform) if platform else None,
            since=midnight(self.cleaned_data["since"]),
            until=midnight(last + timedelta(days=1) if last else None),
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """A result as the page shows it."""

    message: Message
    url: str
    """Where it stands in its conversation."""
    sender: str
    pieces: Sequence[tuple[str, bool]]
    """What was said around the words, and which parts they are."""


@require_GET
def search_view(request: HttpRequest) -> HttpResponse:
    """Look for `?q=` and whatever else the address says."""
    if not request.user.has_perm(READ):
        raise PermissionDenied
    form = SearchForm(request.GET or None)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Search messages",
        "form": form,
    }
    if form.is_valid():
        context |= _results(form.question(), request.GET)
    return TemplateResponse(request, "admin/history/search.html", context)


def _results(question: Question, asked: QueryDict) -> dict[str, Any]:
    try:
        found = search(question, after=_place(asked.get("after", "")))
    except TooBroad as error:
        return {"trouble": str(error)}
    return {
        "asked": question.says_something or bool(question.words),
        "hits": [_hit(message, question) for message in found.messages],
        "further": _further(found, asked),
        "is_first": "after" not in asked,
    }


def _hit(message: Message, question: Question) -> Hit:
    page = reverse("admin:history_conversation_change", args=[message.conversation_id])
    text = " ".join(visible(message.text).split())
    return Hit(
        message=message,
        url=f"{page}?message={message.pk}#m{message.pk}",
        sender=visible(str(message.sender)) if message.sender is not None else "?",
        pieces=marks(text, question.terms),
    )


def _further(found: Found, asked: QueryDict) -> str:
    if found.rest is None:
        return ""
    shown = {name: value for name, value in asked.items() if name != "after"}
    return f"?{urlencode({**shown, 'after': f'{micros(found.rest.sent_at)}-{found.rest.pk}'})}"


def _place(text: str) -> Place | None:
    """The place that `_further` names; None for anything else."""
    at, _, pk = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 18 for part in (at, pk)):
        return None
    try:
        return Place(moment(int(at)), int(pk))
    except OverflowError:
        return Place(datetime.max.replace(tzinfo=UTC), int(pk))
