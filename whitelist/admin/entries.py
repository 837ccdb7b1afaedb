"""The whitelist: who is protected, since when and by whom; granting, burning and reviving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from members.ui import DASH, badge, time_tag
from whitelist import services
from whitelist.admin.base import EditableAdmin
from whitelist.admin.decisions import ask_before_burning, ask_before_reviving
from whitelist.models import WhitelistEntry
from whitelist.resources import WhitelistResource

if TYPE_CHECKING:
    EntryFormBase = forms.ModelForm[WhitelistEntry]
else:
    EntryFormBase = forms.ModelForm


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "Protected"), ("burned", "Burned")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WhitelistEntry]) -> QuerySet[WhitelistEntry]:
        if self.value() is None:
            return queryset
        return queryset.filter(revoked_at__isnull=self.value() == "active")


class GrantForm(EntryFormBase):
    """Whom to protect, and why."""

    class Meta:
        model = WhitelistEntry
        fields = ("telegram_id", "note")
        widgets: ClassVar = {"note": AdminTextareaWidget(attrs={"rows": 3})}
        help_texts: ClassVar = {
            "telegram_id": "The person's number on Telegram; names can change hands.",
            "note": "Why they are protected, for whoever asks later.",
        }

    def clean_telegram_id(self) -> int:
        telegram_id: int = self.cleaned_data["telegram_id"]
        entry = WhitelistEntry.objects.filter(pk=telegram_id).first()
        if entry is not None and entry.active:
            raise ValidationError("They are protected already.")
        if entry is not None:
            raise ValidationError("Their entry was burned. Choose it in the list, and “Protect again…”.")
        return telegram_id


@admin.register(WhitelistEntry)
class WhitelistEntryAdmin(EditableAdmin):
    resource_classes = (WhitelistResource,)
    form = GrantForm
    change_form_template = "admin/records/change_form.html"
    add_form_template = "admin/change_form.html"
    list_display = ("telegram_id", "person", "status", "source", "about", "granted", "burned")
    list_filter = (StateFilter, "source", "revoke_cause")
    fields = ("telegram_id", "note")
    actions = ("burn", "revive")
    empty_title = "Nobody is on the whitelist"
    empty_hint = "Nobody is protected yet: add somebody, import a table, or seed everybody who is there now."

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # it is granted, burned and revived; what happened is not edited

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    def has_burn_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("whitelist.burn_whitelistentry")

    def get_fields(self, request: HttpRequest, obj: WhitelistEntry | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("telegram_id", "note")
        granted = ("telegram_id", "person", "status", "source", "note", "granted")
        return granted if obj.active else (*granted, "burned", "revoked_by", "revoke_reason")

    def save_model(self, request: HttpRequest, obj: WhitelistEntry, form: Any, change: bool) -> None:
        services.grant(telegram_ids=[obj.telegram_id], actor=request.user.get_username(), note=obj.note)

    def log_addition(self, request: HttpRequest, obj: WhitelistEntry, message: Any) -> Any:
        """Nothing: the record of who did what has it."""

    @admin.action(description="Burn whitelist…", permissions=["burn"])
    def burn(self, request: HttpRequest, queryset: QuerySet[WhitelistEntry]) -> HttpResponse | None:
        return ask_before_burning(self, request, queryset)

    @admin.action(description="Protect again…", permissions=["add"])
    def revive(self, request: HttpRequest, queryset: QuerySet[WhitelistEntry]) -> HttpResponse | None:
        return ask_before_reviving(self, request, queryset)

    @admin.display(description="State", ordering="revoked_at")
    def status(self, entry: WhitelistEntry) -> SafeString:
        return badge("Protected", "good") if entry.active else badge("Burned", "muted")

    @admin.display(description="Note")
    def about(self, entry: WhitelistEntry) -> str:
        return entry.note or DASH

    @admin.display(description="Granted", ordering="granted_at")
    def granted(self, entry: WhitelistEntry) -> SafeString:
        by = entry.granted_by or DASH
        return format_html('{}<br><span class="quiet">{}</span>', time_tag(entry.granted_at), by)

    @admin.display(description="Burned", ordering="revoked_at")
    def burned(self, entry: WhitelistEntry) -> SafeString | str:
        if entry.revoked_at is None:
            return DASH
        cause = badge(entry.get_revoke_cause_display())
        return format_html("{}<br>{}", time_tag(entry.revoked_at), cause)
