"""Plans for exactly these people in exactly these groups: removals, and what undoes either."""

from __future__ import annotations

from collections.abc import Sequence

from audits.remediation.draft import in_order
from audits.remediation.selections import PairSelection
from members.models import Employee
from members.operations.membership import ADD, REMOVE
from members.operations.plan import Plan, PlannedStep, Skipped

REMOVE_KIND = "remove_people"
BRING_BACK_KIND = "bring_back"

_NO_ID = "No account of this person is known there: nobody can be told apart by a name."


def plan_removals(selection: PairSelection) -> Plan:
    """Take the people out of the groups. Whoever is gone by then is passed over when it is done."""
    targets = {(target.platform, target.user_id) for target in selection.targets}
    return _plan(REMOVE_KIND, REMOVE, selection, reach=max(len(targets), Employee.objects.count()))


def plan_returns(selection: PairSelection) -> Plan:
    """Bring the people back into the groups, whether an audit looks there or not. Whoever is there by then
    is passed over when it is done."""
    return _plan(BRING_BACK_KIND, ADD, selection, reach=len(selection.targets))


def undo_additions(done: Sequence[PlannedStep]) -> Plan:
    """Take those out again who were added; who had been there before was not."""
    return plan_removals(PairSelection(tuple(step.target for step in done)))


def undo_removals(done: Sequence[PlannedStep]) -> Plan:
    """Bring those back who were taken out."""
    return plan_returns(PairSelection(tuple(step.target for step in done)))


def _plan(kind: str, verb: str, selection: PairSelection, *, reach: int) -> Plan:
    targets = sorted(dict.fromkeys(selection.targets), key=in_order)
    return Plan(
        kind=kind,
        steps=tuple(PlannedStep(verb, target) for target in targets if target.user_id),
        skipped=tuple(Skipped(target, _NO_ID) for target in targets if not target.user_id),
        parameters=selection.as_parameters(),
        reach=reach,
    )
