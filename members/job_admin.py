"""The pages of jobs: each shows a bar that moves, what has come of it, and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from members.job_progress import Progress, progress_of
from members.jobs import Job, JobState
from members.records import RecordAdmin
from members.ui import Tone, badge, time_tag

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
    """Long work as a row. Subclasses say whose it is, what its page shows, and how it is stopped."""

    list_filter: ClassVar[Any] = ("state",)
    fields = ()
    right = ""
    """The permission that asking for such a job takes, and stopping it."""
    facts_template = ""
    """What of the page is shown anew while the job lives, made of `page_of`; empty: nothing."""

    def may(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.right)

    def get_urls(self) -> list[URLPattern]:
        return [
            self._page("<int:pk>/progress/", "progress", require_GET(self.progress_view)),
            self._page("<int:pk>/cancel/", "cancel", require_POST(self.cancel_view)),
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
            "progress": self.progress_of(job),
            "progress_url": reverse(self._name("progress"), args=[job.pk]),
            "cancel_url": reverse(self._name("cancel"), args=[job.pk]),
            "may": self.may(request),
            "may_cancel": self.may(request) and not job.cancel_requested,
            **self.page_of(request, job),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def page_of(self, request: HttpRequest, job: Any) -> dict[str, Any]:
        """What the page and its facts show."""
        return {"job": job}

    def progress_of(self, job: Any) -> Progress:
        """What the bar shows."""
        return progress_of(job, timezone.now())

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What progress.js polls. The state is one as long as the job lives: the page follows by itself."""
        job = self.visible(request, pk)
        progress = self.progress_of(job)
        answer = {
            "state": "finished" if job.finished else "unfinished",
            "label": progress.label,
            "done": 0,
            "total": None,
            "percent": progress.percent,
            "eta_seconds": progress.seconds_to_go,
            "eta_words": progress.words,
            "finished": job.finished,
            "url": None,
        }
        if self.facts_template:
            answer["html"] = render_to_string(self.facts_template, self.page_of(request, job), request)
        return JsonResponse(answer)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = self.to_use(request, pk)
        if self.cancel(job, request.user.get_username()):
            messages.info(request, f"{job} is asked to stop.")
        else:
            messages.warning(request, f"{job} was finished already.")
        return self.to_page(pk)

    def cancel(self, job: Any, actor: str) -> bool:
        """Ask `job` to stop; False when it was finished already."""
        raise NotImplementedError

    def visible(self, request: HttpRequest, pk: int) -> Any:
        """The job with this number, to look at. Raises Http404, PermissionDenied."""
        job = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        return job

    def to_use(self, request: HttpRequest, pk: int) -> Any:
        """The same for those who may ask for such jobs."""
        if not self.may(request):
            raise PermissionDenied
        return self.visible(request, pk)

    def to_page(self, pk: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse(self._name("change"), args=[pk]))

    def _page(self, route: str, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
        full = self._name(name).removeprefix("admin:")
        return path(route, self.admin_site.admin_view(view), name=full)

    def _name(self, page: str) -> str:
        return f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"

    @admin.display(description="State", ordering="state")
    def status(self, job: Any) -> SafeString:
        return job_badge(job)

    @admin.display(description="Asked for", ordering="created_at")
    def asked_at(self, job: Any) -> SafeString:
        return time_tag(job.created_at)
