"""The tracker of ownership requests: who was asked for which group, and what came of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from members.admin.base import TableExportMixin
from members.list_filters import number
from members.operations.admin.planning import may_plan, show_plan
from members.operations.models import Operation
from members.platforms.types import Platform
from members.records import RecordAdmin, link
from members.tables import LabelledResource, Moment, shown
from members.ui import DASH, NBSP, Tone, badge, time_tag
from telegram_ops import ownership_requests
from telegram_ops.admin.ownership_asking import ask_view
from telegram_ops.ownership import plan_requests
from telegram_ops.ownership_letters import messages_of
from telegram_ops.ownership_models import OwnershipRequest, RequestState
from telegram_ops.ownership_plans import KIND, OwnershipSelection

STATE_TONES: dict[str, Tone] = {
    RequestState.REQUESTED: "info",
    RequestState.REMINDED: "warn",
    RequestState.DONE: "good",
    RequestState.REFUSED: "bad",
}
_NOTHING = "None of these requests is open."


class RequestResource(LabelledResource):
    """The tracker as a table."""

    group = shown("group__name", name="group")
    group_id = shown("group__external_id", name="group_id")
    person = shown("user_name", name="person")
    username = shown("username")
    user_id = shown("user_id")
    owner = shown("is_owner", name="owner")
    state = shown("state")
    our_status = shown("group__admin_status", name="our_status")
    requested_utc = shown("requested_at", Moment(), name="requested_utc")
    requested_by = shown("requested_by")
    reminded_utc = shown("reminded_at", Moment(), name="reminded_utc")
    closed_utc = shown("closed_at", Moment(), name="closed_utc")
    operation = shown("operation_id", name="operation")
    note = shown("note")

    class Meta:
        model = OwnershipRequest
        fields = (
            "group",
            "group_id",
            "person",
            "username",
            "user_id",
            "owner",
            "state",
            "our_status",
            "requested_utc",
            "requested_by",
            "reminded_utc",
            "closed_utc",
            "operation",
            "note",
        )


class PersonFilter(admin.SimpleListFilter):
    title = "person"
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        people = OwnershipRequest.objects.order_by().values_list("user_id").annotate(Max("user_name"))
        return sorted(((str(key), name) for key, name in people), key=lambda row: row[1].casefold())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[OwnershipRequest]
    ) -> QuerySet[OwnershipRequest]:
        return queryset if self.value() is None else queryset.filter(user_id=number(self.value()))


@admin.register(OwnershipRequest)
class OwnershipRequestAdmin(TableExportMixin, RecordAdmin):
    resource_classes = (RequestResource,)
    import_export_change_list_template = "admin/telegram_ops/ownershiprequest/change_list_tools.html"
    change_list_template = "admin/records/change_list.html"
    change_form_template = "admin/change_form.html"
    tab_field = "state"
    list_display = ("person", "group_link", "role", "status", "asked", "reminded", "origin", "about")
    list_display_links = ("person",)
    list_filter = ("state", PersonFilter, "is_owner")
    list_select_related = ("group",)
    search_fields = ("group__name", "group__external_id", "user_name", "username", "note")
    search_help_text = "A group's name or id, a person, or a word of the note"
    date_hierarchy = "requested_at"
    actions = ("remind", "refuse", "reopen")
    fields = (
        "group_link",
        "person",
        "role",
        "status",
        "our_status",
        "asked",
        "requested_by",
        "reminded",
        "closed",
        "origin",
        "note",
    )
    empty_hint = "Choose groups and “Ask their owners…”, or ask for all groups where our account is no admin."

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [name for name in self.fields if name != "note"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request, obj)

    def has_plan_permission(self, request: HttpRequest) -> bool:
        return may_plan(request)

    def save_model(self, request: HttpRequest, obj: OwnershipRequest, form: Any, change: bool) -> None:
        ownership_requests.write_note(request=obj, note=obj.note, actor=request.user.get_username())

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, name: str, view: Any) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"telegram_ops_ownershiprequest_{name}")

        return [
            page("ask/", "ask", require_http_methods(["GET", "POST"])(ask_view)),
            page("people/", "people", require_GET(self.people_view)),
            page("messages/<int:pk>/", "messages", require_GET(self.messages_view)),
            page("messages/<int:pk>/sent/", "sent", require_POST(self.sent_view)),
            *super().get_urls(),
        ]

    def people_view(self, request: HttpRequest) -> HttpResponse:
        """Everybody who was asked, with how far they are; in one query."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        counts = {str(state): Count("pk", filter=Q(state=state)) for state in RequestState}
        people = (
            OwnershipRequest.objects.order_by()
            .values("user_id")
            .annotate(
                name=Max("user_name"),
                handle=Max("username"),
                groups=Count("pk"),
                last=Max(Coalesce("reminded_at", "requested_at")),
                **counts,
            )
            .order_by("name", "user_id")
        )
        context = {
            **self.admin_site.each_context(request),
            "title": "Who was asked",
            "opts": self.opts,
            "people": list(people),
        }
        return TemplateResponse(request, "admin/telegram_ops/ownershiprequest/people.html", context)

    def messages_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The messages of an operation, to be copied and sent by hand."""
        operation = self._operation(request, pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Messages of {operation}",
            "opts": self.opts,
            "operation": operation,
            "letters": messages_of(operation),
            "may_plan": may_plan(request),
        }
        return TemplateResponse(request, "admin/telegram_ops/ownershiprequest/messages.html", context)

    def sent_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Somebody says that they have sent one of the messages themselves."""
        if not may_plan(request):
            raise PermissionDenied
        operation = self._operation(request, pk)
        sendable = {str(each.step.pk): each for each in messages_of(operation) if each.sendable}
        letter = sendable.get(request.POST.get("step", ""))
        if letter is None:
            messages.warning(request, "That message is sent or noted already.")
        else:
            ownership_requests.note_by_hand(step=letter.step, actor=request.user.get_username())
            messages.success(request, f"Noted: {letter.step.subject_name} was asked by you.")
        return HttpResponseRedirect(reverse("admin:telegram_ops_ownershiprequest_messages", args=[pk]))

    def _operation(self, request: HttpRequest, pk: int) -> Operation:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(Operation, pk=pk, kind=KIND)

    @admin.action(description="Remind…", permissions=["plan"])
    def remind(self, request: HttpRequest, queryset: QuerySet[OwnershipRequest]) -> HttpResponse:
        """A plan that writes again to those who were asked long enough ago."""
        rows = queryset.filter(group__platform=Platform.TELEGRAM)
        ids = tuple(rows.order_by("pk").values_list("group__external_id", flat=True))
        if not ids:  # no groups would mean all
            messages.warning(request, _NOTHING)
            return HttpResponseRedirect(request.get_full_path())
        plan = plan_requests(OwnershipSelection(groups=tuple(dict.fromkeys(ids)), remind=True))
        return show_plan(request, plan, nothing=_NOTHING)

    @admin.action(description="Mark as refused", permissions=["change"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[OwnershipRequest]) -> None:
        count = ownership_requests.mark_refused(requests=queryset, actor=request.user.get_username())
        messages.success(request, f"{count} marked as refused.")

    @admin.action(description="Open again", permissions=["change"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[OwnershipRequest]) -> None:
        count = ownership_requests.reopen(requests=queryset, actor=request.user.get_username())
        messages.success(request, f"{count} opened again.")

    @admin.display(description="Group", ordering="group__name")
    def group_link(self, row: OwnershipRequest) -> SafeString:
        return link(row.group)

    @admin.display(description="Person", ordering="user_name")
    def person(self, row: OwnershipRequest) -> SafeString:
        handle = f"@{row.username} · " if row.username else ""
        return format_html('{} <span class="quiet">{}{}</span>', row.user_name, handle, row.user_id)

    @admin.display(description="Role", ordering="is_owner")
    def role(self, row: OwnershipRequest) -> str:
        return "Owner" if row.is_owner else "Admin"

    @admin.display(description="State", ordering="state")
    def status(self, row: OwnershipRequest) -> SafeString:
        return badge(row.get_state_display(), STATE_TONES[row.state])

    @admin.display(description="Our account there")
    def our_status(self, row: OwnershipRequest) -> str:
        return f"{row.group.get_admin_status_display()} (then: {row.get_admin_status_before_display()})"

    @admin.display(description="Asked", ordering="requested_at")
    def asked(self, row: OwnershipRequest) -> SafeString:
        return time_tag(row.requested_at)

    @admin.display(description="Reminded", ordering="reminded_at")
    def reminded(self, row: OwnershipRequest) -> SafeString:
        return time_tag(row.reminded_at)

    @admin.display(description="Closed", ordering="closed_at")
    def closed(self, row: OwnershipRequest) -> SafeString:
        return time_tag(row.closed_at)

    @admin.display(description="By", ordering="operation_id")
    def origin(self, row: OwnershipRequest) -> SafeString | str:
        if row.operation_id is None:
            return f"{row.requested_by}, by hand"
        url = reverse("admin:operations_operation_change", args=[row.operation_id])
        return format_html('<a href="{}">Operation{}{}</a>', url, NBSP, row.operation_id)

    @admin.display(description="Note")
    def about(self, row: OwnershipRequest) -> str:
        return row.note or DASH
