"""What the pages of syncs and exports have in common: a bar that moves, and a way to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from audits.history.exports import groups_of
from audits.history.models import Conversation
from audits.history.progress import progress_of
from members.jobs import Job, JobState
from members.models import Group
from members.records import RecordAdmin
from members.ui import DASH, Tone, badge, duration, time_tag

LISTED = 50
"""How many groups a job's page names."""

_TONES: dict[str, Tone] = {
    JobState.QUEUED: "muted",
    JobState.RUNNING: "info",
    JobState.WAITING: "info",
    JobState.DONE: "good",
    JobState.PARTIAL: "warn",
    JobState.FAILED: "bad",
    JobState.CANCELLED: "muted",
}


def job_badge(job: Job) -> SafeString:
    return badge(job.get_state_display(), _TONES[job.state])


class JobAdmin(RecordAdmin):
    """Long work on conversations. Subclasses say whose it is and how it is stopped."""

    list_filter: ClassVar[Any] = ("state",)
    change_form_template = "admin/history/job.html"
    tab_field = "state"
    right = ""
    """The permission that asking for such a job takes, and stopping it."""
    facts_template = ""
    fields = ()

    def may(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.right)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request) or super().has_view_permission(request, obj)

    def get_urls(self) -> list[URLPattern]:
        name = f"history_{self.opts.model_name}"
        return [
            self._page("<int:pk>/progress/", f"{name}_progress", require_GET(self.progress_view)),
            self._page("<int:pk>/cancel/", f"{name}_cancel", require_POST(self.cancel_view)),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The job's own page in place of a form."""
        job = kwargs["obj"]
        context |= {
            "title": str(job),
            "subtitle": None,
            "progress": progress_of(job, timezone.now()),
            "progress_url": reverse(f"admin:history_{self.opts.model_name}_progress", args=[job.pk]),
            "cancel_url": reverse(f"admin:history_{self.opts.model_name}_cancel", args=[job.pk]),
            "may_cancel": self.may(request) and not job.cancel_requested,
            "facts": self.facts_template,
            **self.page_of(request, job),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def page_of(self, request: HttpRequest, job: Any) -> dict[str, Any]:
        """What the page and its facts show."""
        groups = groups_of(job)
        pages = Conversation.objects.filter(group__in=groups).values_list("group_id", "pk")
        shown: dict[int, int] = dict(pages)
        return {
            "job": job,
            "job_badge": job_badge(job),
            "groups": [(group, shown.get(group.pk)) for group in groups[:LISTED]],
            "more_groups": max(0, len(groups) - LISTED),
        }

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What progress.js polls. The state is one as long as the job lives: the page follows by itself."""
        job = self.visible(request, pk)
        progress = progress_of(job, timezone.now())
        facts = render_to_string(self.facts_template, self.page_of(request, job), request)
        return JsonResponse(
            {
                "state": "finished" if job.finished else "unfinished",
                "label": progress.label,
                "done": 0,
                "total": None,
                "percent": progress.percent,
                "eta_seconds": progress.seconds_to_go,
                "eta_words": progress.words,
                "finished": job.finished,
                "url": None,
                "html": facts,
            }
        )

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.may(request):
            raise PermissionDenied
        job = self.visible(request, pk)
        if self.cancel(job, request.user.get_username()):
            messages.info(request, f"{job} is asked to stop.")
        else:
            messages.warning(request, f"{job} was finished already.")
        return self.to_page(pk)

    def cancel(self, job: Any, actor: str) -> bool:
        """Ask `job` to stop; False when it was finished already."""
        raise NotImplementedError

    def visible(self, request: HttpRequest, pk: int) -> Any:
        """The job with this number. Raises Http404, PermissionDenied."""
        job = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        return job

    def to_page(self, pk: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse(f"admin:history_{self.opts.model_name}_change", args=[pk]))

    def _page(self, route: str, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
        return path(route, self.admin_site.admin_view(view), name=name)

    @admin.display(description="State", ordering="state")
    def status(self, job: Any) -> SafeString:
        return job_badge(job)

    @admin.display(description="Groups")
    def group_count(self, job: Any) -> str:
        return f"{len(job.groups):,}"

    @admin.display(description="Asked for", ordering="created_at")
    def asked_at(self, job: Any) -> SafeString:
        return time_tag(job.created_at)

    @admin.display(description="Took")
    def took(self, job: Any) -> str:
        if job.started_at is None or job.finished_at is None:
            return DASH
        return duration((job.finished_at - job.started_at).total_seconds())


def chosen_groups(request: HttpRequest) -> QuerySet[Group]:
    """The groups that a page's address or form names by their keys, separated by commas."""
    text = request.POST.get("groups") or request.GET.get("groups", "")
    keys = [int(word) for word in text.split(",") if word.isascii() and word.isdigit() and len(word) < 19]
    return Group.objects.filter(pk__in=keys).order_by("platform", "name", "pk")


def keys_in(groups: Sequence[Group]) -> str:
    """The same for the next page."""
    return ",".join(str(group.pk) for group in groups)
