"""The pages of one's own second factor: set it up, type a code, and see the recovery codes once."""

from __future__ import annotations

from typing import Any

import django_otp
from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from groupadmin import second_factor
from groupadmin.second_factor import CodeRefused


class CodeForm(forms.Form):
    """One code."""

    code = forms.CharField(
        max_length=40,
        help_text="Six digits from the app, or one of the recovery codes.",
        widget=forms.TextInput(
            attrs={
                "autofocus": True,
                "autocomplete": "one-time-code",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
        error_messages={"required": "Type the code that your app shows."},
    )

    def refuse(self, why: str) -> None:
        """Say why the code is not taken; the field is empty for the next one."""
        self.add_error("code", why)
        self.data = {**self.data, "code": ""}


@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def second_factor_view(request: HttpRequest) -> HttpResponse:
    """Ask for a code; tell whoever has given one how their second factor stands."""
    user: Any = request.user
    standing = second_factor.standing(user)
    if standing.app is None:
        return HttpResponseRedirect(_with_next(request, "admin:second_factor_setup"))
    if user.is_verified() and request.method == "GET":
        return _page(request, "second_factor", "Second factor", standing=standing)
    form = CodeForm(request.POST or None)
    if form.is_valid():
        try:
            device = second_factor.check(user=user, code=form.cleaned_data["code"])
        except CodeRefused as error:
            form.refuse(str(error))
        else:
            _verified(request, device)
            if device != standing.app:
                left = second_factor.standing(user).recovery_codes
                messages.warning(request, f"That recovery code is spent; {left} are left.")
            return HttpResponseRedirect(_next(request))
    return _page(request, "code", "One more code", form=form, next=_next(request))


@sensitive_post_parameters("code", "offer")
@require_http_methods(["GET", "POST"])
def set_up_view(request: HttpRequest) -> HttpResponse:
    """Show a secret for the app to scan; the app's first code makes it count."""
    user: Any = request.user
    if second_factor.standing(user).app is not None and not user.is_verified():
        return HttpResponseRedirect(
            _with_next(request, "admin:second_factor")
        )  # a password must not replace it
    form = CodeForm(request.POST or None)
    secret = second_factor.offered(user, request.POST.get("offer", ""))
    if form.is_valid():
        if secret is None:
            form.refuse("This page was open for too long: scan the code again.")
        else:
            try:
                app, codes = second_factor.set_up(
                    user=user,
                    secret=secret,
                    code=form.cleaned_data["code"],
                    may_replace=user.is_verified(),
                )
            except CodeRefused as error:
                form.refuse(str(error))
            else:
                _verified(request, app)
                return _show_codes(request, codes)
    secret, offer = second_factor.offer(user, secret or "")
    return _page(
        request,
        "set_up",
        "Set up the second factor",
        form=form,
        offer=offer,
        next=_next(request),
        qr=second_factor.qr_code(user, secret),
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    )


@require_POST
def recovery_codes_view(request: HttpRequest) -> HttpResponse:
    """New recovery codes in place of all earlier ones; for whoever has given a code in this sign-in."""
    user: Any = request.user
    if not user.is_verified():
        return HttpResponseRedirect(reverse("admin:second_factor"))
    return _show_codes(request, second_factor.new_recovery_codes(user=user))


def _verified(request: HttpRequest, device: django_otp.models.Device) -> None:
    """From now on this session has shown both factors; it gets a new name, as after every sign-in."""
    django_otp.login(request, device)
    request.session.cycle_key()


def _show_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    return _page(request, "recovery_codes", "Recovery codes", codes=codes, next=_next(request))


def _page(request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
    """A page without the navigation, which is not open yet; `second_factor` is the one inside."""
    inside = name == "second_factor"
    context = {**admin.site.each_context(request), "has_permission": inside, "title": title, **context}
    return TemplateResponse(request, f"registration/{name}.html", context)


def _next(request: HttpRequest) -> str:
    """Where somebody was going; the overview where nobody says, or somebody says another site."""
    wanted = request.POST.get("next", request.GET.get("next", ""))
    here = {request.get_host()}
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts=here, require_https=request.is_secure()):
        return wanted
    return reverse("admin:index")


def _with_next(request: HttpRequest, view: str) -> str:
    query = request.GET.urlencode()
    return f"{reverse(view)}?{query}" if query else reverse(view)
