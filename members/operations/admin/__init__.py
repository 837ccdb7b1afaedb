"""The admin of operations: plans and what became of them, their steps, and the record of who did what."""

from members.operations.admin.activity import ActivityEventAdmin
from members.operations.admin.operations import OperationAdmin
from members.operations.admin.steps import StepAdmin

__all__ = ["ActivityEventAdmin", "OperationAdmin", "StepAdmin"]
