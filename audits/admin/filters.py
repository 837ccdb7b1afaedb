"""The list filters that several of the audits' lists share."""

from __future__ import annotations

from members.list_filters import LinkedFilter
from members.models import Group


class GroupFilter(LinkedFilter):
    title = "group"
    parameter_name = "group__id__exact"
    model = Group
