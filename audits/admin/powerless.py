"""Groups where we cannot act: which right is missing, what waits for it, and the way on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from audits.models import PowerlessGroup
from audits.powerless import lacking, waiting_in, way_on
from members.admin.base import TableExportMixin
from members.admin.groups import our_standing
from members.models import Category
from members.platforms.types import Platform
from members.records import RecordAdmin
from members.tables import Key, LabelledResource, Moment, WholeNumber, shown
from members.ui import DASH, badge
from telegram_ops.admin.ownership_asking import AskOwnersAction
from telegram_ops.ownership_models import RequestState

RIGHTS = ("members.view_group", "audits.view_finding")


class PowerlessResource(LabelledResource):
    """The list as a table."""

    platform = shown("platform")
    group = shown("name", name="group")
    group_id = shown("external_id", name="group_id")
    category = shown("category", Key(Category))
    our_status = shown("admin_status", name="our_status")
    lacking = shown("lacking")
    waiting = shown("waiting")
    blocked = shown("blocked", WholeNumber(), name="waiting_findings")
    way_on = shown("way_on")
    asked_utc = shown("asked_at", Moment(), name="asked_utc")
    last_seen_utc = shown("last_seen_at", Moment(), name="last_seen_utc")

    class Meta:
        model = PowerlessGroup
        fields = (
            "platform",
            "group",
            "group_id",
            "category",
            "our_status",
            "lacking",
            "waiting",
            "blocked",
            "way_on",
            "asked_utc",
            "last_seen_utc",
        )


class WaitingFilter(admin.SimpleListFilter):
    title = "waiting"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "something waits for the right"), ("no", "nothing waits")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(blocked__gt=0) if self.value() == "yes" else queryset.filter(blocked=0)


@admin.register(PowerlessGroup)
class PowerlessGroupAdmin(TableExportMixin, AskOwnersAction, RecordAdmin):
    resource_classes = (PowerlessResource,)
    change_list_template = "admin/records/change_list.html"
    tab_field = "platform"
    list_display = fields = ("group_link", "platform", "category", "our_status", "lacks", "waits", "way")
    list_display_links = None
    list_filter = (
        WaitingFilter,
        "platform",
        "category",
        "admin_status",
        "may_invite",
        "may_remove",
        "may_rename",
        "visible",
    )
    list_select_related = ("category",)
    search_fields = ("name", "external_id")
    search_help_text = "Name or platform id"
    actions = ("ask_owners",)
    empty_hint = "Our account may add and remove people in every group in scope, and rename it."

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perms(RIGHTS)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_ordering(self, request: HttpRequest) -> Any:
        """Where most waits comes first. Django's checks take no annotation for an `ordering`."""
        return ("-blocked", Lower("name"), "pk")

    @admin.display(description="Group", ordering=Lower("name"))
    def group_link(self, group: PowerlessGroup) -> SafeString:
        url = reverse("admin:members_group_change", args=[group.pk])
        return format_html('<a href="{}">{}</a>', url, group.name)

    @admin.display(description="Our account", ordering="admin_status")
    def our_status(self, group: PowerlessGroup) -> SafeString:
        return our_standing(group)

    @admin.display(description="May not")
    def lacks(self, group: PowerlessGroup) -> SafeString:
        return format_html_join(" ", "{}", ((badge(right.words, "warn"),) for right in lacking(group)))

    @admin.display(description="What waits for it", ordering="blocked")
    def waits(self, group: PowerlessGroup) -> SafeString | str:
        """Each with a link to its findings."""
        findings = reverse("admin:audits_finding_changelist")
        lines = (
            (
                f"{findings}?{urlencode({'group__id__exact': group.pk, 'kind__exact': str(right.kind)})}",
                capfirst(right.of(count)),
            )
            for right, count in waiting_in(group)
        )
        return format_html_join(", ", '<a href="{}">{}</a>', lines) or DASH

    @admin.display(description="The way on")
    def way(self, group: Any) -> SafeString | str:
        if group.platform != Platform.TELEGRAM or not group.visible:
            return way_on(group)
        if group.asked_state in (None, RequestState.DONE):
            url = f"{reverse('admin:telegram_ops_ownershiprequest_ask')}?groups={group.external_id}"
        else:
            url = f"{reverse('admin:telegram_ops_ownershiprequest_changelist')}?q={group.external_id}"
        return format_html('<a href="{}">{}</a>', url, way_on(group))
