"""What goes on now, and what waits for a person: operations, plans, people, exclusions. Three queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet, Value

from groupadmin.dashboard.links import Reader, admin_url, list_url, may_view, page_url
from groupadmin.dashboard.pieces import Job, Notice, OpenPlan
from members.models import ENDS_SOON, Employee, Exclusion, ending_soon
from members.operations.display import kind_label
from members.operations.models import Operation, Step
from members.operations.states import UNDER_WAY, OperationState, StepState
from members.operations.words import STATE_WORDS
from members.policy import EmployeeStatus

LISTED = 12
"""How many operations are looked at; more than a few at once would be unusual."""
_TO_DO = (StepState.PENDING, StepState.RUNNING)


@dataclass(frozen=True, slots=True)
class Work:
    jobs: tuple[Job, ...]
    """Operations under way."""
    plans: tuple[OpenPlan, ...]
    """Those that somebody may still confirm, the newest first."""
    notices: tuple[Notice, ...]


def load_work(user: Reader, now: datetime) -> Work:
    jobs, plans = _operations(now) if may_view(user, Operation) else ((), ())
    return Work(jobs, plans, tuple(_notices(user, now)))


def _operations(now: datetime) -> tuple[tuple[Job, ...], tuple[OpenPlan, ...]]:
    open_plan = Q(state=OperationState.PLANNED, expires_at__gt=now)
    columns = (
        "kind",
        "state",
        "count",
        "planned_by",
        "expires_at",
        "message",
        "cancel_requested",
        "resume_at",
    )
    found = list(Operation.objects.filter(Q(state__in=UNDER_WAY) | open_plan).only(*columns)[:LISTED])
    under_way = [operation for operation in found if operation.state != OperationState.PLANNED]
    left = _steps_left(under_way)
    plans = (
        OpenPlan(
            f"{kind_label(plan.kind)} ({plan})", page_url(plan), plan.count, plan.planned_by, plan.expires_at
        )
        for plan in found
        if plan.state == OperationState.PLANNED
    )
    return tuple(_job(operation, left[operation.pk]) for operation in under_way), tuple(plans)


def _steps_left(operations: Iterable[Operation]) -> Counter[int]:
    left: Counter[int] = Counter()
    numbers = [operation.pk for operation in operations]
    if numbers:
        steps = Step.objects.filter(operation__in=numbers, state__in=_TO_DO).order_by()
        left.update(dict(steps.values_list("operation").annotate(Count("pk"))))
    return left


def _job(operation: Operation, left: int) -> Job:
    begun = operation.state != OperationState.CONFIRMED
    label = operation.message.partition("\n")[0] or STATE_WORDS[OperationState(operation.state)]
    return Job(
        title=f"{kind_label(operation.kind)} ({operation})",
        url=page_url(operation),
        label="Stopping" if operation.cancel_requested else label,
        poll_url=admin_url(Operation, "progress", operation.pk),
        state=operation.state,
        done=operation.count - left,
        total=operation.count if begun else None,
    )


def _notices(user: Reader, now: datetime) -> Iterable[Notice]:
    """Both are few, so their rows are counted here: one query."""
    rows: list[QuerySet[Any, Any]] = []
    if may_view(user, Employee):
        review = Employee.objects.filter(status=EmployeeStatus.UNDER_REVIEW).order_by()
        rows.append(review.values_list(Value("review")))
    if may_view(user, Exclusion):
        ending = Exclusion.objects.filter(ending_soon(now.date())).order_by()
        rows.append(ending.values_list(Value("ending")))
    counts: Counter[str] = Counter()
    if rows:
        counts.update(what for (what,) in rows[0].union(*rows[1:], all=True))
    yield Notice(
        counts["review"],
        "Employees under review, whom no rule asks for",
        list_url(Employee, status=EmployeeStatus.UNDER_REVIEW),
    )
    yield Notice(
        counts["ending"],
        f"Exclusions that end within {ENDS_SOON.days} days",
        f"{list_url(Exclusion)}?holds=soon",
    )
