"""Rules, scope, naming and exclusions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from members.admin.base import PolicyAdmin
from members.models import (
    ENDS_SOON,
    Exclusion,
    Group,
    MembershipRule,
    NamingRule,
    ScopeLine,
    ending_soon,
    holding,
)
from members.resources import (
    ExclusionResource,
    MembershipRuleResource,
    NamingRuleResource,
    ScopeLineResource,
)
from members.ui import DASH, badge, time_tag


@admin.register(MembershipRule)
class MembershipRuleAdmin(PolicyAdmin):
    resource_classes = (MembershipRuleResource,)
    list_display = ("__str__", "platform", "level", "category", "team", "employee", "auto_add")
    list_filter = ("platform", "level", "category", "team", "auto_add")
    list_select_related = ("category", "team", "employee")
    search_fields = ("team__name", "team__key", "employee__name", "employee__key", "category__name")
    autocomplete_fields = ("category", "team", "employee")
    fields = ("platform", "category", "team", "employee", "level", "auto_add")
    empty_hint = "A rule says that a team, or one employee, is required or optional on a platform."


@admin.register(ScopeLine)
class ScopeLineAdmin(PolicyAdmin):
    resource_classes = (ScopeLineResource,)
    list_display = ("__str__", "platform", "kind", "match", "pattern", "employee")
    list_filter = ("platform", "kind", "match")
    list_select_related = ("employee",)
    search_fields = ("pattern", "employee__name", "employee__key")
    autocomplete_fields = ("employee",)
    fields = ("platform", "kind", "match", "pattern", "employee")
    verbatim = ("pattern",)
    empty_hint = "Without a line that includes them, no groups are audited."


@admin.register(NamingRule)
class NamingRuleAdmin(PolicyAdmin):
    resource_classes = (NamingRuleResource,)
    list_display = ("pattern", "replacement", "groups_so_named")
    search_fields = ("pattern", "replacement")
    verbatim = ("pattern", "replacement")
    empty_hint = "A naming rule says which part of a group's name is deprecated, and what to put there."

    def get_queryset(self, request: HttpRequest) -> QuerySet[NamingRule]:
        so_named = (
            Group.objects.filter(in_scope=True, name__icontains=OuterRef("pattern"))
            .order_by()
            .values("in_scope")
            .annotate(count=Count("pk"))
        )
        return super().get_queryset(request).annotate(group_count=Subquery(so_named.values("count")))

    @admin.display(description="Groups still so named", ordering="group_count")
    def groups_so_named(self, naming: Any) -> int:
        return naming.group_count or 0


class Holding(admin.SimpleListFilter):
    """Whether an exclusion holds today (UTC)."""

    title = "holds"
    parameter_name = "holds"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Holds"), ("soon", f"Ends within {ENDS_SOON.days} days"), ("no", "Has ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Exclusion]) -> QuerySet[Exclusion]:
        today = datetime.now(UTC).date()
        conditions = {"yes": holding(today), "soon": ending_soon(today), "no": ~holding(today)}
        chosen = conditions.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


class ExclusionForm(forms.ModelForm):
    """Takes the group's id, or its name where only one group is called so."""

    group_external_id = forms.CharField(label="Group", help_text="The group's id, or its name.")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        platform, text = cleaned.get("platform"), cleaned.get("group_external_id")
        if platform and text and {"platform", "group_external_id"} & set(self.changed_data):
            try:
                cleaned["group_external_id"] = _group_id(platform, text)
            except ValidationError as error:
                self.add_error("group_external_id", error)
        return cleaned


def _group_id(platform: str, text: str) -> str:
    """The id of the known group that is meant. Raises ValidationError unless there is exactly one."""
    known = Group.objects.filter(platform=platform)
    if known.filter(external_id=text).exists():
        return text
    ids = list(known.filter(name__iexact=text).values_list("external_id", flat=True)[:2])
    if not ids:
        raise ValidationError("No audit has seen a group with this id or name there.")
    if len(ids) > 1:
        raise ValidationError("Several groups have this name. Enter the id.")
    return ids[0]


@admin.register(Exclusion)
class ExclusionAdmin(PolicyAdmin):
    resource_classes = (ExclusionResource,)
    form = ExclusionForm
    list_display: tuple[str, ...] = ("group", "platform", "accepted", "reason", "until")
    list_filter: tuple[Any, ...] = ("platform", Holding, "kind")
    list_select_related = ("employee",)
    search_fields = ("group_external_id", "group_name", "reason", "employee__name", "employee__key")
    search_help_text = "Group, person or reason"
    date_hierarchy = "granted_at"
    autocomplete_fields = ("employee",)
    fields: tuple[Any, ...] = (
        ("platform", "group_external_id"),
        *("employee", "kind", "reason", "expires", "granted"),
    )
    readonly_fields: tuple[str, ...] = ("granted",)
    empty_hint = "An exclusion is an accepted exception, with its reason and its end."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Exclusion]:
        group = Group.objects.filter(platform=OuterRef("platform"), external_id=OuterRef("group_external_id"))
        return (
            super()
            .get_queryset(request)
            .annotate(group_name=Subquery(group.values("name")), group_pk=Subquery(group.values("pk")))
        )

    def save_model(self, request: HttpRequest, obj: Exclusion, form: forms.ModelForm, change: bool) -> None:
        if not change:
            obj.granted_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    @admin.display(description="Group", ordering=F("group_name").asc(nulls_last=True))
    def group(self, exclusion: Any) -> str:
        return exclusion.group_name or exclusion.group_external_id

    @admin.display(description="Who or what", ordering=F("employee__name").asc(nulls_last=True))
    def accepted(self, exclusion: Exclusion) -> str:
        """The person, the kind of finding, or both: one of them is always said."""
        kind = exclusion.get_kind_display() if exclusion.kind else ""
        return ": ".join(filter(None, (str(exclusion.employee or ""), kind)))

    @admin.display(description="Until", ordering="expires")
    def until(self, exclusion: Exclusion) -> str | SafeString:
        if exclusion.expires is None:
            return badge("no end", "info")
        today = datetime.now(UTC).date()
        if exclusion.expires < today:
            return badge(f"ended {date_format(exclusion.expires)}", "muted")
        return badge(
            date_format(exclusion.expires), "warn" if exclusion.expires <= today + ENDS_SOON else "good"
        )

    @admin.display(description="Granted")
    def granted(self, exclusion: Exclusion) -> str | SafeString:
        if exclusion.pk is None:
            return DASH
        return format_html(
            "{} by {}", time_tag(exclusion.granted_at), exclusion.granted_by or "somebody unknown"
        )
