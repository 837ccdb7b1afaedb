"""Findings: what is wrong now, what was, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from audits.admin.acceptance import AcceptanceForm, grants_alone, may_accept, may_ask, request_for
from audits.admin.filters import CustomerFilter, GroupFilter
from audits.admin.finding_search import findings_with
from audits.admin.leavers import RemoveLeaversAction
from audits.admin.remedies import AddMissingAction, group_keys
from audits.display import CHANGE_TONES, KINDS_BY_URGENCY, STATE_TONES, in_order_of, words
from audits.exclusions import requests
from audits.exclusions.effects import accepting
from audits.exclusions.requests import RequestRefused
from audits.lifecycle import Change, State
from audits.models import BULKY, Finding, FindingChange
from audits.powerless import beyond_us, mendable, why_beyond_us
from audits.remediation.selections import GroupKey, MissingSelection
from members.admin.base import TableExportMixin
from members.light_lists import KeysFirst
from members.list_filters import ALL, ConditionFilter, DefaultFilter, LinkedFilter, number
from members.models import Employee, Team
from members.operations.services import actor_of
from members.policy import FindingKind
from members.records import RecordAdmin, link
from members.tables import LabelledResource, Moment, WholeNumber, shown
from members.ui import badge, time_tag
from telegram_ops.admin.renames import RenameAction

if TYPE_CHECKING:
    ChangeInlineBase = admin.TabularInline[FindingChange, Finding]
else:
    ChangeInlineBase = admin.TabularInline

NO_TEAM = "none"


class StateFilter(ConditionFilter, DefaultFilter):
    """What is open, until somebody asks for more."""

    title = "state"
    parameter_name = "state__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((str(state), words(state)) for state in State), (ALL, "All")]

    def condition(self, value: str) -> Q:
        return Q() if value == ALL else Q(state=value)


class EmployeeFilter(LinkedFilter):
    title = "employee"
    parameter_name = "employee__id__exact"
    model = Employee


class TeamFilter(ConditionFilter):
    """By a team of the person. Joined, whoever is in two teams would make two rows of each finding."""

    title = "team"
    parameter_name = "team"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((str(team.pk), team.name) for team in Team.objects.all()), (NO_TEAM, "In no team")]

    def condition(self, value: str) -> Q:
        if value == NO_TEAM:
            return ~Q(employee__in=Employee.objects.filter(teams__isnull=False).values("pk"))
        return Q(employee__in=Employee.objects.filter(teams=number(value)).values("pk"))


class OurRightFilter(ConditionFilter):
    title = "our account"
    parameter_name = "our_right"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("lacking", "lacks the right to mend it"), ("there", "may mend it, as far as we know")]

    def condition(self, value: str) -> Q:
        match value:
            case "lacking":
                return beyond_us()
            case "there":
                return mendable()
        return Q()


class ChangedByFilter(admin.SimpleListFilter):
    """What one run changed: "7", or "7-opened" for one sort of change alone. The run's page sets it."""

    title = "changed by"
    parameter_name = "changed_by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = self.value()
        if value is None:
            return []
        run_id, change = self._parts(value)
        return [(value, f"Audit {run_id}" + (f", {change}" if change else ""))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Finding]) -> QuerySet[Finding]:
        value = self.value()
        if value is None:
            return queryset
        run_id, change = self._parts(value)
        changes = FindingChange.objects.filter(run_id=run_id)
        if change:
            changes = changes.filter(change=change)
        return queryset.filter(pk__in=changes.values("finding"))

    def _parts(self, value: str) -> tuple[int, str]:
        run_id, _, change = value.partition("-")
        return number(run_id), change if change in {*Change} else ""


NEXT_AUDIT = "It takes effect with the next audit; until then the finding stays open."


class FindingChangeInline(ChangeInlineBase):
    """The finding's life, run by run."""

    model = FindingChange
    template = "admin/audits/finding/history.html"
    verbose_name_plural = "history"
    fields = readonly_fields = ("what", "why", "when", "by")
    can_delete = False
    extra = 0
    ordering = ("-at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FindingChange]:
        return super().get_queryset(request).select_related("run")

    def has_view_permission(self, request: HttpRequest, obj: Finding | None = None) -> bool:
        return True  # whoever may see the finding may see its history

    def has_add_permission(self, request: HttpRequest, obj: Finding | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Finding | None = None) -> bool:
        return False

    @admin.display(description="When")
    def when(self, change: FindingChange) -> SafeString:
        return time_tag(change.at)

    @admin.display(description="What")
    def what(self, change: FindingChange) -> SafeString:
        return badge(change.get_change_display(), CHANGE_TONES[change.change])

    @admin.display(description="Why")
    def why(self, change: FindingChange) -> str:
        return change.reason

    @admin.display(description="By")
    def by(self, change: FindingChange) -> SafeString:
        return link(change.run)


class FindingResource(LabelledResource):
    """The findings as a table, with names beside the keys."""

    group_name = shown("group__name", name="group_name")
    employee_name = shown("employee__name", name="employee_name")
    first_seen_utc = shown("first_seen_at", Moment(), name="first_seen_utc")
    last_seen_utc = shown("last_seen_at", Moment(), name="last_seen_utc")
    resolved_utc = shown("resolved_at", Moment(), name="resolved_utc")
    times_reopened = shown("times_reopened", WholeNumber())

    class Meta:
        model = Finding
        fields = export_order = (
            "platform",
            "group_external_id",
            "group_name",
            "kind",
            "subject",
            "employee_name",
            "state",
            "detail",
            "first_seen_utc",
            "last_seen_utc",
            "resolved_utc",
            "end_reason",
            "times_reopened",
        )


@admin.register(Finding)
class FindingAdmin(AddMissingAction, RemoveLeaversAction, RenameAction, TableExportMixin, RecordAdmin):
    nobody_missing = "None of the selected findings is about a missing person."
    resource_classes = (FindingResource,)
    change_list_template = "admin/audits/change_list.html"
    list_display = (
        "what",
        "status",
        "platform",
        "group_link",
        "employee_link",
        "about",
        "first_seen",
        "last_seen",
        "resolved",
    )
    list_display_links = ("what",)
    list_filter = (
        StateFilter,
        "kind",
        "platform",
        GroupFilter,
        EmployeeFilter,
        ChangedByFilter,
        OurRightFilter,
        "group__category",
        CustomerFilter,
        TeamFilter,
    )
    list_select_related = ("group", "employee")
    search_fields = ("group__name", "group_external_id", "employee__name", "subject")  # see `search`
    search_help_text = "Group name or id, employee name or key"
    date_hierarchy = "first_seen_at"
    paginator = KeysFirst
    ordering = (
        in_order_of(KINDS_BY_URGENCY, "kind"),
        "-first_seen_at",
        Lower("group__name"),
        Lower("employee__name"),
        "-id",
    )
    tab_field = "state"
    actions = ("add_missing", "remove_leavers", "rename")
    show_facets = admin.ShowFacets.ALWAYS
    inlines: ClassVar = [FindingChangeInline]
    empty_hint = "Run an audit: it writes down everything that is wrong."

    def get_ordering(self, request: HttpRequest) -> Any:
        """What is to be done by urgency; what was, from the newest on."""
        state = request.GET.get(StateFilter.parameter_name, State.OPEN)
        return ("-last_seen_at", "-id") if state in (ALL, State.RESOLVED) else self.ordering

    def get_queryset(self, request: HttpRequest) -> QuerySet[Finding]:
        related = ("group", "employee", "first_seen_run", "last_seen_run")
        findings = super().get_queryset(request).select_related(*related)
        findings = findings.defer(*(f"{run}__{field}" for run in related[2:] for field in BULKY))
        return findings.annotate(accepted=Exists(accepting()))

    def search(self, request: Any, rows: QuerySet[Finding], term: str) -> tuple[QuerySet[Finding], bool]:
        return findings_with(rows, term), False

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The finding with the exclusions that accept it, if it is still there to be accepted."""
        finding: Any = super().get_object(request, *args, **kwargs)
        if finding is not None:
            finding.exclusions = () if finding.state == State.RESOLVED else tuple(accepting(finding))
        return finding

    def missing_in(self, queryset: QuerySet[Finding]) -> MissingSelection:
        return MissingSelection(findings=tuple(queryset.order_by("pk").values_list("pk", flat=True)))

    def groups_to_rename(self, queryset: QuerySet[Finding]) -> tuple[GroupKey, ...]:
        """Those whose names are what is wrong."""
        named = queryset.filter(kind=FindingKind.DEPRECATED_NAME).order_by("platform", "pk")
        return group_keys(named.values_list("platform", "group_external_id"))

    def get_urls(self) -> list[URLPattern]:
        accept = self.admin_site.admin_view(self.accept_view)
        return [path("<int:pk>/accept/", accept, name="audits_finding_accept"), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What this finding has something to say about."""
        ended = ("resolved", "end_reason") if obj and obj.state == State.RESOLVED else ()
        accepted = ("exception",) if obj and (obj.exclusions or obj.state == State.EXCLUDED) else ()
        reopened = ("times_reopened",) if obj and obj.times_reopened else ()
        seen = ("first_seen", "first_run", "last_seen", "last_run")
        return (
            "status",
            *accepted,
            "detail",
            "platform",
            "group_link",
            "employee_link",
            *seen,
            *ended,
            *reopened,
        )

    def get_list_display(self, request: HttpRequest) -> Any:
        """What the rows of a tab differ in: open ones in neither their state nor when they were seen last."""
        state = request.GET.get(StateFilter.parameter_name, State.OPEN)
        needless = {
            ALL: {"resolved"},
            State.OPEN: {"status", "last_seen", "resolved"},
            State.RESOLVED: {"status", "last_seen"},
        }.get(state, {"status", "resolved"})
        return [column for column in self.list_display if column not in needless]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        finding: Finding = kwargs["obj"]
        context |= {"subtitle": _headline(finding), "may_accept": may_accept(request, finding)}
        return super().render_change_form(request, context, *args, **kwargs)

    def accept_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the reason and the end, then grant the exclusion and say when it takes effect."""
        finding = get_object_or_404(Finding.objects.select_related("group", "employee"), pk=pk)
        if not self.has_view_permission(request, finding) or not may_ask(request):
            raise PermissionDenied
        page = HttpResponseRedirect(reverse("admin:audits_finding_change", args=[pk]))
        if not may_accept(request, finding):
            messages.warning(request, "There is nothing to accept: this finding is accepted or over already.")
            return page
        if (waiting := request_for(finding)) is not None:
            asked = link(waiting, "This is asked for already.")
            messages.warning(request, format_html("{} Somebody has to decide about it.", asked))
            return page
        form = AcceptanceForm(finding, request.POST if request.method == "POST" else None)
        if form.is_valid() and not grants_alone(request):
            self._ask(request, form)
            return page
        if form.is_valid():
            exclusion = form.grant(request.user.get_username())
            if exclusion is None:
                messages.warning(
                    request, "Somebody else accepted it at the same moment: their reason and end count."
                )
            else:
                accepted = link(exclusion, "Accepted as an exception.")
                messages.success(request, format_html("{} {}", accepted, NEXT_AUDIT))
            return page
        context = {
            **self.admin_site.each_context(request),
            "title": "Accept as an exception",
            "headline": _headline(finding),
            "finding": finding,
            "form": form,
            "opts": self.opts,
            "alone": grants_alone(request),
        }
        return TemplateResponse(request, "admin/audits/finding/accept.html", context)

    def _ask(self, request: HttpRequest, form: AcceptanceForm) -> None:
        """Leave the decision to somebody else."""
        try:
            asked = requests.ask(request=form.as_request(), actor=actor_of(request.user), needs_another=True)
        except RequestRefused as error:
            messages.warning(request, str(error))
        else:
            waiting = link(asked, "Asked for as an exception.")
            messages.success(request, format_html("{} Somebody else has to grant it.", waiting))

    @admin.display(description="Finding", ordering="kind")
    def what(self, finding: Finding) -> str:
        return finding.get_kind_display()

    @admin.display(description="Detail")
    def about(self, finding: Any) -> str | SafeString:
        detail = capfirst(finding.detail)
        if finding.accepted and finding.state == State.OPEN:
            return format_html("{} {}", detail, badge("Accepted", hint=NEXT_AUDIT))
        if finding.state == State.OPEN and (why := why_beyond_us(finding.kind, finding.group)):
            return format_html("{} {}", detail, badge("No right", "warn", hint=why))
        return detail

    @admin.display(description="Group", ordering="group__name")
    def group_link(self, finding: Finding) -> SafeString:
        return link(finding.group)

    @admin.display(description="Employee", ordering="employee__name")
    def employee_link(self, finding: Finding) -> SafeString:
        return link(finding.employee)

    @admin.display(description="State", ordering="state")
    def status(self, finding: Finding) -> SafeString:
        return badge(finding.get_state_display(), STATE_TONES[finding.state], hint=finding.end_reason)

    @admin.display(description="Exception")
    def exception(self, finding: Any) -> SafeString:
        """Which exclusions accept the finding, and what the next audit makes of it."""
        granted = format_html_join("; ", "{}", ((link(row, row.reason),) for row in finding.exclusions))
        if finding.state == State.OPEN:
            return format_html('{} <span class="quiet">{}</span>', granted, NEXT_AUDIT)
        if not granted:
            return SafeString("It has ended: the next audit opens this finding again.")
        return granted

    @admin.display(description="First seen", ordering="first_seen_at")
    def first_seen(self, finding: Finding) -> SafeString:
        return time_tag(finding.first_seen_at)

    @admin.display(description="Last seen", ordering="last_seen_at")
    def last_seen(self, finding: Finding) -> SafeString:
        return time_tag(finding.last_seen_at)

    @admin.display(description="Resolved")
    def resolved(self, finding: Finding) -> SafeString:
        return time_tag(finding.resolved_at)

    @admin.display(description="First seen by")
    def first_run(self, finding: Finding) -> SafeString:
        return link(finding.first_seen_run)

    @admin.display(description="Last seen by")
    def last_run(self, finding: Finding) -> SafeString:
        return link(finding.last_seen_run)


def _headline(finding: Finding) -> str:
    """What is wrong, with whom, where."""
    who_and_where = (str(part) for part in (finding.employee, finding.group) if part is not None)
    return ": ".join((finding.get_kind_display(), " in ".join(who_and_where)))
