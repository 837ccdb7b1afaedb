"""Evidence: which period, the job with its bar, and the file to take away or to verify."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models.fields.files import FieldFile
from django.http import FileResponse, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from audits.evidence import packs
from audits.evidence.models import EvidencePack
from audits.evidence.period import Period, WrongPeriod, quarters
from audits.evidence.tasks import enqueue_pack
from audits.evidence.verifying import NotWhole
from audits.history.display import counted, size_in_words
from members.downloads import NoFile, kept, opened
from members.form_fields import DayField
from members.job_admin import JobAdmin, job_badge
from members.ui import DASH, badge

QUARTERS = 4
GONE = "The file is gone from the storage."


class PeriodForm(forms.Form):
    """The days that a pack shall tell of."""

    since = DayField(label="From", help_text="The first day (UTC).")
    until = DayField(label="To", help_text="The last day (UTC), whole.")

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
class EvidencePackAdmin(JobAdmin):
    list_display = ("name", "status", "days", "file_size", "asked_by", "asked_at")
    list_display_links = ("name",)
    change_list_template = "admin/evidence/packs.html"
    change_form_template = "admin/evidence/pack.html"
    empty_title = "There is no evidence yet"
    empty_hint = "Make some for the last quarter: “Make evidence…”."
    right = "evidence.make_evidence"
    facts_template = "admin/evidence/facts.html"

    def get_urls(self) -> list[URLPattern]:
        return [
            self._page("new/", "new", self.new_view),
            self._page("<int:pk>/download/", "download", require_GET(self.download_view)),
            self._page("<int:pk>/verify/", "verify", require_POST(self.verify_view)),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"may_make": self.may(request), **(extra_context or {})})

    def page_of(self, request: HttpRequest, job: EvidencePack) -> dict[str, Any]:
        return {"pack": job, "badge": _badge(job), "size": size_in_words(job.size)}

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the days, and put a pack in the queue."""
        if not self.may(request):
            raise PermissionDenied
        known = quarters(timezone.now().date(), QUARTERS)
        form = PeriodForm(request.POST or None, initial=_wanted(request, known[0][1]))
        if request.method == "POST" and form.is_valid():
            pack = packs.request_pack(period=form.period, asked_by=request.user.get_username())
            enqueue_pack(pack.pk)
            return self.to_page(pack.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Make evidence",
            "form": form,
            "opts": self.opts,
            "quarters": known,
            "today": timezone.now().date(),
        }
        return TemplateResponse(request, "admin/evidence/new.html", context)

    def cancel(self, job: EvidencePack, actor: str) -> bool:
        return packs.cancel_pack(job_id=job.pk, actor=actor)

    def download_view(self, request: HttpRequest, pk: int) -> FileResponse:
        """The file; every time is put on record."""
        pack: EvidencePack = self.to_use(request, pk)
        response = kept(_file_of(pack), gone=GONE)
        packs.note_download(pack=pack, actor=request.user.get_username())
        return response

    def verify_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Read the file that is kept, and say whether it is as it was made."""
        pack: EvidencePack = self.to_use(request, pk)
        with opened(_file_of(pack), gone=GONE) as file:
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
        return self.to_page(pk)

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


def _file_of(pack: EvidencePack) -> FieldFile:
    """Raises NoFile."""
    if not pack.file:
        raise NoFile("There is no file yet.")
    return pack.file
