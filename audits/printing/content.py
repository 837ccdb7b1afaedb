"""What a run's report on paper tells: queries → frozen dataclasses, for the page and the PDF alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from audits.coverage import Share, groups_by_verdict, share_of
from audits.display import KINDS_BY_URGENCY, VERDICT_TONES, in_order_of, words
from audits.latest import recorded_runs
from audits.lifecycle import Change
from audits.models import AuditRun, Finding, FindingChange, GroupResult
from audits.reasons import Reasons
from audits.rows import Verdict
from audits.trends import RUNS_READ, coverage_points, telling_runs
from members.charts import Part
from members.models import Category
from members.platforms.types import Platform
from members.time_charts import Series

GAPS_SHOWN = 1000
"""Groups with somebody missing; on paper more would be a book. The workbook has them all."""
CHANGES_SHOWN = 100
"""Findings of each sort of change."""
SUBJECTS_SHOWN = 12
"""Of what could not be seen for one reason."""


@dataclass(frozen=True, slots=True)
class PlatformLine:
    platform: str
    share: Share
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class CategoryLine:
    name: str
    share: Share


@dataclass(frozen=True, slots=True)
class Gap:
    """A group that misses somebody, and why each of them is asked for."""

    group: str
    group_id: str
    platform: str
    category: str
    completeness: str
    missing: tuple[tuple[str, str], ...]
    """(names, why), those with the same reason together."""


@dataclass(frozen=True, slots=True)
class ChangedFinding:
    kind: str
    about: str
    reason: str


@dataclass(frozen=True, slots=True)
class Changes:
    title: str
    count: int
    lines: tuple[ChangedFinding, ...]
    """The urgent ones first, up to `CHANGES_SHOWN`."""


@dataclass(frozen=True, slots=True)
class Unseen:
    platform: str
    reason: str
    subjects: str
    count: int


@dataclass(frozen=True, slots=True)
class PrintedRun:
    run: AuditRun
    platforms: tuple[PlatformLine, ...]
    categories: tuple[CategoryLine, ...]
    series: tuple[Series, ...]
    """Coverage in per cent up to this run."""
    changes: tuple[Changes, ...]
    gaps: tuple[Gap, ...]
    gap_count: int
    unseen: tuple[Unseen, ...]

    @property
    def share(self) -> Share:
        return sum((line.share for line in self.platforms), Share())


def load_printed_run(run: AuditRun) -> PrintedRun:
    """Everything that is told of a recorded run, in a constant number of queries."""
    names = dict(Category.objects.values_list("key", "name"))
    gaps = _with_gaps(run)
    return PrintedRun(
        run=run,
        platforms=tuple(_platforms(run)),
        categories=tuple(_categories(run, names)),
        series=tuple(_series(run)),
        changes=tuple(_changes(run)),
        gaps=tuple(_gaps(gaps.select_related("group")[:GAPS_SHOWN], names)),
        gap_count=gaps.count(),
        unseen=tuple(_unseen(run)),
    )


def _platforms(run: AuditRun) -> Iterator[PlatformLine]:
    for platform in Platform:
        if counts := run.verdicts.get(platform):
            verdicts = groups_by_verdict(counts)
            parts = (Part(words(each), verdicts[each], VERDICT_TONES[each]) for each in verdicts)
            yield PlatformLine(platform.label, share_of(counts), tuple(parts))


def _categories(run: AuditRun, names: dict[str, str]) -> Iterator[CategoryLine]:
    keys = [*names, *sorted({key for counts in run.verdicts.values() for key in counts} - names.keys())]
    for key in keys:
        share = sum((share_of(counts, key) for counts in run.verdicts.values()), Share())
        if share.judged:
            yield CategoryLine(names.get(key, key or "Uncategorised"), share)


def _series(run: AuditRun) -> Iterator[Series]:
    earlier = recorded_runs(before=run).only("finished_at", "verdicts")[:RUNS_READ]
    runs = [run, *earlier]
    oldest = min((each.finished_at for each in runs if each.finished_at), default=None)
    if oldest is None:
        return
    telling = telling_runs(runs, since=oldest)
    for platform in Platform:
        if run.verdicts.get(platform):
            yield Series(platform.label, coverage_points(telling, platform=platform))


def _changes(run: AuditRun) -> Iterator[Changes]:
    counts = dict(run.changes.order_by().values_list("change").annotate(Count("id")))
    for change in Change:
        if counts.get(change):
            lines = run.changes.filter(change=change).select_related("finding__group", "finding__employee")
            first = lines.order_by(in_order_of(KINDS_BY_URGENCY, "finding__kind"), "pk")[:CHANGES_SHOWN]
            yield Changes(words(change), counts[change], tuple(map(_changed, first)))


def _changed(change: FindingChange) -> ChangedFinding:
    return ChangedFinding(change.finding.get_kind_display(), subject_of(change.finding), change.reason)


def subject_of(finding: Finding) -> str:
    """Who and where: "Bob Example in acme-bitsafe"."""
    who = str(finding.employee) if finding.employee is not None else finding.subject
    where = str(finding.group) if finding.group is not None else finding.group_external_id
    return " in ".join(part for part in (who, where) if part)


def _with_gaps(run: AuditRun) -> QuerySet[GroupResult]:
    missing = GroupResult.objects.filter(run=run, missing_count__gt=0).exclude(verdict=Verdict.EXEMPT)
    return missing.order_by("group__platform", "category_key", "-missing_count", "name", "pk")


def _gaps(results: Iterable[GroupResult], names: dict[str, str]) -> Iterator[Gap]:
    reasons = Reasons.load()
    for result in results:
        platform, category = result.group.platform, result.category_key
        yield Gap(
            group=result.name,
            group_id=result.group.external_id,
            platform=Platform(platform).label,
            category=names.get(category, category or "Uncategorised"),
            completeness=result.completeness,
            missing=tuple(reasons.by_reason(result.required_missing, platform, category)),
        )


def _unseen(run: AuditRun) -> Iterator[Unseen]:
    subjects: dict[tuple[str, str], list[str]] = defaultdict(list)
    for spot in run.blind_spots:
        subjects[spot["platform"], spot["reason"]].append(spot["subject"])
    for (platform, reason), found in subjects.items():
        named = ", ".join(found[:SUBJECTS_SHOWN])
        more = len(found) - SUBJECTS_SHOWN
        text = f"{named} and {more:,} more" if more > 0 else named
        yield Unseen(Platform(platform).label, reason, text, len(found))
