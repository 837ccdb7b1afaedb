"""Tokens of the API: made and revoked by an owner, shown once, looked over by everybody who reads."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from groupadmin.api.models import ApiToken
from groupadmin.api.tokens import make_token, revoke_token
from members.form_fields import DayField
from members.records import RecordAdmin
from members.ui import Tone, badge, time_tag

USUAL_LIFETIME, LONGEST_LIFETIME = timedelta(days=90), timedelta(days=366)
_TONES: dict[str, Tone] = {"active": "good", "expired": "muted", "revoked": "bad"}


def _today() -> date:
    return timezone.now().astimezone(UTC).date()


class TokenForm(forms.ModelForm):
    """What a new token is for, and until when."""

    expires = DayField(
        label="Until",
        initial=lambda: _today() + USUAL_LIFETIME,
        help_text="The last day on which it opens anything (UTC); a year away at the most.",
    )

    class Meta:
        model = ApiToken
        fields = ("name",)

    def clean_expires(self) -> datetime:
        day: date = self.cleaned_data["expires"]
        if not _today() <= day <= _today() + LONGEST_LIFETIME:
            raise ValidationError("From today on, and a year away at the most.")
        return datetime.combine(day + timedelta(days=1), time(), UTC)


@admin.register(ApiToken)
class ApiTokenAdmin(RecordAdmin):
    change_list_template = "admin/groupadmin/apitoken/change_list.html"
    change_form_template = "admin/groupadmin/apitoken/change_form.html"
    list_display = ("name", "state_badge", "begins", "made_by", "made", "expires", "last_used")
    fields = (
        "name",
        "state_badge",
        "begins",
        "made",
        "made_by",
        "expires",
        "last_used",
        "revoked",
        "revoked_by",
    )
    search_fields = ("name", "made_by")
    empty_hint = "A token lets a CRM, a spreadsheet or a script read findings, groups and runs."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("groupadmin.add_apitoken"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "POST"])(self.revoke_view))
        return [path("<int:pk>/revoke/", view, name="groupadmin_apitoken_revoke"), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The answer to the form shows the token: it is kept nowhere, so no other page could."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = TokenForm(request.POST if request.method == "POST" else None)
        context = {**self.admin_site.each_context(request), "title": "New API token", "opts": self.opts}
        if not form.is_valid():
            return TemplateResponse(request, "admin/groupadmin/apitoken/new.html", {**context, "form": form})
        actor: Any = request.user
        until = form.cleaned_data["expires"]
        token, text = make_token(name=form.cleaned_data["name"], expires_at=until, actor=actor)
        context |= {
            "title": "Copy the token now",
            "token": token,
            "text": text,
            "address": request.build_absolute_uri(reverse("api:groups")),
        }
        return TemplateResponse(request, "admin/groupadmin/apitoken/made.html", context)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask first: whatever reads with it reads nothing any more."""
        token = get_object_or_404(ApiToken, pk=pk)
        if not request.user.has_perm("groupadmin.change_apitoken"):
            raise PermissionDenied
        if request.method == "POST":
            actor: Any = request.user
            if revoke_token(token=token, actor=actor):
                messages.success(request, f"{token} opens nothing any more.")
            else:
                messages.info(request, f"{token} was revoked before.")
            return HttpResponseRedirect(reverse("admin:groupadmin_apitoken_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Revoke the token",
            "opts": self.opts,
            "token": token,
        }
        return TemplateResponse(request, "admin/groupadmin/apitoken/revoke.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        token: ApiToken = kwargs["obj"]
        may = request.user.has_perm("groupadmin.change_apitoken")
        context["may_revoke"] = may and token.revoked_at is None
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="State")
    def state_badge(self, token: ApiToken) -> SafeString:
        state = token.state(timezone.now())
        return badge(state.capitalize(), _TONES[state])

    @admin.display(description="Begins with")
    def begins(self, token: ApiToken) -> str:
        return f"{token.start}…"

    @admin.display(description="Made", ordering="made_at")
    def made(self, token: ApiToken) -> SafeString:
        return time_tag(token.made_at)

    @admin.display(description="Expires", ordering="expires_at")
    def expires(self, token: ApiToken) -> SafeString:
        return time_tag(token.expires_at)

    @admin.display(description="Last used", ordering="last_used_at")
    def last_used(self, token: ApiToken) -> SafeString:
        return time_tag(token.last_used_at, empty="never")

    @admin.display(description="Revoked")
    def revoked(self, token: ApiToken) -> SafeString:
        return time_tag(token.revoked_at)
