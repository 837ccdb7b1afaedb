"""What the page of one run shows: queries → frozen dataclasses → template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count
from django.utils import timezone

from audits.display import VERDICT_TONES, optional_last, words
from audits.latest import speaking_runs
from audits.lifecycle import Change
from audits.models import AuditRun, FindingChange, GroupResult, RunReport, RunState
from audits.reports import NOT_WRITTEN
from audits.rows import Verdict
from members.charts import Part
from members.platforms.types import Platform

SHOWN = 10
"""How many of each sort of change the page itself lists; the number says how many there are."""

WRITING_TIME = timedelta(seconds=60)
"""How long after its end a run's missing files are taken for files that are still being written."""

_JUDGED = {str(Verdict.COMPLETE), str(Verdict.INCOMPLETE)}


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """The changes of one sort: how many, and the first of them."""

    change: Change
    count: int
    lines: tuple[FindingChange, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Groups that changed in one way: how many, and the first of them with what changed."""

    title: str
    count: int
    lines: tuple[tuple[GroupResult, str], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One platform's groups against the run that had looked at it before."""

    platform: Platform
    previous: int
    """The id of that run."""
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """One platform's groups by verdict."""

    platform: Platform
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    running: AuditRun | None
    """The audit that a waiting one waits for."""
    shares: tuple[Share, ...]
    complete: int
    judged: int
    """Groups that need the full team and could be looked at."""
    changes: tuple[ChangeGroup, ...]
    comparisons: tuple[Comparison, ...]
    reports: tuple[RunReport, ...]
    """Those whose files are there."""
    reports_coming: bool
    """Whether files are missing because the run, which has just ended, still writes them."""
    reports_lost: bool
    """Whether a file that this run should have is not there, and will not come by itself."""


def load_run_page(run: AuditRun) -> RunPage:
    """Everything the page needs, in a number of queries that does not grow with the run."""
    counts = _verdicts(run)
    reports = tuple(report for report in run.reports.all() if report.file.storage.exists(str(report.file)))
    recorded = run.state in (RunState.COMPLETE, RunState.PARTIAL)
    missing = recorded and len(reports) < len(RunReport.Format)
    coming = missing and _still_writing(run)
    return RunPage(
        running=_running(run),
        shares=tuple(_share(platform, counts) for platform in Platform if platform in {p for p, _ in counts}),
        complete=sum(n for (_, verdict), n in counts.items() if verdict == Verdict.COMPLETE),
        judged=sum(n for (_, verdict), n in counts.items() if verdict in _JUDGED),
        changes=tuple(_changes(run)),
        comparisons=tuple(_comparisons(run)) if counts else (),
        reports=reports,
        reports_coming=coming,
        reports_lost=missing and not coming,
    )


def _still_writing(run: AuditRun) -> bool:
    if run.finished_at is None or NOT_WRITTEN in run.message:
        return False
    return timezone.now() - run.finished_at < WRITING_TIME


def _running(run: AuditRun) -> AuditRun | None:
    if run.state != RunState.QUEUED:
        return None
    return AuditRun.objects.filter(state=RunState.RUNNING).first()


def _verdicts(run: AuditRun) -> Mapping[tuple[str, str], int]:
    rows = run.results.order_by().values_list("group__platform", "verdict").annotate(Count("id"))
    return {(platform, verdict): count for platform, verdict, count in rows}


def _share(platform: Platform, counts: Mapping[tuple[str, str], int]) -> Share:
    parts = (
        Part(words(verdict), counts.get((platform, verdict), 0), tone)
        for verdict, tone in VERDICT_TONES.items()
    )
    return Share(platform, tuple(parts))


def _changes(run: AuditRun) -> Iterator[ChangeGroup]:
    counts = dict(run.changes.order_by().values_list("change").annotate(Count("id")))
    for change in Change:
        if counts.get(change):
            lines = run.changes.filter(change=change).select_related("finding__group", "finding__employee")
            first = lines.order_by(optional_last("finding__kind"), "pk")[:SHOWN]
            yield ChangeGroup(change, counts[change], tuple(first))


def _comparisons(run: AuditRun) -> Iterator[Comparison]:
    """Platform by platform, because an earlier run may have left one out or not have reached it."""
    for platform, previous in speaking_runs(before=run).items():
        now = _results(run.pk, platform)
        if now:
            yield _compared(platform, previous, now, _results(previous, platform))


def _results(run_id: int, platform: Platform) -> dict[int, GroupResult]:
    """Group's pk → its result, by name."""
    results = GroupResult.objects.filter(run_id=run_id, group__platform=platform).order_by("name", "pk")
    shown = results.only("group_id", "name", "verdict", "completeness", "missing_count")
    return {result.group_id: result for result in shown}


def _compared(
    platform: Platform, previous: int, now: Mapping[int, GroupResult], before: Mapping[int, GroupResult]
) -> Comparison:
    both = [
        (before[group_id], result)
        for group_id, result in now.items()
        if group_id in before and {before[group_id].verdict, result.verdict} <= _JUDGED
    ]
    found: dict[str, list[tuple[GroupResult, str]]] = {
        "More people are missing": [_moved(*p) for p in both if p[0].missing_count < p[1].missing_count],
        "Fewer people are missing": [_moved(*p) for p in both if p[0].missing_count > p[1].missing_count],
        "New groups": [(result, result.completeness) for pk, result in now.items() if pk not in before],
        "No longer audited": [(result, "") for pk, result in before.items() if pk not in now],
    }
    return Comparison(
        platform,
        previous,
        tuple(Section(title, len(lines), tuple(lines[:SHOWN])) for title, lines in found.items() if lines),
    )


def _moved(before: GroupResult, now: GroupResult) -> tuple[GroupResult, str]:
    return now, f"{before.completeness} → {now.completeness}"
