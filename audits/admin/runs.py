"""Runs: start one, watch it, stop it, and read what it changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from audits import services
from audits.admin.run_reports import RunReportPages
from audits.contract import totals
from audits.display import progress_label, run_badge, run_time, started_by
from audits.models import AuditRun, RunReport, RunState, Trigger
from audits.remediation.missing import plan_missing
from audits.remediation.selections import MissingSelection
from audits.reports import NOT_WRITTEN, store_reports
from audits.run_page import awaits_files, load_run_page, seconds_to_go
from audits.tasks import enqueue
from members.charts import percent
from members.downloads import kept
from members.form_fields import PlatformsField
from members.list_filters import ALL, DefaultFilter
from members.operations.admin.planning import may_plan, show_plan
from members.platforms.types import Platform
from members.records import RecordAdmin
from members.ui import DASH, NBSP, time_tag


class StartForm(forms.Form):
    """What a new audit shall look at."""

    platforms = PlatformsField(help_text="Both are looked at side by side.")
    deep = forms.BooleanField(
        required=False,
        label="Read every member list too",
        help_text="Slower: one call and more per group. Finds departed staff by their id and counts members.",
    )


class ExtentFilter(DefaultFilter):
    """Live events bring about many audits of a group or two: without a choice the list leaves them out."""

    title = "extent"
    parameter_name = "extent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("whole", "Whole platforms"), ("narrow", "Single groups"), (ALL, "All audits")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditRun]) -> QuerySet[AuditRun]:
        return queryset if self.value() == ALL else queryset.filter(narrow=self.value() == "narrow")


@admin.register(AuditRun)
class AuditRunAdmin(RunReportPages, RecordAdmin):
    list_display = (
        "name",
        "status",
        "platform_names",
        "started",
        "took",
        "group_count",
        "coverage",
        "new_findings",
        "resolved_findings",
        "open_after",
    )
    list_display_links = ("name",)
    list_filter = (ExtentFilter, "state", "trigger", "deep")
    date_hierarchy = "created_at"
    show_facets = admin.ShowFacets.ALWAYS
    change_list_template = "admin/audits/auditrun/change_list.html"
    change_form_template = "admin/audits/auditrun/change_form.html"
    empty_hint = "Start one with “Run an audit”, or wait for the schedule."

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditRun]:
        bulky = ("blind_spots", "archived_groups", "api_calls")
        return super().get_queryset(request).select_related("requested_by").defer(*bulky)

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"audits_auditrun_{name}")

        return [
            page("start/", "start", self.start_view),
            page("<int:run_id>/cancel/", "cancel", require_POST(self.cancel_view)),
            page("<int:run_id>/add-missing/", "add_missing", require_POST(self.add_missing_view)),
            page("<int:run_id>/progress/", "progress", require_GET(self.progress_view)),
            page("<int:run_id>/reports/", "reports", require_POST(self.write_reports_view)),
            page("<int:run_id>/reports/<str:format>/", "report", require_GET(self.report_view)),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"may_run": _may_run(request), **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The run's own page in place of a form."""
        run: AuditRun = kwargs["obj"]
        context |= {
            "title": str(run),
            "subtitle": None,
            "run": run,
            "page": load_run_page(run),
            "may_run": _may_run(request),
            "may_plan": may_plan(request),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what to look at, then put an audit in the queue."""
        if not _may_run(request):
            raise PermissionDenied
        form = StartForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            run = services.request_audit(
                platforms=form.cleaned_data["platforms"],
                deep=form.cleaned_data["deep"],
                trigger=Trigger.PERSON,
                requested_by=request.user if request.user.is_authenticated else None,
            )
            enqueue(run.pk)
            return _to_page(run.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Run an audit",
            "form": form,
            "opts": self.opts,
            "unfinished": AuditRun.objects.filter(state__in=RunState.unfinished()).last(),
        }
        return TemplateResponse(request, "admin/audits/auditrun/start.html", context)

    def cancel_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        self._for_runners(request, run_id)
        if services.cancel_audit(run_id=run_id):
            messages.info(request, f"Audit {run_id} is asked to stop; nothing of it will be recorded.")
        else:
            messages.warning(request, f"Audit {run_id} was finished already.")
        return _to_page(run_id)

    def add_missing_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Plan to add whom this run found missing, on the chosen ones of its platforms."""
        if not may_plan(request):
            raise PermissionDenied
        run = self._visible(request, run_id)
        chosen = [Platform(name) for name in run.platforms if name in request.POST.getlist("platforms")]
        if not chosen:
            messages.warning(request, "Choose a platform.")
            return _to_page(run_id)
        plan = plan_missing(MissingSelection(platforms=tuple(chosen), run=run_id))
        nothing = "Nobody whom this audit found missing is left to be added."
        return show_plan(request, plan, nothing=nothing, back=_to_page(run_id).url)

    def progress_view(self, request: HttpRequest, run_id: int) -> JsonResponse:
        """What progress.js polls."""
        run = self._visible(request, run_id)
        writing = awaits_files(run)
        return JsonResponse(
            {
                "state": run.state,
                "label": "The files are being written" if writing else progress_label(run),
                "done": 0,
                "total": None,
                "percent": None if run.state == RunState.QUEUED else run.progress_percent,
                "eta_seconds": seconds_to_go(run, timezone.now()),
                "finished": run.finished and not writing,
                "url": None,
            }
        )

    def report_view(self, request: HttpRequest, run_id: int, format: str) -> FileResponse:
        """A stored report, for those who may see the run."""
        run = self._visible(request, run_id)
        report = get_object_or_404(RunReport, run=run, format=format)
        return kept(report.file, gone="The report's file is gone from the storage.")

    def write_reports_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Write the files anew from what is recorded, where the disk had refused or lost them."""
        run = self._for_runners(request, run_id)
        if not run.finished:
            messages.warning(request, f"Audit {run_id} has not finished yet.")
            return _to_page(run_id)
        try:
            store_reports(run_id=run_id)
        except OSError as error:
            messages.error(request, f"{NOT_WRITTEN}: {error.strerror}.")
        else:
            messages.success(request, "The report files are written.")
        return _to_page(run_id)

    def _visible(self, request: HttpRequest, run_id: int) -> AuditRun:
        run = get_object_or_404(AuditRun, pk=run_id)
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        return run

    def _for_runners(self, request: HttpRequest, run_id: int) -> AuditRun:
        if not _may_run(request):
            raise PermissionDenied
        return self._visible(request, run_id)

    @admin.display(description="Run", ordering="id")
    def name(self, run: AuditRun) -> str:
        return str(run)

    @admin.display(description="State", ordering="state")
    def status(self, run: AuditRun) -> SafeString:
        return run_badge(run)

    @admin.display(description="Platforms")
    def platform_names(self, run: AuditRun) -> str:
        names = [Platform(name).label for name in run.platforms] + (["deep"] if run.deep else [])
        return f",{NBSP}".join(names)

    @admin.display(description="Started", ordering="started_at")
    def started(self, run: AuditRun) -> SafeString:
        """When, and below it by whom or what."""
        return format_html('{}<br><span class="quiet">{}</span>', time_tag(run.started_at), started_by(run))

    @admin.display(description="Took")
    def took(self, run: AuditRun) -> str:
        return run_time(run)

    @admin.display(description="Groups")
    def group_count(self, run: AuditRun) -> str:
        return f"{run.summary['groups']:,}" if run.summary else DASH

    @admin.display(description="Coverage")
    def coverage(self, run: AuditRun) -> str:
        return percent(run.summary["coverage"], 1) if totals(run)["groups"] else DASH

    @admin.display(description="New")
    def new_findings(self, run: AuditRun) -> str:
        return f"{run.opened + run.reopened:,}" if run.summary else DASH

    @admin.display(description="Resolved", ordering="resolved")
    def resolved_findings(self, run: AuditRun) -> str:
        if not run.summary:
            return DASH
        return f"{run.resolved:,}" + (f" + {run.excluded:,}{NBSP}excluded" if run.excluded else "")

    @admin.display(description="Open after it", ordering="open_findings")
    def open_after(self, run: AuditRun) -> str:
        return f"{run.open_findings:,}" if run.summary else DASH


def _may_run(request: HttpRequest) -> bool:
    return request.user.has_perm("audits.run_audit")


def _to_page(run_id: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:audits_auditrun_change", args=[run_id]))
