"""What audits see of those whose leaving or joining is under way: kept with the run, in its transaction."""

from __future__ import annotations

from datetime import datetime

from audits.engine import Evaluation
from audits.models import AuditRun
from audits.staff_changes.facts import ChangeKind
from audits.staff_changes.look import looks_at
from audits.staff_changes.models import ChangeState, Sight, StaffChange


def people_to_prove() -> frozenset[str]:
    """The keys of those whose absence somebody waits for: an audit asks groups that hide their members."""
    leaving = StaffChange.objects.filter(kind=ChangeKind.LEAVING, state=ChangeState.OPEN)
    return frozenset(leaving.values_list("employee_key", flat=True))


def keep_sights(*, run: AuditRun, evaluation: Evaluation, at: datetime) -> None:
    """Write down what `run` saw of everybody whose change is open, in place of what an earlier one saw.

    A run that looked at a few groups alone proves nothing of the others.
    """
    if evaluation.only is not None:
        return
    changes = list(StaffChange.objects.filter(state=ChangeState.OPEN).prefetch_related("sights"))
    rows = []
    for change in changes:
        before = {sight.platform: sight for sight in change.sights.all()}
        for seen in looks_at(evaluation, ChangeKind(change.kind), change.employee_key):
            closed_at, closed_run = at, run.pk
            if (known := before.get(seen.platform)) is not None and known.account_closed_at is not None:
                closed_at, closed_run = known.account_closed_at, known.account_closed_run or run.pk
            rows.append(
                Sight(
                    change=change,
                    platform=seen.platform,
                    run_id=run.pk,
                    started_at=run.started_at or at,
                    account_closed_at=closed_at if seen.account_closed else None,
                    account_closed_run=closed_run if seen.account_closed else None,
                    unresolved=seen.unresolved,
                    unread=seen.unread,
                    present=seen.present,
                    missing=seen.missing,
                    unseen=list(seen.unseen),
                    hidden=list(seen.hidden),
                )
            )
    updated = [field.name for field in Sight._meta.concrete_fields if field.name not in _SAME]
    Sight.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["change", "platform"], update_fields=updated
    )


_SAME = ("id", "change", "platform")
