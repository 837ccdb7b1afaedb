"""From what a list shows to a plan that mends it. Nothing here does more than plan: the plan's page asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect

from audits.remediation.missing import plan_missing
from audits.remediation.selections import GroupKey, MissingSelection
from members.models import Group
from members.operations.admin.planning import may_plan, show_plan
from members.platforms.types import Platform

GONE = "What was selected is not there any more: look at the list as it is now."


class AddMissingAction:
    """Mixed into a list's page: plans to add those who are missing in what was selected."""

    nobody_missing = "Nobody who has to be in the selected groups is missing there."

    def missing_in(self, queryset: QuerySet[Any]) -> MissingSelection:
        """What the selected rows mean."""
        raise NotImplementedError

    def has_plan_permission(self, request: HttpRequest) -> bool:
        return may_plan(request)

    @admin.action(description="Add the missing members…", permissions=["plan"])
    def add_missing(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseRedirect:
        if not queryset.exists():  # gone since the list was shown, and no selection would mean everything
            messages.warning(request, GONE)
            return HttpResponseRedirect(request.get_full_path())
        plan = plan_missing(self.missing_in(queryset))
        return show_plan(request, plan, nothing=self.nobody_missing)


def group_keys(pairs: Iterable[tuple[str, str]]) -> tuple[GroupKey, ...]:
    """Each group once, by platform and the platform's own id."""
    return tuple(dict.fromkeys((Platform(platform), external_id) for platform, external_id in pairs))


def keys_of(groups: QuerySet[Group]) -> tuple[GroupKey, ...]:
    return group_keys(groups.order_by("platform", "pk").values_list("platform", "external_id"))
