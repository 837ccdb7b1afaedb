"""A plan as it would be stored, and whether one that is stored tells the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings

from members.clock import shared_now
from members.operations import connections, kinds
from members.operations.models import Operation, Relation, Step
from members.operations.plan import Plan, PlannedStep

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from members.operations.services import Actor

_TOLD_BY_OPERATION = ("platforms", "parameters", "reach", "skipped", "over_cap", "before")
_TOLD_BY_STEP = ("group_name", "subject_name", "connection")
"""What a plan's hash does not cover, and what a person reads of it all the same."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An operation and its steps, not stored yet."""

    operation: Operation
    steps: list[Step]

    def alike(self) -> QuerySet[Operation]:
        """What the same person planned in the same way, to do the same for the same reason; newest first."""
        mine = self.operation
        return Operation.objects.filter(
            kind=mine.kind,
            plan_hash=mine.plan_hash,
            trigger=mine.trigger,
            planned_by=mine.planned_by,
            planner=mine.planner,
            parent=mine.parent,
            relation=mine.relation,
        ).order_by("-pk")

    def tells_the_same_as(self, other: Operation) -> bool:
        """Whether a person would read the same of both, which are `alike`."""
        mine = {name: getattr(self.operation, name) for name in _TOLD_BY_OPERATION}
        if _as_kept(mine) != {name: getattr(other, name) for name in _TOLD_BY_OPERATION}:
            return False
        told = [tuple(getattr(step, name) for name in _TOLD_BY_STEP) for step in self.steps]
        return told == list(other.steps.order_by("position").values_list(*_TOLD_BY_STEP))


def draft_of(plan: Plan, actor: Actor, parent: Operation | None, relation: Relation | None) -> Draft:
    """The plan as `actor` would have it stored now."""
    now = shared_now()
    kind = kinds.get(plan.kind)
    operation = Operation(
        kind=plan.kind,
        platforms=[str(platform) for platform in plan.platforms],
        parameters=dict(plan.parameters),
        plan_hash=plan.hash,
        count=plan.count,
        reach=plan.reach,
        skipped=[asdict(line) for line in plan.skipped],
        over_cap=kind.cap().exceeded_by(plan)[:200],
        trigger=actor.trigger,
        planned_by=actor.name,
        planner=actor.identity,
        planned_at=now,
        expires_at=now + timedelta(seconds=settings.PLAN_LIFETIME_SECONDS),
        before=dict(kind.survey(plan.steps)) if kind.survey is not None else {},
        parent=parent,
        relation=relation or "",
    )
    routes = connections.routes()
    steps = [_step(operation, number, step, routes) for number, step in enumerate(plan.steps, 1)]
    return Draft(operation, steps)


def _step(
    operation: Operation, position: int, step: PlannedStep, routes: Mapping[connections.GroupKey, str]
) -> Step:
    return Step(
        operation=operation,
        connection=_connection_of(step, routes),
        position=position,
        verb=step.verb,
        arguments=dict(step.arguments),
        **asdict(step.target),
    )


def _connection_of(step: PlannedStep, routes: Mapping[connections.GroupKey, str]) -> str:
    """Through which account it goes: if nobody said so, that of its group, or of those it invites to."""
    if step.connection is not None:
        return step.connection
    invited_to = [group["id"] for group in step.arguments.get("invite_to", ())]
    return next(
        (
            routes.get((step.target.platform, group_id), "")
            for group_id in [step.target.group_id, *invited_to]
            if group_id
        ),
        "",
    )


def _as_kept(values: Mapping[str, Any]) -> Any:
    """As they come back from the database: lists for tuples."""
    return json.loads(json.dumps(values))
