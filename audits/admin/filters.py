"""The list filters that several of the audits' lists share."""

from __future__ import annotations

from members.admin.customers import CustomerFilter as GroupCustomerFilter
from members.list_filters import LinkedFilter
from members.models import Group


class GroupFilter(LinkedFilter):
    title = "group"
    parameter_name = "group__id__exact"
    model = Group


class CustomerFilter(GroupCustomerFilter):
    """Of rows that are about a group."""

    group = "group__"
