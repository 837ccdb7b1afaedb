"""The Telegram accounts: sign one in, step by step, sign it out, and say which one is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from members.odd_addresses import OddAddresses
from members.ui import DASH, badge, time_tag
from telegram_ops import gateway, signin
from telegram_ops.account_page import load_account_page, state_badge
from telegram_ops.models import AccountState, TelegramAccount, is_phone_number
from telegram_ops.signin import SignInRefused, Step

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[TelegramAccount]
else:
    ModelAdmin = admin.ModelAdmin


class PhoneForm(forms.Form):
    phone = forms.CharField(
        max_length=16, validators=[is_phone_number], help_text="With the country code, like +15550000101."
    )


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=40,
        help_text="It comes in the Telegram app of this number.",
        error_messages={"required": "Type the code that Telegram sent."},
    )


class PasswordForm(forms.Form):
    password = forms.CharField(
        max_length=500,
        strip=False,
        help_text="The one that Telegram asks for on a new device.",
        error_messages={"required": "Type the two-step password."},
    )


class LabelForm(forms.ModelForm):
    """What people call the account. Nothing else of it changes in a form."""

    class Meta:
        model = TelegramAccount
        fields = ("label",)


@admin.register(TelegramAccount)
class TelegramAccountAdmin(OddAddresses, ModelAdmin):
    list_display = ("label", "status", "belongs_to", "number", "in_use", "since", "used")
    actions = None
    fields = ("label", "phone")
    change_list_template = "admin/telegram_ops/telegramaccount/change_list.html"
    change_form_template = "admin/telegram_ops/telegramaccount/change_form.html"
    empty_hint = "Add the account through which audits look and operations act, then sign it in."

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
            view = self.admin_site.admin_view(view)
            return path(f"<int:pk>/{route}/", view, name=f"telegram_ops_telegramaccount_{name}")

        return [
            page("send-code", "send_code", require_POST(self.send_code_view)),
            page("resend-code", "resend_code", require_POST(self.resend_code_view)),
            page("code", "code", require_POST(self.code_view)),
            page("password", "password", require_POST(self.password_view)),
            page("accept", "accept", require_POST(self.accept_view)),
            page("give-up", "give_up", require_POST(self.give_up_view)),
            page("sign-out", "sign_out", self.sign_out_view),
            page("use", "use", self.use_view),
            page("audited", "audited", self.audited_view),
            page("label", "label", require_POST(self.label_view)),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"uses_environment": gateway.uses_environment(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"label": "Main", "phone": settings.TELEGRAM_PHONE}

    def has_change_permission(self, request: HttpRequest, obj: TelegramAccount | None = None) -> bool:
        """An account changes step by step, not in a form."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TelegramAccount | None = None) -> bool:
        """Only what is signed out: a session that nobody knows of any more cannot be ended from here."""
        signed_out = obj is None or obj.state == AccountState.SIGNED_OUT
        return signed_out and super().has_delete_permission(request, obj)

    def response_add(
        self, request: HttpRequest, obj: TelegramAccount, post_url_continue: str | None = None
    ) -> HttpResponse:
        return _to_page(obj.pk)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The account's own page in place of a form; a new one is added in Django's."""
        account: TelegramAccount | None = kwargs.get("obj")
        context |= {"account": account, "show_save_and_add_another": False, "show_save_and_continue": False}
        if account is not None:
            context |= {
                "title": str(account),
                "subtitle": None,
                "page": load_account_page(account),
                "may_sign_in": _may_sign_in(request),
                "may_delete": self.has_delete_permission(request, account),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def send_code_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def step(phone: str, actor: str) -> Step:
            return signin.send_code(account_id=pk, phone=phone, actor=actor)

        return self._take(request, pk, step, PhoneForm(request.POST))

    def resend_code_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def step(actor: str) -> Step:
            return signin.resend_code(account_id=pk, actor=actor)

        return self._take(request, pk, step)

    @method_decorator(sensitive_post_parameters("code"))
    def code_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def step(code: str, actor: str) -> Step:
            return signin.enter_code(account_id=pk, code=code, actor=actor)

        return self._take(request, pk, step, CodeForm(request.POST))

    @method_decorator(sensitive_post_parameters("password"))
    def password_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def step(password: str, actor: str) -> Step:
            return signin.enter_password(account_id=pk, password=password, actor=actor)

        return self._take(request, pk, step, PasswordForm(request.POST))

    def accept_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def step(actor: str) -> Step:
            return signin.accept_other_person(account_id=pk, actor=actor)

        return self._take(request, pk, step)

    def give_up_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def step(actor: str) -> Step:
            return signin.give_up(account_id=pk, actor=actor)

        return self._take(request, pk, step)

    def sign_out_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask first: audits and operations stop until somebody signs in again."""

        def step(actor: str) -> Step:
            return signin.sign_out(account_id=pk, actor=actor)

        return self._confirmed(request, pk, "sign_out", step)

    def use_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask first: another account is in other groups, and may do other things there."""

        def step(actor: str) -> Step:
            return signin.use(account_id=pk, actor=actor)

        return self._confirmed(request, pk, "use", step)

    def audited_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask first: audits look through a further account, or stop doing so."""

        def step(actor: str) -> Step:
            audited = request.POST.get("audited") == "on"
            return signin.set_audited_too(account_id=pk, audited=audited, actor=actor)

        return self._confirmed(request, pk, "audited", step)

    def label_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Call the account something else."""
        account = self._for_signers(request, pk)
        before = account.label
        form = LabelForm(request.POST, instance=account)
        if not form.is_valid():
            messages.error(request, str(next(iter(form.errors.values()))[0]))
        elif form.has_changed():
            account.save(update_fields=["label"])
            detail = f"{before} → {account.label}"
            gateway.record(
                account, "telegram.account_renamed", actor=request.user.get_username(), detail=detail
            )
            messages.success(request, f"It is called “{account.label}” now.")
        return _to_page(pk)

    def _confirmed(self, request: HttpRequest, pk: int, what: str, step: Callable[..., Step]) -> HttpResponse:
        if request.method == "POST":
            return self._take(request, pk, step)
        account = self._for_signers(request, pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _title(what, account),
            "what": what,
            "account": account,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/telegram_ops/telegramaccount/confirm.html", context)

    def _take(
        self, request: HttpRequest, pk: int, step: Callable[..., Step], form: forms.Form | None = None
    ) -> HttpResponse:
        """Make one step with what `form` holds, and say what came of it on the account's page."""
        self._for_signers(request, pk)
        if form is not None and not form.is_valid():
            messages.error(request, str(next(iter(form.errors.values()))[0]))
            return _to_page(pk)
        try:
            outcome = step(actor=request.user.get_username(), **(form.cleaned_data if form else {}))
        except SignInRefused as refusal:
            messages.error(request, str(refusal))
            return _to_page(pk)
        _tell(request, outcome)
        return _to_page(pk)

    def _for_signers(self, request: HttpRequest, pk: int) -> TelegramAccount:
        account = get_object_or_404(TelegramAccount, pk=pk)
        if not (_may_sign_in(request) and self.has_view_permission(request, account)):
            raise PermissionDenied
        return account

    @admin.display(description="State", ordering="state")
    def status(self, account: TelegramAccount) -> SafeString:
        return state_badge(account)

    @admin.display(description="Belongs to", ordering="name")
    def belongs_to(self, account: TelegramAccount) -> str:
        return account.person or DASH

    @admin.display(description="Phone")
    def number(self, account: TelegramAccount) -> str:
        return account.masked_phone

    @admin.display(description="In use", ordering="is_default")
    def in_use(self, account: TelegramAccount) -> SafeString | str:
        if account.is_default and not gateway.uses_environment():
            return badge("In use", "info")
        return badge("Audited too", "info") if account.audited_too else DASH

    @admin.display(description="Since", ordering="state_since")
    def since(self, account: TelegramAccount) -> SafeString:
        return time_tag(account.state_since)

    @admin.display(description="Last used", ordering="last_used_at")
    def used(self, account: TelegramAccount) -> SafeString:
        return time_tag(account.last_used_at)


def _title(what: str, account: TelegramAccount) -> str:
    if what == "audited":
        return "Audit through it no more" if account.audited_too else "Audit through it, too"
    return {"sign_out": "Sign out", "use": "Use this account"}[what]


def _tell(request: HttpRequest, outcome: Step) -> None:
    messages.success(request, outcome.message)
    if outcome.warning:
        messages.warning(request, outcome.warning)
    for link in outcome.went_on:
        messages.info(request, format_html('{} <a href="{}">{}</a>', link.relation, link.url, link.label))


def _may_sign_in(request: HttpRequest) -> bool:
    return request.user.has_perm("telegram_ops.sign_in_telegram")


def _to_page(pk: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:telegram_ops_telegramaccount_change", args=[pk]))
