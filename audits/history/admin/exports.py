"""Exports: what and how, a preview with its size, the job with its bar, and the file to take away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from audits.history import exports
from audits.history.admin.jobs import ConversationJobAdmin, ask_about, chosen_groups, keys_in
from audits.history.admin.syncs import midnight
from audits.history.display import size_in_words
from audits.history.exporting import ExportWish, estimate
from audits.history.formats import Format
from audits.history.models import Conversation, ExportJob
from audits.history.tasks import enqueue_export, enqueue_sync
from members.downloads import NoFile, kept
from members.form_fields import DayField
from members.models import Group
from members.ui import DASH, time_tag

EXPORT = "history.export_history"


class ExportForm(forms.Form):
    """What an export shall hold, and how."""

    format = forms.ChoiceField(
        choices=[(str(format), format.choice) for format in Format],
        initial=str(Format.HTML),
        help_text="HTML is for reading; the others are for programs, and for search elsewhere.",
    )
    since = DayField(
        required=False,
        label="From",
        help_text="A day (UTC). Empty: from the beginning.",
    )
    until = DayField(
        required=False,
        label="To",
        help_text="The last day (UTC), whole. Empty: up to now.",
    )
    with_files = forms.BooleanField(
        required=False, label="With photos, files and voice messages", help_text="Those that are fetched."
    )
    fetch = forms.BooleanField(
        required=False,
        initial=True,
        label="Fetch what is missing first",
        help_text="Off: only what is kept here already.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", "It ends before it begins: swap the days.")
        return cleaned

    def wish(self, groups: list[Group]) -> tuple[ExportWish, list[Group]]:
        """The export of those of `groups` that the format can hold; and the others."""
        chosen = Format(self.cleaned_data["format"])
        holds = chosen.renderer().platforms
        last = self.cleaned_data["until"]
        wish = ExportWish(
            [group for group in groups if group.platform in holds],
            chosen,
            midnight(self.cleaned_data["since"]),
            midnight(last + timedelta(days=1) if last else None),
            media=self.cleaned_data["with_files"],
        )
        return wish, [group for group in groups if group.platform not in holds]


@admin.register(ExportJob)
class ExportJobAdmin(ConversationJobAdmin):
    list_display = (
        "name",
        "status",
        "format_name",
        "group_count",
        "message_count",
        "file_size",
        "asked_by",
        "asked_at",
        "expires",
    )
    list_display_links = ("name",)
    list_filter: ClassVar[Any] = ("state", "format")
    list_select_related = ("sync",)
    begins_with_groups = True
    empty_hint = "Choose conversations, or groups, and the action “Export history…”."
    right = EXPORT
    facts_template = "admin/history/export_facts.html"

    def get_urls(self) -> list[URLPattern]:
        return [
            self._page("new/", "new", self.new_view),
            self._page("<int:pk>/download/", "download", require_GET(self.download_view)),
            *super().get_urls(),
        ]

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what to export of the groups that are named; show what it would hold; put it in the queue."""
        if not self.may(request):
            raise PermissionDenied
        groups = list(chosen_groups(request))
        step = next((step for step in ("preview", "confirm", "change") if step in request.POST), "")
        form = ExportForm(request.POST if step else None)
        if not groups or step == "change" or not form.is_valid():
            return ask(request, groups, form)
        wish, strangers = form.wish(groups)
        if step == "confirm" and wish.groups:
            return self._start(request, wish, fetch=form.cleaned_data["fetch"])
        return self._preview(request, form, wish, strangers)

    def _start(self, request: HttpRequest, wish: ExportWish, *, fetch: bool) -> HttpResponse:
        actor = request.user.get_username()
        job = exports.request_export(wish=wish, asked_by=actor, sync_first=fetch)
        if job.sync_id is not None:
            enqueue_sync(job.sync_id)
        enqueue_export(job.pk)
        return self.to_page(job.pk)

    def _preview(
        self, request: HttpRequest, form: ExportForm, wish: ExportWish, strangers: list[Group]
    ) -> HttpResponse:
        never_read = Conversation.objects.filter(group__in=wish.groups, read_at__isnull=False)
        context = {
            **admin.site.each_context(request),
            "title": "Export history",
            "form": form,
            "opts": ExportJob._meta,
            "wish": wish,
            "last_day": form.cleaned_data["until"],
            "strangers": strangers,
            "never_read": len(wish.groups) - never_read.count(),
            "size": estimate(wish),
            "keys": keys_in([*wish.groups, *strangers]),
        }
        return TemplateResponse(request, "admin/history/export_preview.html", context)

    def download_view(self, request: HttpRequest, pk: int) -> FileResponse:
        """The file, for those who may export, as long as it is kept; every time is put on record."""
        job: ExportJob = self.to_use(request, pk)
        if not is_there(job):
            raise NoFile("This export's file is not there any more.")
        response = kept(job.file, gone="The export's file is gone from the storage.")
        exports.note_download(job=job, actor=request.user.get_username())
        return response

    def cancel(self, job: ExportJob, actor: str) -> bool:
        return exports.cancel_export(job_id=job.pk, actor=actor)

    def page_of(self, request: HttpRequest, job: ExportJob) -> dict[str, Any]:
        last_day = job.until - timedelta(microseconds=1) if job.until else None
        return {
            **super().page_of(request, job),
            "last_day": last_day,
            "may_download": self.may(request) and is_there(job),
            "download_url": reverse("admin:history_exportjob_download", args=[job.pk]),
        }

    @admin.display(description="Export", ordering="id")
    def name(self, job: ExportJob) -> str:
        return str(job)

    @admin.display(description="Format", ordering="format")
    def format_name(self, job: ExportJob) -> str:
        return job.get_format_display()

    @admin.display(description="Messages", ordering="messages")
    def message_count(self, job: ExportJob) -> str:
        return f"{job.messages:,}" if job.size else DASH

    @admin.display(description="Size", ordering="size")
    def file_size(self, job: ExportJob) -> str:
        return size_in_words(job.size) if job.size else DASH

    @admin.display(description="To be had until", ordering="expires_at")
    def expires(self, job: ExportJob) -> SafeString | str:
        return time_tag(job.expires_at) if is_there(job) else DASH


def is_there(job: ExportJob) -> bool:
    """Whether the file of an export can be downloaded."""
    return bool(job.file) and (job.expires_at is None or job.expires_at > timezone.now())


def ask(request: HttpRequest, groups: list[Group], form: ExportForm | None = None) -> HttpResponse:
    """The page that asks what to export, and how."""
    template = "admin/history/export.html"
    return ask_about(
        request, groups, form or ExportForm(), model=ExportJob, title="Export history", template=template
    )
