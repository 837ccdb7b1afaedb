"""From what a list shows to a plan that mends it. Nothing here does more than plan: the plan's page asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse

from audits.remediation.missing import plan_missing
from audits.remediation.selections import GroupKey, MissingSelection
from members.models import Group
from members.operations.plan import Plan
from members.operations.services import Actor, plan_operation
from members.platforms.types import Platform


def may_plan(request: HttpRequest) -> bool:
    return request.user.has_perm("operations.run_operation")


def show_plan(request: HttpRequest, plan: Plan, *, nothing: str, back: str = "") -> HttpResponseRedirect:
    """Store the plan as the reader's own, and lead to its page.

    A plan with nothing to do and nothing to explain is not kept: `nothing` is said on the page it was
    asked for on, or on `back`.
    """
    if not plan.steps and not plan.skipped:
        messages.warning(request, nothing)
        return HttpResponseRedirect(back or request.get_full_path())
    operation = plan_operation(plan=plan, actor=Actor(request.user.get_username()))
    return HttpResponseRedirect(reverse("admin:operations_operation_change", args=[operation.pk]))


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
        plan = plan_missing(self.missing_in(queryset))
        return show_plan(request, plan, nothing=self.nobody_missing)


def group_keys(pairs: Iterable[tuple[str, str]]) -> tuple[GroupKey, ...]:
    """Each group once, by platform and the platform's own id."""
    return tuple(dict.fromkeys((Platform(platform), external_id) for platform, external_id in pairs))


def keys_of(groups: QuerySet[Group]) -> tuple[GroupKey, ...]:
    return group_keys(groups.order_by("platform", "pk").values_list("platform", "external_id"))
