"""Exclusions as accepted risk: asked for, looked at with what they hide, granted or refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from audits.admin.acceptance import grants_alone, may_ask, may_decide
from audits.exclusions import requests
from audits.exclusions.effects import effect_of, hides_something, today, with_need
from audits.exclusions.models import ExclusionRequest, RequestState
from audits.exclusions.requests import RequestRefused, is_requester, objection_to
from members.admin.policy import ExclusionAdmin, ExclusionForm
from members.list_filters import ALL, DefaultFilter
from members.models import Exclusion, Group
from members.operations.services import actor_of
from members.records import RecordAdmin, link
from members.ui import DASH, Tone, badge, time_tag

TONES: dict[str, Tone] = {
    RequestState.WAITING: "warn",
    RequestState.GRANTED: "good",
    RequestState.REFUSED: "bad",
    RequestState.WITHDRAWN: "muted",
}
USUAL_LENGTH = timedelta(days=90)
NOT_YET = "Look at what it would hide, then grant it. So far nothing is hidden."


class RequestStateFilter(DefaultFilter):
    """What waits for a decision, until somebody asks for more."""

    title = "state"
    parameter_name = "state__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((str(state), state.label) for state in RequestState), (ALL, "All")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ExclusionRequest]
    ) -> QuerySet[ExclusionRequest]:
        return queryset if self.value() == ALL else queryset.filter(state=self.value())


class RequestForm(ExclusionForm):
    """What is asked for. Takes the group's id or its name, as the form of exclusions does."""

    class Meta:
        model = ExclusionRequest
        fields = ("platform", "group_external_id", "employee", "kind", "reason", "expires")


class DecisionForm(forms.Form):
    """Why it is decided so."""

    note = forms.CharField(
        label="A word about the decision",
        max_length=300,
        required=False,
        help_text="It is kept with the request.",
    )


@admin.register(ExclusionRequest)
class ExclusionRequestAdmin(RecordAdmin):
    form = RequestForm
    list_display = ("about", "status", "platform", "who", "kind_words", "until", "asked", "decided")
    list_filter = (RequestStateFilter, "platform")
    list_select_related = ("employee",)
    search_fields = ("group_external_id", "group_name", "reason", "requested_by", "employee__name")
    autocomplete_fields = ("employee",)
    tab_field = "state"
    actions = None
    change_form_template = "admin/audits/exclusionrequest/change_form.html"
    empty_hint = "An exclusion begins with a request that says why, and until when."

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExclusionRequest]:
        group = Group.objects.filter(platform=OuterRef("platform"), external_id=OuterRef("group_external_id"))
        return super().get_queryset(request).annotate(group_name=Subquery(group.values("name")))

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(require_POST(self.decide_view))
        return [
            path("<int:pk>/decide/", decide, name="audits_exclusionrequest_decide"),
            *super().get_urls(),
        ]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: ExclusionRequest | None = None) -> bool:
        return super().has_view_permission(request, obj) or may_ask(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_ask(request)

    def get_fields(self, request: HttpRequest, obj: ExclusionRequest | None = None) -> Any:
        if obj is None:
            return (("platform", "group_external_id"), "employee", "kind", "reason", "expires")
        ended = () if obj.state == RequestState.WAITING else ("decided", "note", "exclusion_link")
        return ("status", "about", "who", "kind_words", "why", "until", "asked", *ended)

    def get_readonly_fields(self, request: HttpRequest, obj: ExclusionRequest | None = None) -> Any:
        return () if obj is None else self.get_fields(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What a link says, and an end: what has none is forgotten."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"expires": today() + USUAL_LENGTH} | given

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        form_field: Any = super().formfield_for_dbfield(db_field, request, **options)
        if form_field is not None and isinstance(form_field.widget, RelatedFieldWidgetWrapper):
            widget = form_field.widget  # whoever asks for an exclusion makes and changes no employees
            widget.can_add_related = widget.can_change_related = widget.can_view_related = False
        return form_field

    def save_model(self, request: HttpRequest, obj: ExclusionRequest, form: Any, change: bool) -> None:
        try:
            requests.ask(request=obj, actor=actor_of(request.user), needs_another=not grants_alone(request))
        except RequestRefused as error:
            obj.pk = None
            messages.warning(request, str(error))

    def log_addition(self, request: HttpRequest, obj: ExclusionRequest, message: Any) -> Any:
        return super().log_addition(request, obj, message) if obj.pk is not None else None

    def response_add(
        self, request: HttpRequest, obj: ExclusionRequest, post_url_continue: str | None = None
    ) -> HttpResponse:
        """To the request's own page, which shows what it would hide."""
        if obj.pk is None:
            return HttpResponseRedirect(reverse("admin:audits_exclusionrequest_changelist"))
        told = NOT_YET if grants_alone(request) else "Asked for. Somebody else has to grant it."
        messages.info(request, told)
        return HttpResponseRedirect(reverse("admin:audits_exclusionrequest_change", args=[obj.pk]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        asked: ExclusionRequest | None = kwargs.get("obj")
        if asked is not None:
            actor = actor_of(request.user)
            waits = asked.state == RequestState.WAITING
            context |= {
                "effect": effect_of(asked) if waits else None,
                "objection": objection_to(asked, actor),
                "may_decide": waits and may_decide(request),
                "is_mine": is_requester(asked, actor),
                "may_end": waits and (may_decide(request) or is_requester(asked, actor)),
                "decision": DecisionForm(),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Grant it, refuse it, or take it back."""
        asked = get_object_or_404(ExclusionRequest, pk=pk)
        actor = actor_of(request.user)
        form = DecisionForm(request.POST)
        note = form.cleaned_data["note"] if form.is_valid() else ""
        page = HttpResponseRedirect(reverse("admin:audits_exclusionrequest_change", args=[pk]))
        grants = request.POST.get("decision") == "grant"
        if not may_decide(request) and (grants or not is_requester(asked, actor)):
            raise PermissionDenied
        try:
            if grants:
                requests.grant(request_id=pk, actor=actor, note=note)
                messages.success(request, "Granted. It takes effect with the next audit.")
            else:
                requests.refuse(request_id=pk, actor=actor, note=note)
                messages.success(request, "Ended: nothing is hidden.")
        except RequestRefused as error:
            messages.error(request, str(error))
        return page

    @admin.display(description="Group", ordering="group_external_id")
    def about(self, asked: Any) -> str:
        return asked.group_name or asked.group_external_id

    @admin.display(description="State", ordering="state")
    def status(self, asked: ExclusionRequest) -> SafeString:
        return badge(asked.get_state_display(), TONES[asked.state], hint=asked.note)

    @admin.display(description="Employee", ordering="employee__name")
    def who(self, asked: ExclusionRequest) -> SafeString | str:
        return "Everybody" if asked.employee is None else link(asked.employee)

    @admin.display(description="Reason")
    def why(self, asked: ExclusionRequest) -> str:
        return asked.reason

    @admin.display(description="Kind", ordering="kind")
    def kind_words(self, asked: ExclusionRequest) -> str:
        return asked.get_kind_display() if asked.kind else "Everything about this person"

    @admin.display(description="Until", ordering="expires")
    def until(self, asked: ExclusionRequest) -> str:
        return date_format(asked.expires) if asked.expires else "No end"

    @admin.display(description="Asked for", ordering="requested_at")
    def asked(self, asked: ExclusionRequest) -> SafeString:
        return _when_and_who(asked.requested_at, asked.requested_by)

    @admin.display(description="Decided", ordering="decided_at")
    def decided(self, asked: ExclusionRequest) -> SafeString | str:
        return _when_and_who(asked.decided_at, asked.decided_by) if asked.decided_at else DASH

    @admin.display(description="Exclusion")
    def exclusion_link(self, asked: ExclusionRequest) -> SafeString:
        return link(asked.exclusion, f"{asked.employee or asked.get_kind_display()} in {self.about(asked)}")


class HidesFilter(admin.SimpleListFilter):
    """Whether an exclusion is still needed."""

    title = "hides"
    parameter_name = "hides"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Hides something"), ("no", "Hides nothing any more")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Exclusion]) -> QuerySet[Exclusion]:
        match self.value():
            case "yes":
                return queryset.filter(hides_something())
            case "no":
                return queryset.filter(~hides_something())
        return queryset


class AcceptedRiskAdmin(ExclusionAdmin):
    """The floor below's page, with what each exclusion hides; new ones begin with a request."""

    list_display = (*ExclusionAdmin.list_display, "hides")
    list_filter = (*ExclusionAdmin.list_filter, HidesFilter)
    fields = (*ExclusionAdmin.fields, "hides")
    readonly_fields = (*ExclusionAdmin.readonly_fields, "hides")
    change_form_template = "admin/members/exclusion/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Exclusion]:
        return with_need(super().get_queryset(request))

    def has_change_permission(self, request: HttpRequest, obj: Exclusion | None = None) -> bool:
        """Where another person has to grant, nobody changes what was granted: they ask for it anew."""
        return super().has_change_permission(request, obj) and not settings.REQUIRE_SECOND_PERSON

    def has_import_permission(self, request: HttpRequest) -> bool:
        return super().has_import_permission(request) and not settings.REQUIRE_SECOND_PERSON

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        url = reverse("admin:audits_exclusionrequest_add")
        query = request.META.get("QUERY_STRING", "")
        return HttpResponseRedirect(f"{url}?{query}" if query else url)

    @admin.display(description="Hides")
    def hides(self, exclusion: Any) -> SafeString | str:
        if exclusion.pk is None:
            return DASH
        if not exclusion.is_needed:
            return badge("nothing", "muted", hint="No finding is left that it hides.")
        return badge("findings", "info")


def _when_and_who(at: datetime, name: str) -> SafeString:
    return format_html("{} by {}", time_tag(at), name)


admin.site.unregister(Exclusion)
admin.site.register(Exclusion, AcceptedRiskAdmin)
