"""What can be done with the conversations of groups, from any list whose rows mean groups."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from audits.admin.people import RemedyGroupAdmin
from audits.history.admin import exports, syncs
from audits.history.display import counted
from audits.history.keeping import keep
from members.models import Group


class ConversationActions:
    """Mixed into a list's page."""

    conversation_actions = ("fetch", "keep_up_to_date", "stop_keeping", "export_history")

    def groups_meant(self, queryset: QuerySet[Any]) -> list[Group]:
        """The groups that the selected rows mean."""
        raise NotImplementedError

    def has_keep_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(syncs.KEEP)

    def has_export_history_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(exports.EXPORT)

    @admin.action(description="Fetch conversations…", permissions=["keep"])
    def fetch(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return syncs.ask(request, self.groups_meant(queryset))

    @admin.action(description="Keep conversations up to date", permissions=["keep"])
    def keep_up_to_date(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._keep(request, queryset, kept=True)

    @admin.action(description="Stop keeping conversations up to date", permissions=["keep"])
    def stop_keeping(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._keep(request, queryset, kept=False)

    @admin.action(description="Export history…", permissions=["export_history"])
    def export_history(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return exports.ask(request, self.groups_meant(queryset))

    def _keep(self, request: HttpRequest, queryset: QuerySet[Any], *, kept: bool) -> None:
        count = keep(groups=self.groups_meant(queryset), kept=kept, actor=request.user.get_username())
        messages.success(request, kept_in_words(count, kept=kept))


def kept_in_words(count: int, *, kept: bool) -> str:
    """What `keep` did."""
    what = counted(count, "conversation")
    if kept:
        return f"From now on the schedules keep {what} more up to date."
    return f"{what} {'is' if count == 1 else 'are'} not kept up to date any more; what was fetched stays."


class TalkedGroupAdmin(ConversationActions, RemedyGroupAdmin):
    actions = (*RemedyGroupAdmin.actions, *ConversationActions.conversation_actions)

    def groups_meant(self, queryset: QuerySet[Any]) -> list[Group]:
        return list(queryset.order_by("platform", "name", "pk"))


admin.site.unregister(Group)
admin.site.register(Group, TalkedGroupAdmin)
