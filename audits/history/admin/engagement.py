"""How lively conversations are: who falls quiet, who waits for an answer, and who of us takes part."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from audits.history.display import days_in_words
from audits.history.engagement import WEEKS, engagement_of, names_of, quiet_days
from audits.history.engagement_workbook import write_workbook
from audits.history.models import Conversation, Liveliness
from members.charts import sparkline
from members.downloads import made
from members.platforms.types import Platform
from members.records import RecordAdmin
from members.ui import DASH, badge, duration, time_tag

RIGHTS = tuple(
    f"history.{right}" for right in ("read_history", "keep_history", "export_history", "view_conversation")
)


def answer_in_words(usual: timedelta | None) -> str:
    """How soon somebody is usually answered: "after 3 h 20 min", "after 12 days"."""
    if usual is None:
        return DASH
    return f"after {duration(usual.total_seconds()) if usual.days < 2 else days_in_words(usual.days)}"


class WaitingFilter(admin.SimpleListFilter):
    title = "customers"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "waiting for an answer"), ("no", "answered")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(waiting_since__isnull=self.value() == "no")


@admin.register(Liveliness)
class LivelinessAdmin(RecordAdmin):
    list_display = ("name", "where", "quiet", "waiting", "weeks", "answer", "staff")
    fields = ("name", "platform", "category", "quiet", "waiting")
    list_display_links = None
    list_filter = ("group__platform", "group__category", WaitingFilter, "group__in_scope", "group__archived")
    list_select_related = ("group__category",)
    search_fields = ("group__name", "group__external_id")
    search_help_text = "Name or platform id"
    ordering = (F("last_said_at").asc(nulls_last=True), "pk")
    change_list_template = "admin/history/engagement_list.html"
    row_name, row_name_plural = "conversation", "conversations"
    empty_hint = "Choose groups and “Fetch conversations…”; the longest quiet one stands first here."

    def has_view_permission(self, request: HttpRequest, obj: Conversation | None = None) -> bool:
        return any(request.user.has_perm(right) for right in RIGHTS)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Liveliness]:
        return super().get_queryset(request).exclude(message_count=0).defer("covered")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.workbook_view))
        return [path("xlsx/", view, name="history_liveliness_xlsx"), *super().get_urls()]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The rows of the page with what was counted of them: two queries, however many they are."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        engagements = engagement_of(rows)
        names = names_of(key for each in engagements.values() for key, _ in each.by_employee)
        for row in rows:
            row.engagement, row.names = engagements[row.pk], names
        changelist.result_list = rows
        changelist.xlsx = f"{reverse('admin:history_liveliness_xlsx')}?{request.GET.urlencode()}"
        return changelist

    def workbook_view(self, request: HttpRequest) -> HttpResponse:
        """The list under its filters as a workbook."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = super().get_changelist_instance(request).get_queryset(request)
        now = timezone.now()
        book = write_workbook(list(rows.select_related("group__category")), now=now)
        return made(book, f"engagement_{now:%Y%m%d_%H%M%S}.xlsx")

    @admin.display(description="Group", ordering="group__name")
    def name(self, row: Any) -> SafeString:
        url = reverse("admin:history_conversation_change", args=[row.pk])
        return format_html('<a href="{}">{}</a>', url, row.group.name)

    @admin.display(description="Platform", ordering="group__platform")
    def platform(self, row: Any) -> str:
        return Platform(row.group.platform).label

    @admin.display(description="Category", ordering="group__category__position")
    def category(self, row: Any) -> str:
        return str(row.group.category or DASH)

    @admin.display(description="Platform", ordering="group__platform")
    def where(self, row: Any) -> SafeString:
        """With the category below it: a column less, and all of them fit beside each other."""
        return format_html('{}<br><span class="quiet">{}</span>', self.platform(row), self.category(row))

    @admin.display(description="Quiet for", ordering="last_said_at")
    def quiet(self, row: Any) -> str:
        return days_in_words(quiet_days(row, timezone.now()))

    @admin.display(description="Waits since", ordering="waiting_since")
    def waiting(self, row: Any) -> SafeString:
        if row.waiting_since is None:
            return badge("Answered", "good")
        return time_tag(row.waiting_since)

    @admin.display(description=f"{WEEKS} weeks")
    def weeks(self, row: Any) -> SafeString:
        counts = [count for _, count in row.engagement.weeks]
        return format_html("{} {}", f"{row.engagement.messages:,}", sparkline(counts, "Messages a week"))

    @admin.display(description="Usual answer")
    def answer(self, row: Any) -> str:
        return answer_in_words(row.engagement.usual_answer)

    @admin.display(description="Staff")
    def staff(self, row: Any) -> str:
        names = [row.names[key] for key, _ in row.engagement.by_employee]
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or DASH
