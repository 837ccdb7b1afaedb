"""What a customer's page shows of its groups: `{% customer_overview original %}`."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from audits.admin.customers import ACTIVITY, COVERAGE, coverage_badge
from audits.customers.reading import load_overview
from audits.history.display import days_in_words
from members.customers.models import Customer

register = template.Library()


@register.inclusion_tag("admin/audits/customer.html", takes_context=True)
def customer_overview(context: Any, customer: Customer | None) -> dict[str, Any]:
    """Nothing for who may not see groups and findings; no last messages for who may see no conversation."""
    user = context["request"].user
    if customer is None or not user.has_perms(COVERAGE):
        return {}
    now, overview = timezone.now(), load_overview(customer)
    last = overview.last_said_at
    return {
        "overview": overview,
        "coverage": coverage_badge(overview.coverage),
        "activity": user.has_perm(ACTIVITY),
        "quiet": days_in_words(None if last is None else max((now - last).days, 0)),
        "now": now,
        "perms": context["perms"],
    }


@register.filter
def quiet_since(said: Any, now: Any) -> str:
    """How long nobody has written: "12 days"."""
    return days_in_words(None if said is None else max((now - said).days, 0))
