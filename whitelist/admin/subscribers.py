"""Subscribers: what they are entitled to, what protects them, and what a sweep would do with each."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from members.records import link
from members.ui import DASH, Tone, badge, time_tag
from whitelist import facts, flags
from whitelist.admin.base import SUBSCRIPTION_TONES, EditableAdmin
from whitelist.decision import Person, Presence, Reason, Verdict, decide
from whitelist.models import Subscriber, Subscription
from whitelist.record import note
from whitelist.resources import SubscriberResource

_PRESENCE = {
    Presence.PRESENT: badge("in it", "good"),
    Presence.ABSENT: badge("not in it"),
    Presence.UNKNOWN: badge("unknown", "warn", hint="Nobody has read the whole member list yet."),
}


class AtRiskFilter(admin.SimpleListFilter):
    """Those whom a sweep would kick if kicks were on."""

    title = "at risk"
    parameter_name = "at_risk"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes: expired, and nothing protects them")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> QuerySet[Subscriber]:
        if self.value() != "yes":
            return queryset
        return queryset.filter(pk__in=facts.at_risk(now=timezone.now()).values("pk"))


@admin.register(Subscriber)
class SubscriberAdmin(EditableAdmin):
    resource_classes = (SubscriberResource,)
    list_display = ("telegram_id", "person", "subscription_badge", "ends", "protected", "there", "verdict")
    list_filter = (AtRiskFilter, "subscription__status")
    list_select_related = ("subscription",)
    readonly_fields = ("subscription_link", "last_seen", "steps")
    empty_hint = "Load a file with “loadsubscribers”, or import tables of subscribers and subscriptions."

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        people = facts.people(row.pk for row in changelist.result_list)
        for row in changelist.result_list:
            row.facts = people[row.pk]
        return changelist

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.readonly_fields, "telegram_id") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ("telegram_id", "username", "first_name", "last_name")
        return (*names, *self.readonly_fields) if obj else names

    def save_model(self, request: HttpRequest, obj: Subscriber, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        detail = ", ".join(form.changed_data)
        note(
            "subscriber.changed",
            [obj.pk],
            actor=request.user.get_username(),
            at=timezone.now(),
            detail=detail,
        )

    @admin.display(description="Subscription")  # people filter by it; sorting all by it takes too long
    def subscription_badge(self, subscriber: Subscriber) -> SafeString:
        held = subscription_of(subscriber)
        if held is None:
            return badge("none")
        return badge(held.get_status_display(), SUBSCRIPTION_TONES[held.status])

    @admin.display(description="Ends", ordering="subscription__expires_at")
    def ends(self, subscriber: Subscriber) -> SafeString:
        held = subscription_of(subscriber)
        return time_tag(held.expires_at if held else None)

    @admin.display(description="Whitelist")
    def protected(self, subscriber: Any) -> SafeString | str:
        return badge("protected", "good") if subscriber.facts.whitelisted else DASH

    @admin.display(description="Community")
    def there(self, subscriber: Any) -> SafeString:
        return _PRESENCE[subscriber.facts.presence]

    @admin.display(description="While kicks are on")
    def verdict(self, subscriber: Any) -> SafeString:
        return verdict_badge(decide(subscriber.facts, kicks_on=True, now=timezone.now()))

    @admin.display(description="Subscription")
    def subscription_link(self, subscriber: Subscriber) -> SafeString:
        held = subscription_of(subscriber)
        return link(held, held.get_status_display() if held else None)

    @admin.display(description="Last seen")
    def last_seen(self, subscriber: Subscriber) -> SafeString:
        return time_tag(subscriber.last_seen_at)

    @admin.display(description="Decision")
    def steps(self, subscriber: Subscriber) -> SafeString:
        """The flow, step by step, with where this person leaves it."""
        person = facts.people([subscriber.pk])[subscriber.pk]
        return explained(person)


def subscription_of(subscriber: Subscriber) -> Subscription | None:
    """The subscription, if there is one."""
    try:
        return subscriber.subscription
    except Subscription.DoesNotExist:
        return None


def verdict_badge(verdict: Verdict) -> SafeString:
    """Kept or kicked, with the reason in words."""
    if verdict.kick:
        return format_html("{} {}", badge("kicked", "bad"), verdict.reason.words)
    tone: Tone = "warn" if verdict.reason.to_report else "good"
    return format_html("{} {}", badge("kept", tone), verdict.reason.words)


def explained(person: Person) -> SafeString:
    """The decision about a person as the switch is now, and as it would be with kicks on."""
    now = timezone.now()
    lines = [("Now", decide(person, kicks_on=flags.kick_enabled(), now=now))]
    if lines[0][1].reason is Reason.KICKS_OFF:
        lines.append(("If kicks are turned on", decide(person, kicks_on=True, now=now)))
    return format_html_join(" ", "<p>{}: {}</p>", ((when, verdict_badge(verdict)) for when, verdict in lines))
