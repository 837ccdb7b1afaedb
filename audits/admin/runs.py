"""Runs: start one, watch it, stop it, and read what it changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from audits import services
from audits.admin.base import RecordAdmin
from audits.display import run_badge
from audits.models import AuditRun, RunReport, Trigger
from audits.run_page import load_run_page
from audits.tasks import enqueue
from members.platforms.types import Platform
from members.ui import DASH, duration, time_tag


class StartForm(forms.Form):
    """What a new audit shall look at."""

    platforms = forms.MultipleChoiceField(
        choices=[(str(platform), platform.label) for platform in Platform],
        initial=[str(platform) for platform in Platform],
        widget=forms.CheckboxSelectMultiple,
    )
    deep = forms.BooleanField(
        required=False,
        label="Read every member list too",
        help_text="Slower: one call and more per group. Finds departed staff by their id and counts members.",
    )


@admin.register(AuditRun)
class AuditRunAdmin(RecordAdmin):
    list_display = (
        "name",
        "status",
        "platform_names",
        "started",
        "took",
        "groups",
        "coverage",
        "opened",
        "resolved",
        "reopened",
        "open_findings",
        "trigger",
    )
    list_display_links = ("name",)
    list_filter = ("state", "trigger", "deep")
    list_select_related = ("requested_by",)
    date_hierarchy = "created_at"
    show_facets = admin.ShowFacets.ALWAYS
    change_list_template = "admin/audits/auditrun/change_list.html"
    change_form_template = "admin/audits/auditrun/change_form.html"
    empty_hint = "Start one with “Run an audit”, or wait for the schedule."

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("start/", wrap(self.start_view), name="audits_auditrun_start"),
            path("<int:run_id>/cancel/", wrap(require_POST(self.cancel_view)), name="audits_auditrun_cancel"),
            path(
                "<int:run_id>/progress/",
                wrap(require_GET(self.progress_view)),
                name="audits_auditrun_progress",
            ),
            path(
                "<int:run_id>/reports/<str:format>/",
                wrap(require_GET(self.report_view)),
                name="audits_auditrun_report",
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may_run = request.user.has_perm("audits.run_audit")
        return super().changelist_view(request, {"may_run": may_run, **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = AuditRun.objects.filter(pk=unquote(object_id)).select_related("requested_by").first()
        page = load_run_page(run) if run is not None else None
        context = {
            "run": run,
            "page": page,
            "may_run": request.user.has_perm("audits.run_audit"),
            "title": str(run),
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what to look at, then put an audit in the queue."""
        if not request.user.has_perm("audits.run_audit"):
            raise PermissionDenied
        form = StartForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            run = services.request_audit(
                platforms=[Platform(name) for name in form.cleaned_data["platforms"]],
                deep=form.cleaned_data["deep"],
                trigger=Trigger.PERSON,
                requested_by=request.user,
            )
            enqueue(run.pk)
            return HttpResponseRedirect(reverse("admin:audits_auditrun_change", args=[run.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": "Run an audit",
            "form": form,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/audits/auditrun/start.html", context)

    def cancel_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        if not request.user.has_perm("audits.run_audit"):
            raise PermissionDenied
        if services.cancel_audit(run_id=run_id):
            messages.info(request, f"Audit {run_id} is asked to stop; nothing of it will be recorded.")
        else:
            messages.warning(request, f"Audit {run_id} was finished already.")
        return HttpResponseRedirect(reverse("admin:audits_auditrun_change", args=[run_id]))

    def progress_view(self, request: HttpRequest, run_id: int) -> JsonResponse:
        """What progress.js polls."""
        run = self._visible(request, run_id)
        return JsonResponse(
            {
                "state": run.state,
                "label": run.progress_label or run.get_state_display(),
                "done": 0,
                "total": None,
                "percent": run.progress_percent,
                "eta_seconds": eta_seconds(run),
                "finished": run.finished,
                "url": None,
            }
        )

    def report_view(self, request: HttpRequest, run_id: int, format: str) -> FileResponse:
        """A stored report, for those who may see the run."""
        run = self._visible(request, run_id)
        report = get_object_or_404(RunReport, run=run, format=format)
        try:
            file = report.file.open("rb")
        except FileNotFoundError:
            raise Http404("The report's file is gone from the storage.") from None
        return FileResponse(file, as_attachment=True, filename=report.file.name.rsplit("/", 1)[-1])

    def _visible(self, request: HttpRequest, run_id: int) -> AuditRun:
        run = get_object_or_404(AuditRun, pk=run_id)
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        return run

    @admin.display(description="Run", ordering="id")
    def name(self, run: AuditRun) -> str:
        return str(run)

    @admin.display(description="State", ordering="state")
    def status(self, run: AuditRun) -> SafeString:
        return run_badge(run)

    @admin.display(description="Platforms")
    def platform_names(self, run: AuditRun) -> str:
        return ", ".join(Platform(name).label for name in run.platforms) + (" (deep)" if run.deep else "")

    @admin.display(description="Started", ordering="started_at")
    def started(self, run: AuditRun) -> SafeString:
        return time_tag(run.started_at)

    @admin.display(description="Took")
    def took(self, run: AuditRun) -> str:
        if run.started_at is None or run.finished_at is None:
            return DASH
        return duration((run.finished_at - run.started_at).total_seconds())

    @admin.display(description="Groups")
    def groups(self, run: AuditRun) -> object:
        return run.summary.get("groups", DASH)

    @admin.display(description="Coverage")
    def coverage(self, run: AuditRun) -> str:
        return f"{run.summary['coverage']:.0%}" if run.summary.get("groups") else DASH


def eta_seconds(run: AuditRun) -> float | None:
    """How long a running audit still takes, judged by its pace so far; None while nobody can tell."""
    if run.started_at is None or run.finished or run.progress_percent < 5:
        return None
    elapsed = (timezone.now() - run.started_at).total_seconds()
    return elapsed * (100 - run.progress_percent) / run.progress_percent
