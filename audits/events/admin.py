"""Live events: how the listeners do, what was heard, and which audit looked."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from audits.events.models import LiveEvent
from audits.events.state import live_state
from members.platforms.types import Platform
from members.records import RecordAdmin, link
from members.ui import Tone, badge, time_tag

_TONES: dict[str, Tone] = {
    LiveEvent.State.WAITING: "info",
    LiveEvent.State.LOOKING: "info",
    LiveEvent.State.SEEN: "good",
    LiveEvent.State.GIVEN_UP: "warn",
}


@admin.register(LiveEvent)
class LiveEventAdmin(RecordAdmin):
    list_display = ("group", "where", "happened", "times", "heard", "status", "audit")
    list_display_links = ("group",)
    list_filter = ("state", "platform", "what")
    search_fields = ("group_name", "=group_external_id")
    search_help_text = "A group's name or id"
    date_hierarchy = "heard_at"
    change_list_template = "admin/events/liveevent/change_list.html"
    fields = ("group", "where", "group_external_id", "happened", "times", "heard", "last", "status", "audit")
    empty_hint = "While a listener runs, what happens in groups shows up here, and an audit looks at once."

    def get_queryset(self, request: HttpRequest) -> QuerySet[LiveEvent]:
        return super().get_queryset(request).select_related("run")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"listeners": live_state(), **(extra_context or {})})

    @admin.display(description="Group", ordering="group_name")
    def group(self, event: LiveEvent) -> str:
        return event.group_name or event.group_external_id

    @admin.display(description="Platform", ordering="platform")
    def where(self, event: LiveEvent) -> str:
        return Platform(event.platform).label

    @admin.display(description="What happened last", ordering="what")
    def happened(self, event: LiveEvent) -> str:
        return event.get_what_display()

    @admin.display(description="Heard", ordering="heard_at")
    def heard(self, event: LiveEvent) -> SafeString:
        return time_tag(event.heard_at)

    @admin.display(description="Last heard")
    def last(self, event: LiveEvent) -> SafeString:
        return time_tag(event.last_heard_at)

    @admin.display(description="State", ordering="state")
    def status(self, event: LiveEvent) -> SafeString:
        hint = "The next whole audit looks at the group." if event.state == LiveEvent.State.GIVEN_UP else ""
        return badge(event.get_state_display(), _TONES[event.state], hint=hint)

    @admin.display(description="Audit")
    def audit(self, event: LiveEvent) -> SafeString:
        return link(event.run)
