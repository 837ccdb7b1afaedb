"""The operation in a few facts, the same in both files of its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from audits.additions.lines import Section
from audits.models import AuditRun, RunState
from audits.remediation.invitations import links_sent_after
from audits.remediation.verification import GroupState, verification_of
from members.operations import table_report
from members.operations.models import Operation
from members.operations.table_report import Fact


def facts(
    operation: Operation, counts: Counter[tuple[str, Section]], states: list[GroupState]
) -> Iterator[Fact]:
    """Who asked for it, who allowed it, when, and what came of it."""
    yield from table_report.facts(operation, _came_of_it(operation, counts))
    yield "Groups touched", len(states)
    yield "Of them complete before", sum(state.complete_before for state in states)
    run = verification_of(operation.pk)
    if run is not None and operation.after:
        yield "Of them complete after", sum(state.complete_after for state in states)
    yield "Verification audit", _verification(run)


def _came_of_it(operation: Operation, counts: Counter[tuple[str, Section]]) -> Iterator[Fact]:
    totals: Counter[Section] = Counter()
    for (_, section), count in counts.items():
        totals[section] += count
    for section in Section:
        yield section, totals[section]
    if links := links_sent_after(operation):
        yield "Sent a link to join instead", len(links)


def _verification(run: AuditRun | None) -> str:
    if run is None:
        return "None: nothing was tried"
    match run.state:
        case RunState.QUEUED | RunState.RUNNING:
            return f"Audit {run.pk}, not finished yet: when it is, this report is written again"
        case RunState.COMPLETE | RunState.PARTIAL:
            return f"Audit {run.pk}, {run.get_state_display().lower()}"
        case _:
            return f"Audit {run.pk} {run.get_state_display().lower()}: nobody has looked yet what came of it"
