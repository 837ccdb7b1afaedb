"""Old records: what the next purge deletes, as a dry run, and what the last ones did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from audits.evidence import purging
from audits.evidence.due import WORDS, Plan
from audits.evidence.models import RecordPurge
from audits.evidence.tasks import purge_records
from members.dates import day_in_words
from members.records import RecordAdmin
from members.ui import badge, time_tag

PURGE = "evidence.purge_records"


@admin.register(RecordPurge)
class RecordPurgeAdmin(RecordAdmin):
    list_display = ("name", "ended", "started", "older_than", "deleted", "asked_by")
    list_display_links = ("name",)
    change_list_template = "admin/evidence/purges.html"
    change_form_template = "admin/evidence/purge.html"
    empty_title = "Nothing has been deleted yet"
    empty_hint = "Nothing was old enough to be deleted so far."
    fields = ()

    def get_urls(self) -> list[URLPattern]:
        preview: Callable[..., HttpResponse] = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", preview, name="evidence_recordpurge_preview"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(
            request, {"days": settings.AUDIT_RETENTION_DAYS, **(extra_context or {})}
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        report: RecordPurge = kwargs["obj"]
        lines = [(WORDS.get(name, name), count) for name, count in report.counts.items()]
        context |= {"title": str(report), "subtitle": None, "report": report, "lines": lines}
        return super().render_change_form(request, context, *args, **kwargs)

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """What a purge would delete now; an owner may have it done at once."""
        may_purge = request.user.has_perm(PURGE)
        if not (may_purge if request.method == "POST" else self.has_view_permission(request)):
            raise PermissionDenied
        plan = purging.dry_run()
        if request.method == "POST":
            return self._begin(request, plan)
        context = {
            **self.admin_site.each_context(request),
            "title": "What the next purge deletes",
            "opts": self.opts,
            "plan": plan,
            "days": settings.AUDIT_RETENTION_DAYS,
            "may_purge": may_purge,
            "evidence_url": _way_to_evidence(plan) if request.user.has_perm("evidence.make_evidence") else "",
        }
        return TemplateResponse(request, "admin/evidence/preview.html", context)

    def _begin(self, request: HttpRequest, plan: Plan | None) -> HttpResponse:
        """Have a worker purge, if what was shown is what is due."""
        if plan is None or not plan.total:
            messages.info(request, "Nothing is old enough to be deleted.")
        elif request.POST.get("before") != f"{plan.before:%Y-%m-%d}" or request.POST.get("count") != str(
            plan.total
        ):
            messages.warning(request, "Something else is due by now: look at it again.")
            return HttpResponseRedirect(reverse("admin:evidence_recordpurge_preview"))
        else:
            purge_records.delay(request.user.get_username())
            messages.success(request, "The purge has begun. Its report is in this list when it has ended.")
        return HttpResponseRedirect(reverse("admin:evidence_recordpurge_changelist"))

    @admin.display(description="Purge", ordering="id")
    def name(self, report: RecordPurge) -> str:
        return str(report)

    @admin.display(description="State")
    def ended(self, report: RecordPurge) -> SafeString:
        if report.message:
            return badge("Not all of it", "warn", hint=report.message)
        return badge("Done", "good") if report.finished_at else badge("Under way, or cut short", "warn")

    @admin.display(description="Started", ordering="started_at")
    def started(self, report: RecordPurge) -> SafeString:
        return time_tag(report.started_at)

    @admin.display(description="What ended before", ordering="before")
    def older_than(self, report: RecordPurge) -> str:
        return day_in_words(report.before)

    @admin.display(description="Deleted")
    def deleted(self, report: RecordPurge) -> str:
        return f"{sum(report.counts.values()):,}"


def _way_to_evidence(plan: Plan | None) -> str:
    """To the page that makes evidence of what is about to go; "" where nothing is."""
    if plan is None or plan.since is None or not plan.total:
        return ""
    days = {"since": f"{plan.since}", "until": f"{plan.before - timedelta(days=1):%Y-%m-%d}"}
    return f"{reverse('admin:evidence_evidencepack_new')}?{urlencode(days)}"
