"""A run on paper, and two runs side by side: pages of audit runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from audits.latest import recorded_runs
from audits.models import AuditRun, RunState
from audits.printing.content import load_printed_run
from audits.two_runs import TwoRuns, compare, findings_of
from audits.two_runs_workbook import comparison_workbook
from members.downloads import made
from members.ui import Tone

RUNS_OFFERED = 60
LINES_SHOWN = 15
"""Of each section of a comparison; the workbook has them all."""
_NEEDED = ("state", "platforms", "narrow", "created_at", "finished_at", "open_findings")


class PairForm(forms.Form):
    """Which two runs."""

    a = forms.ModelChoiceField(AuditRun.objects.none(), label="Earlier", empty_label=None)
    b = forms.ModelChoiceField(AuditRun.objects.none(), label="Later", empty_label=None)

    def __init__(self, runs: list[AuditRun], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("a", "b"):
            field: Any = self.fields[name]
            field.queryset = recorded_runs().only(*_NEEDED)
            field.choices = [(run.pk, _title(run)) for run in runs]


def _title(run: AuditRun) -> str:
    at = timezone.localtime(run.finished_at)
    return f"{run}: {', '.join(name.capitalize() for name in run.platforms)}, {at.day} {at:%b %Y, %H:%M %Z}"


class RunReportPages:
    """Mixed into the page of audit runs."""

    admin_site: admin.AdminSite
    opts: Any

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, name: str, view: Any) -> URLPattern:
            view = self.admin_site.admin_view(require_GET(view))
            return path(route, view, name=f"audits_auditrun_{name}")

        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [
            page("compare/", "compare", self.compare_view),
            page("<int:run_id>/print/", "print", self.print_view),
            page("<int:run_id>/pdf/", "pdf", self.pdf_view),
            *urls,
        ]

    def print_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """The run's report as a page that prints well."""
        run = self._recorded(request, run_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Report of {run}",
            "opts": self.opts,
            "printed": load_printed_run(run),
        }
        return TemplateResponse(request, "admin/audits/auditrun/print.html", context)

    def pdf_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """The same as a file, made at once: it is not kept."""
        # Only where it is used: what draws takes a while to load.
        from audits.printing.letters import UnreadableFont
        from audits.printing.pdf import write_pdf

        run = self._recorded(request, run_id)
        try:
            content = write_pdf(load_printed_run(run))
        except UnreadableFont as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:audits_auditrun_change", args=[run_id]))
        name = f"customer_group_audit_run{run.pk}.pdf"
        return made(content, name, content_type="application/pdf")

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Two runs side by side; `?format=xlsx` is the same as a workbook with every line."""
        _require_view(request)
        offered = list(recorded_runs().only(*_NEEDED)[:RUNS_OFFERED])
        chosen = {name: request.GET[name] for name in ("a", "b") if request.GET.get(name)}
        if len(offered) > 1:
            chosen = {"a": str(offered[1].pk), "b": str(offered[0].pk)} | chosen
        offered += _not_offered(chosen.values(), offered)
        form = PairForm(offered, chosen)
        compared = compare(form.cleaned_data["a"], form.cleaned_data["b"]) if form.is_valid() else None
        if compared is not None and request.GET.get("format") == "xlsx":
            name = f"audits_{compared.earlier.pk}_and_{compared.later.pk}.xlsx"
            return made(comparison_workbook(compared), name)
        context = {
            **self.admin_site.each_context(request),
            "title": "Compare two audits",
            "opts": self.opts,
            "form": form,
            "enough": len(offered) > 1,
            "compared": compared,
            "shown": LINES_SHOWN,
            "sections": _sections(compared) if compared is not None else (),
        }
        return TemplateResponse(request, "admin/audits/auditrun/compare.html", context)

    def _recorded(self, request: HttpRequest, run_id: int) -> AuditRun:
        _require_view(request)
        runs = AuditRun.objects.filter(state__in=(RunState.COMPLETE, RunState.PARTIAL))
        return get_object_or_404(runs.select_related("requested_by"), pk=run_id)


def _require_view(request: HttpRequest) -> None:
    """Whoever reads a run's report reads its groups and findings."""
    if not request.user.has_perms(("audits.view_auditrun", "audits.view_groupresult", "audits.view_finding")):
        raise PermissionDenied


def _not_offered(chosen: Any, offered: list[AuditRun]) -> list[AuditRun]:
    """Older runs that the address names."""
    known = {str(run.pk) for run in offered}
    named = [pk for pk in chosen if pk not in known and pk.isascii() and pk.isdigit() and len(pk) < 19]
    return list(recorded_runs().only(*_NEEDED).filter(pk__in=named)) if named else []


@dataclass(frozen=True, slots=True)
class Section:
    """What changed in one way: how much, and the first of it."""

    key: str
    """Which template shows its lines, and its id on the page."""
    title: str
    tone: Tone
    count: int
    lines: Sequence[Any]


def _sections(compared: TwoRuns) -> list[Section]:
    def first(key: str, title: str, tone: Tone, lines: Sequence[Any]) -> Section:
        return Section(key, title, tone, len(lines), lines[:LINES_SHOWN])

    def findings(title: str, tone: Tone, keys: Sequence[int]) -> Section:
        return Section("findings", title, tone, len(keys), findings_of(keys[:LINES_SHOWN]))

    return [
        first("people", "Missing now", "bad", compared.became_missing),
        first("people", "Not missing any more", "good", compared.became_present),
        first("groups", "Verdicts changed", "info", compared.verdicts),
        first("groups", "Groups that appeared", "info", compared.appeared),
        first("groups", "Groups gone", "muted", compared.gone),
        findings("Findings opened", "bad", compared.opened),
        findings("Findings resolved", "good", compared.resolved),
    ]
