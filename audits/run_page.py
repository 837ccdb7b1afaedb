"""What the page of one run shows: queries → frozen dataclasses → template."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from audits.comparison import Comparison, comparisons
from audits.display import KINDS_BY_URGENCY, VERDICT_TONES, in_order_of, words
from audits.lifecycle import Change
from audits.models import AuditRun, FindingChange, RunReport, RunState
from audits.reports import NOT_WRITTEN
from audits.rows import Verdict
from members.charts import Part
from members.downloads import is_there
from members.platforms.types import Platform

SHOWN = 10
"""How many of each sort of change the page itself lists; the number says how many there are."""

WRITING_TIME = timedelta(seconds=60)
"""How long after its end a run's missing files are taken for files that are still being written."""

_JUDGED = (Verdict.COMPLETE, Verdict.INCOMPLETE)


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """The changes of one sort: how many, and the first of them."""

    change: Change
    count: int
    never_open: int
    """How many of them were excluded before or from the start: the number of open findings stays the same."""
    lines: tuple[FindingChange, ...]


@dataclass(frozen=True, slots=True)
class Unseen:
    """What could not be seen for one reason: the first subjects, and how many more."""

    platform: str
    reason: str
    subjects: str
    more: int


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
    unseen: tuple[Unseen, ...]
    reports: tuple[RunReport, ...]
    """Those whose files are there."""
    reports_coming: bool
    """Whether files are missing because the run, which has just ended, still writes them."""
    reports_lost: bool
    """Whether a file that this run should have is not there, and will not come by itself."""


def load_run_page(run: AuditRun) -> RunPage:
    """Everything the page needs, in a number of queries that does not grow with the run."""
    counts = _verdicts(run)
    reports = tuple(report for report in run.reports.all() if is_there(report.file))
    recorded = run.state in (RunState.COMPLETE, RunState.PARTIAL)
    missing = recorded and not run.narrow and len(reports) < len(RunReport.Format)
    coming = missing and _still_writing(run)
    return RunPage(
        running=_running(run),
        shares=tuple(_share(platform, counts) for platform in Platform if platform in {p for p, _ in counts}),
        complete=sum(n for (_, verdict), n in counts.items() if verdict == Verdict.COMPLETE),
        judged=sum(n for (_, verdict), n in counts.items() if verdict in _JUDGED),
        changes=tuple(_changes(run)),
        comparisons=tuple(comparisons(run)) if counts and not run.narrow else (),
        unseen=tuple(_unseen(run)),
        reports=reports,
        reports_coming=coming,
        reports_lost=missing and not coming,
    )


def awaits_files(run: AuditRun) -> bool:
    """Whether an ended run's files are not all there yet, and will be in a moment."""
    recorded = run.state in (RunState.COMPLETE, RunState.PARTIAL) and not run.narrow
    return recorded and _still_writing(run) and run.reports.count() < len(RunReport.Format)


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
    of_open = {Change.RESOLVED: run.resolved, Change.EXCLUDED: run.excluded}
    for change in Change:
        if counts.get(change):
            lines = run.changes.filter(change=change).select_related("finding__group", "finding__employee")
            first = lines.order_by(in_order_of(KINDS_BY_URGENCY, "finding__kind"), "pk")[:SHOWN]
            never_open = counts[change] - of_open.get(change, counts[change])
            yield ChangeGroup(change, counts[change], max(0, never_open), tuple(first))


def _unseen(run: AuditRun) -> Iterator[Unseen]:
    """The blind spots by reason; a platform's own trouble stands above them all already."""
    subjects: dict[tuple[str, str], list[str]] = defaultdict(list)
    labels = {str(platform): platform.label for platform in Platform}
    for spot in run.blind_spots:
        if spot["subject"] != labels.get(spot["platform"]):
            subjects[spot["platform"], spot["reason"]].append(spot["subject"])
    for (platform, reason), names in subjects.items():
        yield Unseen(
            labels.get(platform, platform), reason, ", ".join(names[:SHOWN]), max(0, len(names) - SHOWN)
        )


def seconds_to_go(run: AuditRun, now: datetime) -> float | None:
    """How long a running audit still takes; None while nobody can tell.

    Judged by the last whole run over the same platforms, just as deep: stages take unequal time, and the
    pace of one says nothing about the next. The expected end never moves; once it has passed, none is told.
    """
    if run.state != RunState.RUNNING or run.started_at is None or run.cancel_requested:
        return None
    like = AuditRun.objects.filter(
        state=RunState.COMPLETE, platforms=run.platforms, deep=run.deep, narrow=run.narrow
    )
    last = like.filter(started_at__isnull=False).order_by("-finished_at", "-pk").first()
    if last is None or last.started_at is None or last.finished_at is None:
        return None
    left = (run.started_at + (last.finished_at - last.started_at) - now).total_seconds()
    return left if left > 0 else None
