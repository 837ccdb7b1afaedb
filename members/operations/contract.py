"""The JSON document of an operation (every writer's `--json`): a contract that scripts rely on."""

from __future__ import annotations

from typing import Any

from members.operations.models import Operation
from members.operations.services import skipped_of


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
        "skipped": [
            {
                "platform": line.target.platform,
                "group": line.target.group_id,
                "subject": line.target.subject,
                "reason": line.reason,
            }
            for line in skipped_of(operation)
        ],
    }
