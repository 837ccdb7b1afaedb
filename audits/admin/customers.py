"""The list of customers with their coverage, and what a customer's page shows beneath."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from audits.coverage import Share
from audits.customers.reading import load_overview, with_numbers
from audits.customers.workbook import write_workbook
from members.admin.customers import CustomerAdmin
from members.customers.models import Customer
from members.downloads import made
from members.resources import CustomerResource
from members.tables import Moment, WholeNumber, shown
from members.ui import Tone, badge, time_tag

COVERAGE = ("audits.view_groupresult", "audits.view_finding", "members.view_group")
ACTIVITY = "history.view_conversation"
QUIET_DAYS = 30


def coverage_badge(share: Share) -> SafeString:
    """How many of the groups that need the full team have it."""
    if not share.judged:
        return badge("Nothing judged")
    tone: Tone = "good" if share.complete == share.judged else "bad"
    return badge(str(share), tone, hint=f"{share.complete:,} of {share.judged:,} groups complete")


class NumbersResource(CustomerResource):
    """The customers as they are imported, and how it stands with their groups."""

    slack_groups = shown("slack_groups", WholeNumber())
    telegram_groups = shown("telegram_groups", WholeNumber())
    groups_complete = shown("complete", WholeNumber(), name="groups_complete")
    groups_judged = shown("judged", WholeNumber(), name="groups_judged")
    open_findings = shown("findings", WholeNumber(), name="open_findings")

    class Meta:
        model = Customer
        fields = (
            *CustomerResource.Meta.fields,
            "slack_groups",
            "telegram_groups",
            "groups_complete",
            "groups_judged",
            "open_findings",
        )


class ActivityResource(NumbersResource):
    """The same for who may know when somebody wrote."""

    last_message_utc = shown("last_said_at", Moment(), name="last_message_utc")

    class Meta:
        model = Customer
        fields = (*NumbersResource.Meta.fields, "last_message_utc")


class CoverageFilter(admin.SimpleListFilter):
    title = "coverage"
    parameter_name = "coverage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("gaps", "Groups with gaps"),
            ("complete", "All groups complete"),
            ("unjudged", "Nothing judged"),
            ("nogroups", "No groups"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "gaps":
                return queryset.filter(gaps__gt=0)
            case "complete":
                return queryset.filter(gaps=0, judged__gt=0)
            case "unjudged":
                return queryset.filter(judged=0)
            case "nogroups":
                return queryset.filter(slack_groups=0, telegram_groups=0)
        return queryset


class ActivityFilter(admin.SimpleListFilter):
    title = "last message"
    parameter_name = "activity"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("quiet", f"Quiet for {QUIET_DAYS} days"),
            ("lively", f"Within {QUIET_DAYS} days"),
            ("waiting", "Waits for an answer"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        then = timezone.now() - timedelta(days=QUIET_DAYS)
        match self.value():
            case "quiet":
                return queryset.filter(last_said_at__lt=then)
            case "lively":
                return queryset.filter(last_said_at__gte=then)
            case "waiting":
                waiting = Customer.objects.filter(groups__conversation__waiting_since__isnull=False)
                return queryset.filter(pk__in=waiting.order_by().values("pk"))
        return queryset


class CoveredCustomerAdmin(CustomerAdmin):
    """What only this floor knows, for who may see it; without the rights it is the plain list."""

    numbers = ("slack_groups", "telegram_groups", "coverage", "open_findings")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        customers = super().get_queryset(request)
        return with_numbers(customers) if _may(request, *COVERAGE) else customers

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = super().get_list_display(request)
        if not _may(request, *COVERAGE):
            return columns
        activity = ("last_message",) if _may(request, ACTIVITY) else ()
        return (*columns, *self.numbers, *activity)

    def get_list_filter(self, request: HttpRequest) -> Any:
        if not _may(request, *COVERAGE):
            return ()
        return (CoverageFilter, ActivityFilter) if _may(request, ACTIVITY) else (CoverageFilter,)

    def get_export_resource_classes(self, request: HttpRequest) -> Any:
        if not _may(request, *COVERAGE):
            return super().get_export_resource_classes(request)
        return [ActivityResource if _may(request, ACTIVITY) else NumbersResource]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Folded away on the page of a customer, which is about their groups."""
        if obj is None:
            return super().get_fieldsets(request, obj)
        return (("Name, aliases and CRM", {"fields": self.fields, "classes": ("collapse",)}),)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_GET(self.workbook_view))
        return [path("<int:pk>/xlsx/", view, name="members_customer_xlsx"), *super().get_urls()]

    def workbook_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One customer's groups and open findings."""
        if not _may(request, "members.view_customer", *COVERAGE):
            raise PermissionDenied
        customer, now = get_object_or_404(Customer, pk=pk), timezone.now()
        overview = load_overview(customer, shown=None)
        name = f"customer_{slugify(customer.name) or customer.pk}_{now:%Y%m%d_%H%M%S}.xlsx"
        return made(write_workbook(overview, now=now, with_activity=_may(request, ACTIVITY)), name)

    @admin.display(description="Slack", ordering="slack_groups")
    def slack_groups(self, customer: Any) -> SafeString | int:
        return _groups_link(customer, "slack", customer.slack_groups)

    @admin.display(description="Telegram", ordering="telegram_groups")
    def telegram_groups(self, customer: Any) -> SafeString | int:
        return _groups_link(customer, "telegram", customer.telegram_groups)

    @admin.display(description="Coverage", ordering="gaps")
    def coverage(self, customer: Any) -> SafeString:
        return coverage_badge(Share(customer.complete, customer.judged))

    @admin.display(description="Open findings", ordering="findings")
    def open_findings(self, customer: Any) -> SafeString | int:
        if not customer.findings:
            return 0
        url = f"{reverse('admin:audits_finding_changelist')}?customer={customer.pk}"
        return format_html('<a href="{}">{}</a>', url, f"{customer.findings:,}")

    @admin.display(description="Last message", ordering=F("last_said_at").asc(nulls_first=True))
    def last_message(self, customer: Any) -> SafeString:
        return time_tag(customer.last_said_at)


def _may(request: HttpRequest, *rights: str) -> bool:
    return bool(request.user.has_perms(rights))


def _groups_link(customer: Customer, platform: str, count: int) -> SafeString | int:
    if not count:
        return 0
    query = urlencode({"customer": customer.pk, "platform__exact": platform, "archived__exact": 0})
    url = f"{reverse('admin:members_group_changelist')}?{query}"
    return format_html('<a href="{}">{}</a>', url, f"{count:,}")


admin.site.unregister(Customer)
admin.site.register(Customer, CoveredCustomerAdmin)
