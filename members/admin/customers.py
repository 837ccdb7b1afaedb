"""Customers, and whose each group is: by hand from the list of groups, or guessed and looked through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from members.admin.base import PolicyAdmin
from members.customers import services
from members.customers.models import Customer
from members.list_filters import ConditionFilter, number
from members.models import Group
from members.resources import CustomerResource
from members.ui import DASH

PROPOSALS_A_PAGE = 100
NOBODY = "none"


class AliasesField(forms.CharField):
    """A list of names, edited as one a line."""

    widget = forms.Textarea(attrs={"rows": 4})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class CustomerForm(forms.ModelForm):
    aliases = AliasesField(
        required=False,
        help_text="Other names that stand in the names of its groups, one a line: a short form, a product. "
        "Groups are guessed by them.",
    )


def crm_link(customer: Customer, text: str = "") -> SafeString | str:
    """The way to the account in the CRM; its id alone where no link is known."""
    if not customer.crm_url.startswith("https://"):  # whatever came past the form
        return text or customer.crm_id
    return format_html(
        '<a href="{}" rel="noopener noreferrer" target="_blank">{}</a>',
        customer.crm_url,
        text or customer.crm_id,
    )


class CustomerFilter(ConditionFilter):
    """Whether a group belongs to a customer; links set the one that is meant."""

    title = "customer"
    parameter_name = "customer"
    group = ""
    """The way from a row to its group, as lookups write it: "group__"."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        offered = [("any", "Of a customer"), (NOBODY, "Without a customer")]
        if (value := self.value()) not in (None, "any", NOBODY):
            pk = number(value)
            offered.append((str(pk), str(Customer.objects.filter(pk=pk).first() or f"no. {pk}")))
        return offered

    def condition(self, value: str) -> Q:
        if value in ("any", NOBODY):
            return Q(**{f"{self.group}customer__isnull": value == NOBODY})
        return Q(**{f"{self.group}customer": number(value)})


class CustomerChoiceForm(forms.Form):
    """Whose the selected groups are."""

    customer = forms.ModelChoiceField(
        Customer.objects.all(),
        required=False,
        empty_label="No customer",
        help_text="It takes the place of the customer that a group has now; the group's history keeps both.",
    )


class SetCustomerAction:
    """Mixed into the list of groups."""

    @admin.action(description="Set the customer…", permissions=["change"])
    def set_customer(self: Any, request: HttpRequest, queryset: QuerySet[Group]) -> HttpResponse | None:
        form = CustomerChoiceForm(request.POST if "store" in request.POST else None)
        if form.is_valid():
            customer = form.cleaned_data["customer"]
            count = services.set_customer(groups=queryset, customer=customer)
            messages.success(request, f"{_groups(count)} changed.")
            return None
        count = queryset.count()
        context = {
            **self.admin_site.each_context(request),
            "title": "Set the customer",
            "form": form,
            "opts": self.opts,
            "heading": f"{_groups(count)} selected",
            "action": request.POST["action"],
            "across": request.POST.get("select_across", "0"),
            "checkbox": ACTION_CHECKBOX_NAME,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        }
        return TemplateResponse(request, "admin/members/customer/set.html", context)


@admin.register(Customer)
class CustomerAdmin(PolicyAdmin):
    resource_classes = (CustomerResource,)
    form = CustomerForm
    fixed_fields = ("crm_id",)
    import_export_change_list_template = "admin/members/customer/change_list_tools.html"
    list_display: tuple[Any, ...] = ("name", "crm")
    search_fields = ("name", "crm_id", "aliases")
    search_help_text = "Name, alias or CRM id"
    fields = ("name", "crm_id", "crm_url", "aliases")
    empty_hint = "Import the accounts of your CRM as a table, or add them by hand; then match the groups."

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without deleting many at once: what one deletion means has to be read first."""
        actions = super().get_actions(request)
        return {name: action for name, action in actions.items() if name != "delete_selected"}

    def delete_model(self, request: HttpRequest, obj: Customer) -> None:
        """The groups' own histories say that they had this customer."""
        services.set_customer(groups=obj.groups.all(), customer=None)
        super().delete_model(request, obj)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "POST"])(self.match_view))
        return [path("match/", view, name="members_customer_match"), *super().get_urls()]

    def match_view(self, request: HttpRequest) -> HttpResponse:
        """Groups whose names name customers: only what somebody ticks is stored."""
        if not request.user.has_perms(("members.view_customer", "members.change_group")):
            raise PermissionDenied
        if request.method == "POST":
            chosen = _pairs(request.POST.getlist("take"))
            stored = services.take_guesses(chosen=chosen)
            _tell(request, stored, len(chosen) - stored)
            return HttpResponseRedirect(reverse("admin:members_customer_match"))
        proposals = services.propose()
        customers = Customer.objects.in_bulk({match.customer for each in proposals for match in each.matches})
        context = {
            **self.admin_site.each_context(request),
            "title": "Match groups to customers",
            "opts": self.opts,
            "page": Paginator(proposals, PROPOSALS_A_PAGE).get_page(request.GET.get("p")),
            "customers": customers,
            "any_customers": bool(customers) or Customer.objects.exists(),
            "ticked": request.GET.get("tick") == "all",
            "clear": sum(each.clear for each in proposals),
            "without": services.groups_without_customer().count() - len(proposals),
        }
        return TemplateResponse(request, "admin/members/customer/match.html", context)

    @admin.display(description="CRM", ordering="crm_id")
    def crm(self, customer: Customer) -> SafeString | str:
        return crm_link(customer) or DASH


def _pairs(values: Iterable[str]) -> dict[int, int]:
    """What was ticked or chosen, "group:customer" each; nonsense is left out."""
    pairs = (value.split(":") for value in values if value)
    return {int(pair[0]): int(pair[1]) for pair in pairs if len(pair) == 2 and all(map(_is_key, pair))}


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _tell(request: HttpRequest, stored: int, left: int) -> None:
    if not stored and not left:
        messages.warning(request, "Tick the groups whose customer is right.")
        return
    listed = f"{reverse('admin:members_group_changelist')}?customer=any"
    done = format_html('{} given a customer. <a href="{}">Look at them</a>', _groups(stored), listed)
    messages.success(request, done)
    if left:
        messages.warning(request, f"{_groups(left)} left alone: somebody said otherwise meanwhile.")


def _groups(count: int) -> str:
    return f"{count:,} group{'' if count == 1 else 's'}"


def customer_of(group: Model | None) -> SafeString | str:
    """A group's customer, with the way to it; a dash where there is none."""
    customer: Customer | None = getattr(group, "customer", None)
    if customer is None:
        return DASH
    url = reverse("admin:members_customer_change", args=[customer.pk])
    return format_html('<a href="{}">{}</a>', url, customer)
