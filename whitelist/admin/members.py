"""Who is in the gated community, as last read or told."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from members.tables import LabelledResource, Moment, WholeNumber, YesNo, shown
from members.ui import badge, time_tag
from whitelist.admin.base import PeopleAdmin
from whitelist.models import CommunityMember
from whitelist.record import gated_chat_id


class PresenceFilter(admin.SimpleListFilter):
    title = "presence"
    parameter_name = "presence"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("there", "In the community"), ("left", "Gone")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[CommunityMember]
    ) -> QuerySet[CommunityMember]:
        if self.value() is None:
            return queryset
        return queryset.filter(left_at__isnull=self.value() == "there")


class CommunityMemberResource(LabelledResource):
    """The member list as a table."""

    telegram_id = shown("telegram_id", WholeNumber())
    is_bot = shown("is_bot", YesNo())
    first_seen_utc = shown("first_seen_at", Moment(), name="first_seen_utc")
    last_seen_utc = shown("last_seen_at", Moment(), name="last_seen_utc")
    left_utc = shown("left_at", Moment(), name="left_utc")

    class Meta:
        model = CommunityMember
        fields = export_order = (
            "telegram_id",
            "username",
            "name",
            "role",
            "is_bot",
            "first_seen_utc",
            "last_seen_utc",
            "left_utc",
        )


@admin.register(CommunityMember)
class CommunityMemberAdmin(PeopleAdmin):
    resource_classes = (CommunityMemberResource,)
    id_field = "telegram_id"
    list_display = ("telegram_id", "person", "what", "first_seen", "last_seen", "left")
    list_filter = (PresenceFilter, "role", "is_bot")
    fields = ("telegram_id", "name", "username", "what", "first_seen", "last_seen", "left")
    change_form_template = "admin/records/change_form.html"
    empty_hint = "The member list has not been read yet: Seedings › “Read the members…” does it."

    def get_queryset(self, request: HttpRequest) -> QuerySet[CommunityMember]:
        return super().get_queryset(request).filter(chat_id=gated_chat_id())

    @admin.display(description="Role", ordering="role")
    def what(self, member: CommunityMember) -> SafeString:
        if member.is_our_account:
            return badge("our account", "info")
        if member.is_bot:
            return badge("bot", "info")
        return badge(member.get_role_display(), "muted" if member.role == "member" else "good")

    @admin.display(description="First seen", ordering="first_seen_at")
    def first_seen(self, member: CommunityMember) -> SafeString:
        return time_tag(member.first_seen_at)

    @admin.display(description="Last seen", ordering="last_seen_at")
    def last_seen(self, member: CommunityMember) -> SafeString:
        return time_tag(member.last_seen_at)

    @admin.display(description="Gone since", ordering="left_at")
    def left(self, member: CommunityMember) -> SafeString:
        return time_tag(member.left_at)
