"""Evidence: which period, the job with its bar, and the file to take away or to verify."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any, BinaryIO, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from audits.evidence import packs
from audits.evidence.models import EvidencePack
from audits.evidence.period import Period, WrongPeriod, quarters
from audits.evidence.tasks import enqueue_pack
from audits.evidence.verifying import NotWhole
from audits.history.admin.jobs import job_badge
from audits.history.display import counted, size_in_words
from audits.history.progress import progress_of
from members.records import RecordAdmin
from members.ui import DASH, badge, time_tag

MAKE = "evidence.make_evidence"
QUARTERS = 4


class PeriodForm(forms.Form):
    """The days that a pack shall tell of."""

    since = forms.DateField(
        label="From", widget=forms.DateInput(attrs={"type": "date"}), help_text="The first day (UTC)."
    )
    until = forms.DateField(
        label="To", widget=forms.DateInput(attrs={"type": "date"}), help_text="The last day (UTC), whole."
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                self.period.check(timezone.now())
            except WrongPeriod as error:
                self.add_error("until", str(error))
        return cleaned

    @property
    def period(self) -> Period:
        return Period(self.cleaned_data["since"], self.cleaned_data["until"])


@admin.register(EvidencePack)
class EvidencePackAdmin(RecordAdmin):
    list_display = ("name", "status", "days", "file_size", "asked_by", "asked_at")
    list_display_links = ("name",)
    list_filter: ClassVar[Any] = ("state",)
    change_list_template = "admin/evidence/packs.html"
    change_form_template = "admin/evidence/pack.html"
    empty_title = "There is no evidence yet"
    empty_hint = "Make some for the last quarter: “Make evidence…”."
    fields = ()

    def get_urls(self) -> list[URLPattern]:
        return [
            self._page("new/", "new", self.new_view),
            self._page("<int:pk>/progress/", "progress", require_GET(self.progress_view)),
            self._page("<int:pk>/cancel/", "cancel", require_POST(self.cancel_view)),
            self._page("<int:pk>/download/", "download", require_GET(self.download_view)),
            self._page("<int:pk>/verify/", "verify", require_POST(self.verify_view)),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"may_make": _may(request), **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The pack's own page in place of a form."""
        pack: EvidencePack = kwargs["obj"]
        context |= {
            "title": str(pack),
            "subtitle": None,
            "progress": progress_of(pack, timezone.now()),
            "may": _may(request),
            **_facts(pack),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the days, and put a pack in the queue."""
        if not _may(request):
            raise PermissionDenied
        known = quarters(timezone.now().date(), QUARTERS)
        form = PeriodForm(request.POST or None, initial=_wanted(request, known[0][1]))
        if request.method == "POST" and form.is_valid():
            pack = packs.request_pack(period=form.period, asked_by=request.user.get_username())
            enqueue_pack(pack.pk)
            return _to_page(pack.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Make evidence",
            "form": form,
            "opts": self.opts,
            "quarters": known,
            "today": timezone.now().date(),
        }
        return TemplateResponse(request, "admin/evidence/new.html", context)

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What progress.js polls."""
        pack = self._visible(request, pk)
        progress = progress_of(pack, timezone.now())
        return JsonResponse(
            {
                "state": "finished" if pack.finished else "unfinished",
                "label": progress.label,
                "done": 0,
                "total": None,
                "percent": progress.percent,
                "eta_seconds": progress.seconds_to_go,
                "eta_words": progress.words,
                "finished": pack.finished,
                "url": None,
                "html": render_to_string("admin/evidence/facts.html", _facts(pack), request),
            }
        )

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        pack = self._to_use(request, pk)
        if packs.cancel_pack(job_id=pk, actor=request.user.get_username()):
            messages.info(request, f"{pack} is asked to stop.")
        else:
            messages.warning(request, f"{pack} was finished already.")
        return _to_page(pk)

    def download_view(self, request: HttpRequest, pk: int) -> FileResponse:
        """The file; every time is put on record."""
        pack = self._to_use(request, pk)
        file = _opened(pack)
        packs.note_download(pack=pack, actor=request.user.get_username())
        name = PurePath(str(pack.file)).name
        return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")

    def verify_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Read the file that is kept, and say whether it is as it was made."""
        pack = self._to_use(request, pk)
        with _opened(pack) as file:
            try:
                checked = packs.check_pack(pack=pack, file=file, actor=request.user.get_username())
            except NotWhole as error:
                messages.error(request, f"This evidence is not whole: {error}.")
            except OSError as error:
                messages.error(request, f"The file cannot be read: {error.strerror or error}.")
            else:
                files, events = len(checked.manifest.files), checked.manifest.activity.events
                found = f"{counted(files, 'file')}, {counted(events, 'event')}"
                messages.success(
                    request, f"This evidence is whole: {found}, every hash and every link checked."
                )
        return _to_page(pk)

    def _visible(self, request: HttpRequest, pk: int) -> EvidencePack:
        pack = get_object_or_404(EvidencePack, pk=pk)
        if not self.has_view_permission(request, pack):
            raise PermissionDenied
        return pack

    def _to_use(self, request: HttpRequest, pk: int) -> EvidencePack:
        if not _may(request):
            raise PermissionDenied
        return self._visible(request, pk)

    def _page(self, route: str, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
        return path(route, self.admin_site.admin_view(view), name=f"evidence_evidencepack_{name}")

    @admin.display(description="Evidence", ordering="id")
    def name(self, pack: EvidencePack) -> str:
        return str(pack)

    @admin.display(description="State", ordering="state")
    def status(self, pack: EvidencePack) -> SafeString:
        return _badge(pack)

    @admin.display(description="Period (UTC)", ordering="since")
    def days(self, pack: EvidencePack) -> str:
        return str(pack.period)

    @admin.display(description="Size", ordering="size")
    def file_size(self, pack: EvidencePack) -> str:
        return size_in_words(pack.size) if pack.size else DASH

    @admin.display(description="Asked for", ordering="created_at")
    def asked_at(self, pack: EvidencePack) -> SafeString:
        return time_tag(pack.created_at)


def _may(request: HttpRequest) -> bool:
    return request.user.has_perm(MAKE)


def _wanted(request: HttpRequest, usual: Period) -> dict[str, Any]:
    """The days that the page's address names, or the usual ones."""
    try:
        since, until = (parse_date(request.GET.get(name, "")) for name in ("since", "until"))
    except ValueError:
        since = until = None
    return {"since": since or usual.since, "until": until or usual.until}


def _badge(pack: EvidencePack) -> SafeString:
    if pack.too_early:
        return badge("Whole so far", "info", hint="Its period was not over when it was made.")
    return job_badge(pack)


def _facts(pack: EvidencePack) -> dict[str, Any]:
    return {"pack": pack, "badge": _badge(pack), "size": size_in_words(pack.size)}


def _opened(pack: EvidencePack) -> BinaryIO:
    """Raises Http404."""
    if not pack.file:
        raise Http404("There is no file yet.")
    try:
        file: Any = pack.file.open("rb")
    except FileNotFoundError:
        raise Http404("The file is gone from the storage.") from None
    opened: BinaryIO = file
    return opened


def _to_page(pk: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:evidence_evidencepack_change", args=[pk]))
