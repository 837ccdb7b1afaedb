"""What a recorded audit brings about."""

from __future__ import annotations

from audits.additions.report import try_to_store_reports
from audits.models import AuditRun, RunState
from audits.remediation.automatic import add_to_new_groups
from audits.remediation.verification import note_outcome
from audits.staff_changes import services as staff_changes
from members.operations.models import Operation
from telegram_ops import ownership_requests


def follow_up(run: AuditRun) -> None:
    """Tell the operation that `run` verifies what came of it, end the requests for groups that are ours by
    now, close the leavings and joinings that are finished, and let rules add people to new groups."""
    recorded = run.state in (RunState.COMPLETE, RunState.PARTIAL)
    if recorded:
        ownership_requests.settle()
    if run.operation_id is not None:
        if recorded:
            note_outcome(run, run.operation_id)
        try_to_store_reports(Operation.objects.get(pk=run.operation_id))
    if recorded:
        staff_changes.follow(run)
        add_to_new_groups(run)
