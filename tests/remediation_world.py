"""What the tests of remediation share: plans carried out the way a person does, and pairs to compare."""

from __future__ import annotations

from audits import services
from audits.remediation.verification import verification_of
from groupadmin.sandbox.control import WriteLog
from members.operations import runner
from members.operations.models import Operation, Trigger
from members.operations.plan import Plan
from members.operations.services import Actor, confirm_operation, plan_operation
from members.platforms.types import Platform

OPERATOR = Actor("Ola Operator", Trigger.PERSON)

Pair = tuple[str, str, str]
"""(platform, group id, employee key or the platform's user id)."""


def planned(plan: Plan) -> Operation:
    """The plan as stored: nothing is done yet."""
    return plan_operation(plan=plan, actor=OPERATOR)


def confirmed(operation: Operation) -> Operation:
    return confirm_operation(
        operation_id=operation.pk, plan_hash=operation.plan_hash, count=operation.count, actor=OPERATOR
    )


def carried_out(plan: Plan) -> Operation:
    """The plan, confirmed and run in this process, then verified by its audit."""
    operation = runner.run_operation(confirmed(planned(plan)).pk)
    verify(operation)
    return operation


def verify(operation: Operation) -> None:
    run = verification_of(operation.pk)
    assert run is not None
    services.execute_audit(run.pk)
    operation.refresh_from_db()


def pairs(plan: Plan) -> set[Pair]:
    """Whom the plan adds or removes where; employees by key."""
    return {(step.target.platform, step.target.group_id, step.target.subject) for step in plan.steps}


def reasons(plan: Plan) -> dict[Pair, str]:
    """Why what is left out is left out; "" in place of a group or a person stands for all of them."""
    return {
        (line.target.platform, line.target.group_id, line.target.subject): line.reason
        for line in plan.skipped
    }


def outcomes(operation: Operation) -> dict[Pair, tuple[str, str]]:
    """What became of each step: its outcome, and the message."""
    steps = operation.steps.all()
    return {(step.platform, step.group_id, step.subject): (step.outcome, step.message) for step in steps}


def effects(log: WriteLog, platform: Platform) -> list[tuple[str, str]]:
    """(group id, user id) of everything that changed a platform, in no order that matters."""
    return sorted((write.target, write.subject) for write in log.effects() if write.platform == platform)
