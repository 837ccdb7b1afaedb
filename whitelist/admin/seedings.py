"""Seeding in the admin: a preview of whom it would protect, and the button that does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from members import jobs
from members.jobs import JobState
from members.records import RecordAdmin
from members.ui import Tone, badge, time_tag
from whitelist.models import SeedingJob
from whitelist.seeding_jobs import SeedingRefused, confirm_seeding, may_be_confirmed, request_preview
from whitelist.setup import can_read_members
from whitelist.tasks import enqueue_seeding

RIGHT = "whitelist.add_whitelistentry"

_TONES: dict[str, Tone] = {
    JobState.DONE: "good",
    JobState.PARTIAL: "warn",
    JobState.FAILED: "bad",
    JobState.CANCELLED: "muted",
}
_NUMBERS = (
    ("members", "Members shown"),
    ("expected", "Members counted by Telegram"),
    ("missing", "Missing, not protected"),
    ("new", "New on the whitelist"),
    ("already", "Protected already"),
    ("burned", "Skipped: burned"),
    ("revived", "Protected again"),
    ("left", "Burned: left while nobody listened"),
)


@admin.register(SeedingJob)
class SeedingJobAdmin(RecordAdmin):
    list_display = ("name", "status", "protected", "asked_by", "asked_at")
    list_display_links = ("name",)
    list_filter = ("state",)
    change_form_template = "admin/whitelist/seedingjob/change_form.html"
    change_list_template = "admin/whitelist/seedingjob/change_list.html"
    fields = ()
    empty_hint = "Reading the members shows whom a seeding would protect."

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"whitelist_seedingjob_{name}")

        return [
            page("preview/", "preview", require_POST(self.preview_view)),
            page("<int:pk>/confirm/", "confirm", require_POST(self.confirm_view)),
            page("<int:pk>/cancel/", "cancel", require_POST(self.cancel_view)),
            page("<int:pk>/progress/", "progress", require_GET(self.progress_view)),
            *super().get_urls(),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(RIGHT) or super().has_view_permission(request, obj)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_seed": request.user.has_perm(RIGHT), "can_read": can_read_members()}
        return super().changelist_view(request, context | (extra_context or {}))

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Have the members read; nobody is protected by this."""
        _require(request)
        job = request_preview(actor=request.user.get_username(), revive="revive" in request.POST)
        enqueue_seeding(job.pk)
        return _to_page(job.pk)

    def confirm_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Do what the preview showed."""
        _require(request)
        get_object_or_404(SeedingJob, pk=pk)
        try:
            job = confirm_seeding(preview_id=pk, actor=request.user.get_username())
        except SeedingRefused as error:
            messages.error(request, str(error))
            return _to_page(pk)
        enqueue_seeding(job.pk)
        return _to_page(job.pk)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        _require(request)
        if jobs.cancel(SeedingJob, pk):
            messages.info(request, "It is asked to stop.")
        else:
            messages.warning(request, "It was finished already.")
        return _to_page(pk)

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What progress.js polls."""
        job = get_object_or_404(SeedingJob, pk=pk)
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        return JsonResponse(
            {
                "state": "finished" if job.finished else "unfinished",
                "label": _label(job),
                "done": 0,
                "total": None,
                "percent": job.progress_percent or None,
                "eta_seconds": None,
                "finished": job.finished,
                "url": None,
            }
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The job's own page in place of a form."""
        job: SeedingJob = kwargs["obj"]
        may = request.user.has_perm(RIGHT)
        numbers = job.numbers
        context |= {
            "title": str(job),
            "subtitle": None,
            "job": job,
            "state_badge": _badge(job),
            "label": _label(job),
            "may_seed": may,
            "may_confirm": may and may_be_confirmed(job),
            "to_protect": numbers.get("new", 0) + numbers.get("revived", 0),
            "facts": [
                (label, numbers[name])
                for name, label in _NUMBERS
                if numbers.get(name) or name in ("members", "new")
            ]
            if numbers
            else [],
            "done_by": SeedingJob.objects.filter(confirms=job).first(),
            "now": timezone.now(),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="Seeding", ordering="id")
    def name(self, job: SeedingJob) -> str:
        return str(job)

    @admin.display(description="State", ordering="state")
    def status(self, job: SeedingJob) -> SafeString:
        return _badge(job)

    @admin.display(description="New on the whitelist")
    def protected(self, job: SeedingJob) -> str:
        return f"{job.numbers['new']:,}" if job.numbers else self.get_empty_value_display()

    @admin.display(description="Asked for", ordering="created_at")
    def asked_at(self, job: SeedingJob) -> SafeString:
        return time_tag(job.created_at)


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(RIGHT):
        raise PermissionDenied


def _badge(job: SeedingJob) -> SafeString:
    return badge(job.get_state_display(), _TONES.get(job.state, "info"))


def _label(job: SeedingJob) -> str:
    if job.state == JobState.RUNNING:
        return job.progress_label or "Reading the members"
    return job.message or "Waiting for a worker"


def _to_page(pk: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:whitelist_seedingjob_change", args=[pk]))
