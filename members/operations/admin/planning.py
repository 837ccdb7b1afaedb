"""From a page to a plan: what every action that plans something ends with. The plan's own page asks."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse

from members.operations.plan import Plan
from members.operations.services import actor_of, propose_operation


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
    operation = propose_operation(plan=plan, actor=actor_of(request.user))
    return HttpResponseRedirect(reverse("admin:operations_operation_change", args=[operation.pk]))
