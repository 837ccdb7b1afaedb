"""What the page of one run shows: queries → frozen dataclasses → template."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count

from audits.lifecycle import Change
from audits.models import AuditRun, FindingChange, GroupResult, RunReport, RunState

SHOWN = 25
"""Lines of each kind of change that the page itself lists; the rest is one link away."""


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """The changes of one sort: how many, and the first of them."""

    change: str
    count: int
    lines: tuple[FindingChange, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """A group whose completeness is another one than in the run before."""

    result: GroupResult
    before: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is different from the run before, group by group; one list per platform set."""

    previous: AuditRun
    appeared: tuple[GroupResult, ...]
    gone: tuple[GroupResult, ...]
    moved: tuple[Moved, ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    changes: tuple[ChangeGroup, ...]
    comparison: Comparison | None
    reports: tuple[RunReport, ...]
    verdicts: dict[str, int]


def load_run_page(run: AuditRun) -> RunPage:
    """Everything the page needs, in a constant number of queries."""
    verdicts = dict(run.results.order_by().values_list("verdict").annotate(Count("id")))
    return RunPage(
        changes=tuple(_changes(run)),
        comparison=_comparison(run) if verdicts else None,
        reports=tuple(run.reports.all()),
        verdicts=verdicts,
    )


def _changes(run: AuditRun) -> Iterable[ChangeGroup]:
    counts = dict(run.changes.order_by().values_list("change").annotate(Count("id")))
    for change in Change:
        if counts.get(change):
            lines = run.changes.filter(change=change).select_related("finding__group", "finding__employee")
            yield ChangeGroup(change, counts[change], tuple(lines[:SHOWN]))


def _comparison(run: AuditRun) -> Comparison | None:
    """Against the latest earlier run that looked at the same platforms and recorded something."""
    earlier = AuditRun.objects.filter(
        pk__lt=run.pk, platforms=run.platforms, state__in=(RunState.COMPLETE, RunState.PARTIAL)
    )
    previous = earlier.order_by("-pk").first()
    if previous is None:
        return None
    fields = ("id", "group_id", "name", "completeness", "verdict", "run_id")
    now = {result.group_id: result for result in run.results.only(*fields)}
    before = {result.group_id: result for result in previous.results.only(*fields)}
    moved = [
        Moved(result, before[group_id].completeness)
        for group_id, result in now.items()
        if group_id in before and before[group_id].completeness != result.completeness
    ]
    return Comparison(
        previous=previous,
        appeared=tuple(result for group_id, result in now.items() if group_id not in before),
        gone=tuple(result for group_id, result in before.items() if group_id not in now),
        moved=tuple(moved),
    )
