"""What the pages of syncs and exports have in common: the groups that they are about, and which to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from audits.history.exports import groups_of
from audits.history.models import Conversation, ExportJob, SyncJob
from audits.history.progress import progress_of
from members.job_admin import JobAdmin, job_badge
from members.job_progress import Progress
from members.models import Group
from members.ui import DASH, duration

LISTED = 50
"""How many groups a job's page names."""


class ConversationJobAdmin(JobAdmin):
    """Long work on conversations."""

    change_form_template = "admin/history/job.html"
    tab_field = "state"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request) or super().has_view_permission(request, obj)

    def page_of(self, request: HttpRequest, job: Any) -> dict[str, Any]:
        groups = groups_of(job)
        pages = Conversation.objects.filter(group__in=groups).values_list("group_id", "pk")
        shown: dict[int, int] = dict(pages)
        return {
            **super().page_of(request, job),
            "facts": self.facts_template,
            "job_badge": job_badge(job),
            "groups": [(group, shown.get(group.pk)) for group in groups[:LISTED]],
            "more_groups": max(0, len(groups) - LISTED),
        }

    def progress_of(self, job: Any) -> Progress:
        return progress_of(job, timezone.now())

    @admin.display(description="Groups")
    def group_count(self, job: Any) -> str:
        return f"{len(job.groups):,}"

    @admin.display(description="Took")
    def took(self, job: Any) -> str:
        if job.started_at is None or job.finished_at is None:
            return DASH
        return duration((job.finished_at - job.started_at).total_seconds())


def ask_about(
    request: HttpRequest,
    groups: Sequence[Group],
    form: Form,
    *,
    model: type[ExportJob | SyncJob],
    title: str,
    template: str,
) -> HttpResponse:
    """The page that asks how to do it with these groups."""
    if not groups:
        messages.warning(request, "Choose a group.")
        return HttpResponseRedirect(reverse("admin:history_conversation_changelist"))
    context = {
        **admin.site.each_context(request),
        "title": title,
        "form": form,
        "opts": model._meta,
        "groups": groups,
        "keys": keys_in(groups),
    }
    return TemplateResponse(request, template, context)


def chosen_groups(request: HttpRequest) -> QuerySet[Group]:
    """The groups that a page's address or form names by their keys, separated by commas."""
    text = request.POST.get("groups") or request.GET.get("groups", "")
    keys = [int(word) for word in text.split(",") if word.isascii() and word.isdigit() and len(word) < 19]
    return Group.objects.filter(pk__in=keys).order_by("platform", "name", "pk")


def keys_in(groups: Sequence[Group]) -> str:
    """The same for the next page."""
    return ",".join(str(group.pk) for group in groups)
