"""Customers as pages show them: the way to the CRM, and look-ups by key."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from members.admin.customers import crm_link
from members.customers.models import Customer

register = template.Library()
register.simple_tag(crm_link)


@register.filter
def of(customers: Mapping[int, Customer], key: int) -> Customer | None:
    """The one with this key."""
    return customers.get(key)


@register.filter
def crm_id_of(customers: Mapping[int, Customer], key: int) -> str:
    customer = customers.get(key)
    return customer.crm_id if customer is not None else ""
