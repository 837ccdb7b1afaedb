"""Seeding in the admin: a preview of whom it would protect, and the button that does it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.views.decorators.http import require_POST

from members import jobs
from members.job_admin import JobAdmin, job_badge
from members.job_progress import Progress
from members.jobs import JobState
from whitelist.models import SeedingJob
from whitelist.seeding_jobs import SeedingRefused, confirm_seeding, may_be_confirmed, request_preview
from whitelist.setup import can_read_members
from whitelist.tasks import enqueue_seeding

RIGHT = "whitelist.add_whitelistentry"

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
class SeedingJobAdmin(JobAdmin):
    list_display = ("name", "status", "protected", "asked_by", "asked_at")
    list_display_links = ("name",)
    change_form_template = "admin/whitelist/seedingjob/change_form.html"
    change_list_template = "admin/whitelist/seedingjob/change_list.html"
    right = RIGHT
    empty_hint = "Reading the members shows whom a seeding would protect."

    def get_urls(self) -> list[URLPattern]:
        return [
            self._page("preview/", "preview", require_POST(self.preview_view)),
            self._page("<int:pk>/confirm/", "confirm", require_POST(self.confirm_view)),
            *super().get_urls(),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request) or super().has_view_permission(request, obj)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_seed": self.may(request), "can_read": can_read_members()}
        return super().changelist_view(request, context | (extra_context or {}))

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Have the members read; nobody is protected by this."""
        if not self.may(request):
            raise PermissionDenied
        job = request_preview(actor=request.user.get_username(), revive="revive" in request.POST)
        enqueue_seeding(job.pk)
        return self.to_page(job.pk)

    def confirm_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Do what the preview showed."""
        self.to_use(request, pk)
        try:
            job = confirm_seeding(preview_id=pk, actor=request.user.get_username())
        except SeedingRefused as error:
            messages.error(request, str(error))
            return self.to_page(pk)
        enqueue_seeding(job.pk)
        return self.to_page(job.pk)

    def cancel(self, job: SeedingJob, actor: str) -> bool:
        return jobs.cancel(SeedingJob, job.pk)

    def progress_of(self, job: SeedingJob) -> Progress:
        return Progress(_label(job), job.progress_percent or None)

    def page_of(self, request: HttpRequest, job: SeedingJob) -> dict[str, Any]:
        may, numbers = self.may(request), job.numbers
        return {
            **super().page_of(request, job),
            "state_badge": job_badge(job),
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
        }

    @admin.display(description="Seeding", ordering="id")
    def name(self, job: SeedingJob) -> str:
        return str(job)

    @admin.display(description="New on the whitelist")
    def protected(self, job: SeedingJob) -> str:
        return f"{job.numbers['new']:,}" if job.numbers else self.get_empty_value_display()


def _label(job: SeedingJob) -> str:
    if job.state == JobState.RUNNING:
        return job.progress_label or "Reading the members"
    return job.message or "Waiting for a worker"
