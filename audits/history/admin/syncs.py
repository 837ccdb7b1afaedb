"""Syncs: ask for one, watch it, stop it, and read what it fetched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern

from audits.history.admin.jobs import ConversationJobAdmin, ask_about, chosen_groups
from audits.history.models import SyncJob
from audits.history.sync import request_sync
from audits.history.tasks import enqueue_sync
from members import jobs
from members.form_fields import DayField
from members.models import Group

KEEP = "history.keep_history"


class SyncForm(forms.Form):
    """How much of the conversations is fetched."""

    since = DayField(
        required=False,
        label="Not older than",
        help_text="A day (UTC). Empty: everything, as far back as messages are kept.",
    )
    with_files = forms.BooleanField(
        required=False,
        label="Photos, files and voice messages too",
        help_text="As large, and of the kinds, that the settings allow.",
    )
    anew = forms.BooleanField(
        required=False,
        label="Read again what is kept already",
        help_text="Slower: finds edits and deletions of long ago.",
    )


@admin.register(SyncJob)
class SyncJobAdmin(ConversationJobAdmin):
    list_display = (
        "name",
        "status",
        "group_count",
        "new",
        "changed",
        "deleted",
        "asked_by",
        "asked_at",
        "took",
    )
    list_display_links = ("name",)
    begins_with_groups = True
    empty_hint = "Choose conversations, or groups, and the action “Fetch conversations…”."
    right = KEEP
    facts_template = "admin/history/sync_facts.html"

    def get_urls(self) -> list[URLPattern]:
        return [self._page("new/", "new", self.new_view), *super().get_urls()]

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Ask how much to fetch of the groups that the address or the form names."""
        if not self.may(request):
            raise PermissionDenied
        groups = list(chosen_groups(request))
        form = SyncForm(request.POST if "confirm" in request.POST else None)
        if groups and form.is_valid():
            job = request_sync(
                groups=groups,
                asked_by=request.user.get_username(),
                since=midnight(form.cleaned_data["since"]),
                media=form.cleaned_data["with_files"],
                anew=form.cleaned_data["anew"],
            )
            enqueue_sync(job.pk)
            return self.to_page(job.pk)
        return ask(request, groups, form)

    def cancel(self, job: SyncJob, actor: str) -> bool:
        return jobs.cancel(SyncJob, job.pk)

    def page_of(self, request: HttpRequest, job: SyncJob) -> dict[str, Any]:
        return {**super().page_of(request, job), "failures": sorted(job.failures.values())}

    @admin.display(description="Sync", ordering="id")
    def name(self, job: SyncJob) -> str:
        return str(job)

    @admin.display(description="New", ordering="messages_new")
    def new(self, job: SyncJob) -> str:
        return f"{job.messages_new:,}"

    @admin.display(description="Changed", ordering="messages_changed")
    def changed(self, job: SyncJob) -> str:
        return f"{job.messages_changed:,}"

    @admin.display(description="Deleted", ordering="messages_deleted")
    def deleted(self, job: SyncJob) -> str:
        return f"{job.messages_deleted:,}"


def ask(request: HttpRequest, groups: list[Group], form: SyncForm | None = None) -> HttpResponse:
    """The page that asks how much to fetch."""
    template = "admin/history/fetch.html"
    return ask_about(
        request, groups, form or SyncForm(), model=SyncJob, title="Fetch conversations", template=template
    )


def midnight(day: Any) -> datetime | None:
    """The beginning of a day (UTC)."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day is not None else None
