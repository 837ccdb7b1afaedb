"""Conversations: which are kept, how quiet they are, and what was said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from audits.history.admin.groups import ConversationActions, kept_in_words
from audits.history.keeping import keep
from audits.history.models import Conversation
from audits.history.transcript import Where, load_transcript
from members.list_tabs import Tab
from members.models import Group
from members.platforms.types import Platform
from members.records import RecordAdmin
from members.ui import DASH, NBSP, badge, time_tag

READ = "history.read_history"
_RIGHTS = (READ, "history.keep_history", "history.export_history", "history.view_conversation")


class QuietFilter(admin.SimpleListFilter):
    title = "quiet for"
    parameter_name = "quiet"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("7", "a week or longer"), ("30", "a month or longer"), ("90", "three months or longer")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {days for days, _ in self.lookup_choices}:
            return queryset
        return queryset.filter(last_message_at__lt=timezone.now() - timedelta(days=int(self.value() or 0)))


@admin.register(Conversation)
class ConversationAdmin(ConversationActions, RecordAdmin):
    list_display = ("name", "platform", "keeping", "size", "first", "last", "quiet")
    list_display_links = ("name",)
    list_filter = (
        "kept",
        "group__platform",
        "group__category",
        QuietFilter,
        "group__in_scope",
        "group__archived",
    )
    list_select_related = ("group",)
    search_fields = ("group__name", "group__external_id")
    search_help_text = "Name or platform id"
    ordering = (F("last_message_at").desc(nulls_last=True), "pk")
    actions = ConversationActions.conversation_actions
    change_form_template = "admin/history/conversation.html"
    begins_with_groups = True
    empty_hint = "Choose groups on the list of groups, and the action “Fetch conversations…”."
    fields: ClassVar = ()

    def groups_meant(self, queryset: QuerySet[Any]) -> list[Group]:
        rows = Group.objects.filter(conversation__in=queryset.order_by())
        return list(rows.order_by("platform", "name", "pk"))

    def has_view_permission(self, request: HttpRequest, obj: Conversation | None = None) -> bool:
        return any(request.user.has_perm(right) for right in _RIGHTS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return super().get_queryset(request).defer("covered")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.keep_view))
        return [path("<int:pk>/keep/", view, name="history_conversation_keep"), *super().get_urls()]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.tabs = tuple(_tabs(changelist, request))
        changelist.tab = next((tab for tab in changelist.tabs if tab.selected), None)
        changelist.whole = changelist.tabs[0]
        return changelist

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The conversation to read, in place of a form."""
        conversation: Conversation = kwargs["obj"]
        may_read = request.user.has_perm(READ)
        context |= {
            "title": conversation.group.name,
            "subtitle": None,
            "conversation": conversation,
            "group": conversation.group,
            "quiet": self.quiet(conversation),
            "may_read": may_read,
            "talk": load_transcript(conversation, _where(request)) if may_read else None,
            "may_keep": self.has_keep_permission(request),
            "may_export": self.has_export_history_permission(request),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def keep_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have schedules keep one conversation, or leave it."""
        if not self.has_keep_permission(request):
            raise PermissionDenied
        conversation = get_object_or_404(Conversation.objects.select_related("group"), pk=pk)
        kept = request.POST.get("kept") == "yes"
        count = keep(groups=[conversation.group], kept=kept, actor=request.user.get_username())
        messages.success(request, kept_in_words(count, kept=kept))
        return HttpResponseRedirect(reverse("admin:history_conversation_change", args=[pk]))

    @admin.display(description="Group", ordering="group__name")
    def name(self, conversation: Conversation) -> str:
        return conversation.group.name

    @admin.display(description="Platform", ordering="group__platform")
    def platform(self, conversation: Conversation) -> str:
        return Platform(conversation.group.platform).label

    @admin.display(description="Kept up to date", ordering="kept")
    def keeping(self, conversation: Conversation) -> SafeString:
        return badge("Yes", "good") if conversation.kept else badge("No", "muted")

    @admin.display(description="Messages", ordering="message_count")
    def size(self, conversation: Conversation) -> str:
        return f"{conversation.message_count:,}"

    @admin.display(description="First", ordering="first_message_at")
    def first(self, conversation: Conversation) -> SafeString:
        return time_tag(conversation.first_message_at)

    @admin.display(description="Last", ordering="last_message_at")
    def last(self, conversation: Conversation) -> SafeString:
        return time_tag(conversation.last_message_at)

    @admin.display(description="Quiet for", ordering="-last_message_at")
    def quiet(self, conversation: Conversation) -> str:
        if conversation.last_message_at is None:
            return DASH
        days = (timezone.now() - conversation.last_message_at).days
        return f"{days:,}{NBSP}{'day' if days == 1 else 'days'}" if days > 0 else "today"


def _tabs(changelist: Any, request: HttpRequest) -> Iterator[Tab]:
    """All, those that are kept up to date, and the others; each with its number under the other filters."""
    name = "kept__exact"
    others = changelist.get_queryset(request, exclude_parameters=[name])
    counts = dict(others.order_by().values_list("kept").annotate(Count("pk", distinct=True)))
    chosen = changelist.params.get(name)
    yield Tab(
        "All",
        changelist.get_query_string({name: None}),
        sum(counts.values()),
        chosen is None,
        everything=True,
    )
    for title, value, kept in (("Kept up to date", "1", True), ("Not kept up to date", "0", False)):
        yield Tab(title, changelist.get_query_string({name: value}), counts.get(kept, 0), chosen == value)


def _where(request: HttpRequest) -> Where:
    return Where(**{name: _key(request.GET.get(name)) for name in ("message", "before", "after", "thread")})


def _key(text: str | None) -> int | None:
    """A row's key that an address names; None for anything else."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 19):
        return None
    return int(text)
