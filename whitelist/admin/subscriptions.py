"""Subscriptions: who is entitled, until when; changed by hand or by table, and otherwise by time alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from members.ui import badge, time_tag
from whitelist.admin.base import SUBSCRIPTION_TONES, EditableAdmin
from whitelist.models import Subscription
from whitelist.resources import SubscriptionResource
from whitelist.subscriptions import note_changes


@admin.register(Subscription)
class SubscriptionAdmin(EditableAdmin):
    resource_classes = (SubscriptionResource,)
    list_display = ("telegram_id", "person", "state", "ends", "grace", "changed")
    list_filter = ("status",)
    date_hierarchy = None
    tab_field = "status"
    tab_order = ("active", "grace", "expired", "pending", "cancelled")
    raw_id_fields = ("subscriber",)
    fields = ("subscriber", "status", "expires_at", "grace_until")
    empty_hint = "Load a file with “loadsubscribers”, or import a table."

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("subscriber",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: bool) -> None:
        before = Subscription.objects.filter(pk=obj.pk).first() if change else None
        super().save_model(request, obj, form, change)
        actor = request.user.get_username()
        note_changes([(before, obj)], actor=actor, source="by hand", now=timezone.now())

    @admin.display(description="Telegram id", ordering="pk")
    def telegram_id(self, subscription: Subscription) -> int:
        return subscription.subscriber_id

    @admin.display(description="State", ordering="status")
    def state(self, subscription: Subscription) -> SafeString:
        return badge(subscription.get_status_display(), SUBSCRIPTION_TONES[subscription.status])

    @admin.display(description="Ends", ordering="expires_at")
    def ends(self, subscription: Subscription) -> SafeString:
        return time_tag(subscription.expires_at)

    @admin.display(description="Grace until", ordering="grace_until")
    def grace(self, subscription: Subscription) -> SafeString:
        return time_tag(subscription.grace_until)

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, subscription: Subscription) -> SafeString:
        return time_tag(subscription.updated_at)
