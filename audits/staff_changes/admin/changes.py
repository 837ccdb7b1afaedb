"""Leavings and joinings: the list of who waits for what, and a page for each with its checklist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST

from audits.remediation.missing import plan_missing
from audits.remediation.selections import MissingSelection
from audits.staff_changes import services
from audits.staff_changes.checklist import checklist, next_step, obstacle
from audits.staff_changes.display import (
    STATE_TONES,
    button_for,
    employee_of,
    evidence_url,
    item_badge,
)
from audits.staff_changes.facts import ChangeKind
from audits.staff_changes.models import ChangeState, StaffChange
from audits.staff_changes.reading import facts_of
from audits.staff_changes.services import ChangeRefused
from members.list_filters import ALL, DefaultFilter
from members.models import Employee
from members.operations.admin.planning import may_plan, show_plan
from members.records import RecordAdmin
from members.ui import DASH, badge, time_tag

_NOBODY = "There is nobody to be added: run an audit."


class StateFilter(DefaultFilter):
    """What is open, until somebody asks for more."""

    title = "state"
    parameter_name = "state__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*ChangeState.choices, (ALL, "All")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset if self.value() == ALL else queryset.filter(state=self.value())


class BeginForm(forms.Form):
    """Who leaves or joins."""

    kind = forms.ChoiceField(
        label="What",
        choices=[
            (str(ChangeKind.LEAVING), "They leave: their status becomes offboarded"),
            (str(ChangeKind.JOINING), "They join, or are back: their status becomes active"),
        ],
        initial=str(ChangeKind.LEAVING),
        widget=forms.RadioSelect,
        help_text="The next audit goes by the status.",
    )
    employee = forms.ModelChoiceField(
        Employee.objects.order_by("name"),
        empty_label="Choose…",
        help_text="Somebody new is added under People › Employees first.",
    )


class DropForm(forms.Form):
    """Why nobody goes on."""

    why = forms.CharField(
        label="Why",
        max_length=500,
        widget=forms.TextInput(attrs={"autofocus": True, "size": 50}),
        help_text="It stays with the checklist.",
    )


@admin.register(StaffChange)
class StaffChangeAdmin(RecordAdmin):
    list_display = ("who", "what", "status", "begun", "by", "waits_for", "ended")
    list_display_links = ("who",)
    list_filter = (StateFilter, "kind")
    tab_field = "state"
    search_fields = ("employee_key", "employee_name", "opened_by")
    search_help_text = "An employee's name or key, or who began it"
    date_hierarchy = "opened_at"
    change_list_template = "admin/staff_changes/staffchange/change_list.html"
    change_form_template = "admin/staff_changes/staffchange/change_form.html"
    fields = ()
    row_name, row_name_plural = "person", "people"
    empty_title = "Nobody has left or joined yet"
    empty_hint = "“Somebody leaves or joins…” begins one; so does an employee's page."

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"staff_changes_staffchange_{name}")

        return [
            page("begin/", "begin", require_http_methods(["GET", "POST"])(self.begin_view)),
            page("<int:pk>/close/", "close", require_POST(self.close_view)),
            page("<int:pk>/drop/", "drop", require_http_methods(["GET", "POST"])(self.drop_view)),
            page("<int:pk>/add-missing/", "add_missing", require_POST(self.add_missing_view)),
            *super().get_urls(),
        ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        shown = [change for change in changelist.result_list if change.state == ChangeState.OPEN]
        facts = facts_of(shown)
        for change in shown:
            items = checklist(facts[change.pk])
            change.next_item = next_step(items) or obstacle(items)
        return changelist

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"may_begin": may_begin(request), **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The checklist in place of a form."""
        change: StaffChange = kwargs["obj"]
        items, employee = services.items_of(change), employee_of(change)
        may = request.user.has_perm
        step = next_step(items) if change.state == ChangeState.OPEN else None
        context |= {
            "title": str(change),
            "subtitle": None,
            "staff_change": change,
            "state_badge": badge(change.get_state_display(), STATE_TONES[change.state]),
            "employee": employee,
            "lines": [
                (item, item_badge(item), [(p, evidence_url(p, change, employee, may)) for p in item.evidence])
                for item in items
            ],
            "settled": sum(item.settled for item in items),
            "holding": sum(item.blocks and not item.settled for item in items),
            "step": step,
            "button": button_for(step, change, employee, may) if step is not None else None,
            "waits": obstacle(items) if change.state == ChangeState.OPEN else None,
            "may_run": _may_run(request),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def begin_view(self, request: HttpRequest) -> HttpResponse:
        """Ask who it is about and say what follows; then set the status and show the checklist."""
        if not may_begin(request):
            raise PermissionDenied
        form = BeginForm(request.POST if request.method == "POST" else None, initial=_asked_for(request))
        if form.is_valid():
            change = services.begin(
                employee=form.cleaned_data["employee"],
                kind=ChangeKind(form.cleaned_data["kind"]),
                actor=request.user.get_username(),
            )
            return _to_page(change.pk)
        return self._ask(request, "Somebody leaves or joins", "begin.html", form=form)

    def close_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Close it now, if there is nothing left to do."""
        self._for_runners(request, pk)
        try:
            services.close(change_id=pk, actor=request.user.get_username())
        except ChangeRefused as error:
            messages.error(request, str(error))
        return _to_page(pk)

    def drop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why; then end it as it is."""
        change = self._for_runners(request, pk)
        form = DropForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                services.drop(change_id=pk, actor=request.user.get_username(), why=form.cleaned_data["why"])
            except ChangeRefused as error:
                messages.error(request, str(error))
            return _to_page(pk)
        return self._ask(request, f"Drop: {change}", "drop.html", form=form, staff_change=change)

    def add_missing_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Plan to add them wherever audits saw them missing."""
        if not may_plan(request):
            raise PermissionDenied
        change = self._visible(request, pk)
        plan = plan_missing(MissingSelection(employees=(change.employee_key,)))
        return show_plan(request, plan, nothing=_NOBODY, back=_to_page(pk).url)

    def _ask(self, request: HttpRequest, title: str, template: str, **more: Any) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, **more}
        return TemplateResponse(request, f"admin/staff_changes/staffchange/{template}", context)

    def _visible(self, request: HttpRequest, pk: int) -> StaffChange:
        change = get_object_or_404(StaffChange, pk=pk)
        if not self.has_view_permission(request, change):
            raise PermissionDenied
        return change

    def _for_runners(self, request: HttpRequest, pk: int) -> StaffChange:
        if not _may_run(request):
            raise PermissionDenied
        return self._visible(request, pk)

    @admin.display(description="Who", ordering="employee_name")
    def who(self, change: StaffChange) -> str:
        return change.employee_name

    @admin.display(description="What", ordering="kind")
    def what(self, change: StaffChange) -> str:
        return "Leaves" if change.kind == ChangeKind.LEAVING else "Joins"

    @admin.display(description="State", ordering="state")
    def status(self, change: StaffChange) -> SafeString:
        hint = f"Opened again {change.times_reopened}×" if change.times_reopened else ""
        return badge(change.get_state_display(), STATE_TONES[change.state], hint=hint)

    @admin.display(description="Begun", ordering="opened_at")
    def begun(self, change: StaffChange) -> SafeString:
        return time_tag(change.opened_at)

    @admin.display(description="By", ordering="opened_by")
    def by(self, change: StaffChange) -> str:
        return change.opened_by

    @admin.display(description="Waits for")
    def waits_for(self, change: Any) -> str:
        if change.state != ChangeState.OPEN:
            return change.note or DASH
        item = change.next_item
        return f"{item.topic}: {item.text}" if item is not None else "Nothing: it can be closed"

    @admin.display(description="Ended", ordering="closed_at")
    def ended(self, change: StaffChange) -> SafeString:
        return time_tag(change.closed_at)


def may_begin(request: HttpRequest) -> bool:
    """Whether the reader may begin one, which sets the employee's status."""
    return request.user.has_perms(("staff_changes.run_staffchange", "members.change_employee"))


def _may_run(request: HttpRequest) -> bool:
    return request.user.has_perm("staff_changes.run_staffchange")


def _asked_for(request: HttpRequest) -> dict[str, str]:
    """What the address says: ?employee=7&kind=joining. Nonsense chooses nothing."""
    asked = {name: request.GET[name] for name in ("employee", "kind") if name in request.GET}
    return asked if asked.get("employee", "0").isdecimal() else {}


def _to_page(pk: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:staff_changes_staffchange_change", args=[pk]))
