"""The JSON document of an operation (every writer's `--json`): a contract that scripts rely on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from members.operations.models import Operation
from members.operations.plan import Plan, Skipped
from members.operations.services import skipped_of
from members.operations.states import OperationState


def operation_document(operation: Operation) -> dict[str, Any]:
    """Everything a script needs to know of an operation, planned or finished, in JSON types only."""
    return {
        "operation": operation.pk,
        "state": operation.state,
        "plan_hash": operation.plan_hash,
        "count": operation.count,
        "steps": [
            {
                "platform": step.platform,
                "group": step.group_id,
                "subject": step.subject,
                "verb": step.verb,
                "state": step.state,
                "outcome": step.outcome,
                "message": step.message,
                **({"arguments": step.arguments} if step.arguments else {}),
            }
            for step in operation.steps.order_by("position").iterator(chunk_size=2000)
        ],
        "skipped": _lines(skipped_of(operation)),
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """The same of a plan with nothing to do, which is not kept: it has no number."""
    return {
        "operation": None,
        "state": OperationState.PLANNED,
        "plan_hash": plan.hash,
        "count": plan.count,
        "steps": [],
        "skipped": _lines(plan.skipped),
    }


def _lines(skipped: Iterable[Skipped]) -> list[dict[str, str]]:
    return [
        {
            "platform": line.target.platform,
            "group": line.target.group_id,
            "subject": line.target.subject,
            "reason": line.reason,
        }
        for line in skipped
    ]
