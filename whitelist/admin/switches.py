"""The switch of the kicks: off in one step and at once, on in two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from members.clock import shared_now
from members.operations.admin.planning import may_plan, show_plan
from members.records import RecordAdmin
from members.ui import DASH, badge, time_tag
from whitelist import community, facts, flags, preflight
from whitelist.models import FeatureFlag
from whitelist.preflight import PreflightRefused
from whitelist.record import gated_chat_id
from whitelist.sweep import plan_sweep

SHOWN = 200
"""How many people the preflight names."""


class OnForm(forms.Form):
    """The confirmation: which dry run, for how long, and the number at risk where it has to be typed."""

    plan_hash = forms.CharField(widget=forms.HiddenInput)
    count = forms.IntegerField(widget=forms.HiddenInput)
    hours = forms.IntegerField(
        label="For how many hours",
        required=False,
        min_value=1,
        max_value=preflight.LONGEST_HOURS,
        help_text="Empty: until somebody turns them off.",
    )
    typed_count = forms.IntegerField(
        required=False, min_value=0, help_text="The number of people at risk, where it has to be typed."
    )


@admin.register(FeatureFlag)
class FeatureFlagAdmin(RecordAdmin):
    list_display = fields = ("name", "stands", "until", "changed_by", "changed")
    list_display_links = None
    actions = None
    change_list_template = "admin/whitelist/featureflag/change_list.html"
    empty_hint = "Nothing is stored, so kicks are off."

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[[HttpRequest], HttpResponse]) -> URLPattern:
            name = f"whitelist_featureflag_{route.replace('-', '_')}"
            return path(f"{route}/", self.admin_site.admin_view(require_POST(view)), name=name)

        return [
            page("kicks-off", self.off_view),
            page("preflight", self.preflight_view),
            page("kicks-on", self.on_view),
            page("sweep", self.sweep_view),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "kicks_on": flags.kick_enabled(),
            "has_community": bool(gated_chat_id()),
            "may_stop": _may_stop(request),
            "may_switch": _may_switch(request),
            "may_plan": may_plan(request),
            "census": facts.census(now=shared_now()),
            "reading": community.last_reading(gated_chat_id()),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def off_view(self, request: HttpRequest) -> HttpResponse:
        """Turn kicks off: one step, at once, for whoever may."""
        if not _may_stop(request):
            raise PermissionDenied
        if flags.turn_kicks_off(actor=request.user.get_username()):
            messages.success(request, "Kicks are off. A sweep that is under way stops before its next kick.")
        else:
            messages.info(request, "Kicks were off already.")
        return HttpResponseRedirect(reverse("admin:whitelist_featureflag_changelist"))

    def preflight_view(self, request: HttpRequest) -> HttpResponse:
        """The first step to turn kicks on: how things stand, and whom a sweep would kick."""
        if not _may_switch(request):
            raise PermissionDenied
        return self._show_preflight(request, OnForm())

    def on_view(self, request: HttpRequest) -> HttpResponse:
        """The second step: exactly what was shown is confirmed."""
        if not _may_switch(request):
            raise PermissionDenied
        form = OnForm(request.POST)
        if not form.is_valid():
            return self._show_preflight(request, form)
        try:
            preflight.turn_on(actor=request.user.get_username(), **form.cleaned_data)
        except PreflightRefused as error:
            messages.error(request, f"{error} Kicks are as they were.")
        else:
            messages.warning(request, "Kicks are on.")
        return HttpResponseRedirect(reverse("admin:whitelist_featureflag_changelist"))

    def sweep_view(self, request: HttpRequest) -> HttpResponse:
        """Plan a sweep; the plan's own page shows whom it would kick, and asks."""
        if not may_plan(request):
            raise PermissionDenied
        back = reverse("admin:whitelist_featureflag_changelist")
        if not gated_chat_id():
            messages.error(request, "There is no gated community: set TELEGRAM_GATED_CHAT_ID.")
            return HttpResponseRedirect(back)
        plan = plan_sweep(now=shared_now()).plan
        return show_plan(request, plan, nothing="A sweep would kick nobody.", back=back)

    def _show_preflight(self, request: HttpRequest, form: OnForm) -> HttpResponse:
        report = preflight.show(actor=request.user.get_username())
        context = {
            **self.admin_site.each_context(request),
            "title": "Turn kicks on",
            "opts": FeatureFlag._meta,
            "report": report,
            "kept": [(reason.words, count) for reason, count in report.sweep.kept.items()],
            "at_risk": report.sweep.plan.steps[:SHOWN],
            "more": max(0, report.count - SHOWN),
            "form": form,
        }
        return TemplateResponse(request, "admin/whitelist/featureflag/preflight.html", context)

    @admin.display(description="Switch")
    def name(self, flag: FeatureFlag) -> str:
        return "Kicks" if flag.key == flags.KICKS else flag.key

    @admin.display(description="Stands at")
    def stands(self, flag: FeatureFlag) -> SafeString:
        on = flag.bool_value and (flag.expires_at is None or flag.expires_at > shared_now())
        return badge("on", "bad") if on else badge("off", "good")

    @admin.display(description="Until")
    def until(self, flag: FeatureFlag) -> SafeString | str:
        return time_tag(flag.expires_at) if flag.bool_value else DASH

    @admin.display(description="Changed")
    def changed(self, flag: FeatureFlag) -> SafeString:
        return time_tag(flag.changed_at)


def _may_switch(request: HttpRequest) -> bool:
    return request.user.has_perm("whitelist.switch_kicks")


def _may_stop(request: HttpRequest) -> bool:
    """Nobody is harmed by it, so it takes less; and whoever may turn them on may take that back."""
    return request.user.has_perm("whitelist.stop_kicks") or _may_switch(request)
