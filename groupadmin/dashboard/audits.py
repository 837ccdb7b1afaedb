"""The audits: how complete the groups are, how that went, and what could not be seen. Two queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audits.coverage import Share, groups_by_verdict, share_of
from audits.display import RUN_TONES, VERDICT_TONES, ended, progress_label, words
from audits.models import AuditRun, RunState
from audits.trends import WINDOW, coverage_points, telling_runs, value_before
from groupadmin.dashboard.links import Reader, admin_url, list_url, may_view, page_url
from groupadmin.dashboard.pieces import Job, Run, Stat
from members.charts import Part
from members.models import Category, Group
from members.platforms.types import Platform
from members.time_charts import Flow, Point, Series

RUNS_READ = 500
RUNS_LISTED = 4
WEEK = timedelta(weeks=1)
WEEKS = WINDOW // WEEK
REASONS = 3
"""How many reasons of blind spots are named."""
_SHOWN = (
    "state",
    "platforms",
    "trigger",
    "created_at",
    "started_at",
    "finished_at",
    "cancel_requested",
    "progress_label",
    "progress_percent",
    "message",
    "verdicts",
    "opened",
    "resolved",
    "reopened",
    "excluded",
    "open_findings",
)
"""What this page needs of a run; the rest may be large."""
_RECORDED = (RunState.COMPLETE, RunState.PARTIAL)


@dataclass(frozen=True, slots=True)
class PlatformCoverage:
    """One platform as the latest run that reached it found it."""

    platform: str
    share: Share
    parts: tuple[Part, ...]
    run: str
    url: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class CategoryCoverage:
    """One category on both platforms, with what became of it within a week (in points of per cent)."""

    name: str
    url: str
    share: Share
    change: int | None
    trend: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BlindSpots:
    """What the latest run of each platform could not see."""

    count: int
    reasons: tuple[tuple[str, str, int], ...]
    """(platform, reason, how often), the most frequent first."""
    url: str


@dataclass(frozen=True, slots=True)
class Audits:
    """Everything that the page tells of audits."""

    stats: tuple[Stat, ...]
    coverage: tuple[PlatformCoverage, ...]
    series: tuple[Series, ...]
    """Coverage in per cent over time, platform by platform."""
    categories: tuple[CategoryCoverage, ...]
    flows: tuple[Flow, ...]
    """Findings that came and went, week by week; the last seven days are the last."""
    blind_spots: BlindSpots | None
    runs: tuple[Run, ...]
    running: tuple[Job, ...]


def newest_runs() -> list[AuditRun]:
    """The newest runs of whole platforms, the latest first. One query."""
    return list(AuditRun.objects.filter(narrow=False).only(*_SHOWN).order_by("-id")[:RUNS_READ])


def load_audits(user: Reader, runs: Sequence[AuditRun], now: datetime) -> Audits:
    """What `runs` tell this reader."""
    if not may_view(user, AuditRun):
        return Audits((), (), (), (), (), None, (), ())
    recorded = sorted(
        (run for run in runs if run.state in _RECORDED and run.finished_at),
        key=lambda run: (run.finished_at, run.pk),
        reverse=True,
    )
    speaking = _speaking(recorded)
    telling = telling_runs(recorded, since=now - WINDOW)
    overall = coverage_points(telling)
    blind_spots = _blind_spots(speaking)
    unfinished = [run for run in reversed(runs) if not run.finished]
    return Audits(
        stats=tuple(_stats(speaking, recorded, overall, blind_spots, now)),
        coverage=tuple(_platform(platform, run) for platform, run in speaking.items()),
        series=tuple(
            Series(platform.label, coverage_points(telling, platform=platform)) for platform in speaking
        ),
        categories=tuple(_categories(speaking, telling, now)),
        flows=_flows(recorded, now),
        blind_spots=blind_spots,
        runs=tuple(_run(run) for run in runs[:RUNS_LISTED]),
        running=tuple(_job(run) for run in unfinished if run.state == RunState.RUNNING)
        or tuple(_job(run) for run in unfinished[:1]),
    )


def _speaking(recorded: Iterable[AuditRun]) -> dict[Platform, AuditRun]:
    """Platform → the run that speaks for it, of these (the latest first)."""
    found: dict[str, AuditRun] = {}
    for run in recorded:
        for platform in run.verdicts:
            found.setdefault(platform, run)
    return {platform: found[platform] for platform in Platform if platform in found}


# --- Numbers -----------------------------------------------------------------------------------


def _stats(
    speaking: dict[Platform, AuditRun],
    recorded: Sequence[AuditRun],
    overall: Sequence[Point],
    blind_spots: BlindSpots | None,
    now: datetime,
) -> Iterable[Stat]:
    if not recorded:
        return
    share = sum((share_of(run.verdicts[platform]) for platform, run in speaking.items()), Share())
    if share.judged:
        note = f"{share.complete:,} of {share.judged:,} groups complete"
        change = _change(share, overall, now)
        if change is not None:
            note += f"; {_signed(change)} in a week"
        trend = tuple(point.value for point in overall)
        yield Stat("Coverage", str(share), page_url(recorded[0]), note, trend=trend)
    came, went = _flow(recorded, now - WEEK, now)
    before = _flow(recorded, now - 2 * WEEK, now - WEEK)
    url = admin_url(AuditRun, "changelist")
    yield Stat("Opened this week", f"{came:,}", url, f"{before[0]:,} the week before", tone="bad")
    note = f"{before[1]:,} the week before"
    if excluded := sum(run.excluded for run in _within(recorded, now - WEEK, now)):
        note += f"; {excluded:,} more excluded"
    yield Stat("Resolved this week", f"{went:,}", url, note, tone="good")
    if blind_spots is not None:
        reason = blind_spots.reasons[0][1] if blind_spots.reasons else "Everything in scope was seen"
        yield Stat("Blind spots", f"{blind_spots.count:,}", blind_spots.url, reason)


def _change(share: Share, points: Sequence[Point], now: datetime) -> int | None:
    """Since a week ago, in points of per cent; None when nothing is known of then."""
    before = value_before(points, now - WEEK)
    return None if before is None or share.percent is None else round(share.percent - before)


def _signed(points: int) -> str:
    return f"{points:+d} points" if abs(points) != 1 else f"{points:+d} point"


def _flow(recorded: Iterable[AuditRun], start: datetime, end: datetime) -> tuple[int, int]:
    """How many findings came and went in runs that ended after `start` and until `end`."""
    within = _within(recorded, start, end)
    return sum(run.opened + run.reopened for run in within), sum(run.resolved for run in within)


def _within(recorded: Iterable[AuditRun], start: datetime, end: datetime) -> list[AuditRun]:
    return [run for run in recorded if run.finished_at and start < run.finished_at <= end]


def _flows(recorded: Sequence[AuditRun], now: datetime) -> tuple[Flow, ...]:
    """The last weeks, as far back as the runs that were read tell all of them."""
    reach = now - WINDOW
    if len(recorded) >= RUNS_READ and (oldest := recorded[-1].finished_at) is not None:
        reach = max(reach, oldest)
    flows = []
    for number in range(WEEKS, 0, -1):
        start = now - number * WEEK
        if start >= reach:
            label = "This week" if number == 1 else f"Week from {start.day} {start:%b}"
            flows.append(Flow(label, *_flow(recorded, start, start + WEEK)))
    return tuple(flows)


# --- Coverage ----------------------------------------------------------------------------------


def _platform(platform: Platform, run: AuditRun) -> PlatformCoverage:
    verdicts = groups_by_verdict(run.verdicts[platform])
    parts = tuple(Part(words(verdict), verdicts[verdict], VERDICT_TONES[verdict]) for verdict in verdicts)
    share = share_of(run.verdicts[platform])
    return PlatformCoverage(platform.label, share, parts, str(run), page_url(run), run.finished_at)


def _categories(
    speaking: dict[Platform, AuditRun], telling: Sequence[AuditRun], now: datetime
) -> Iterable[CategoryCoverage]:
    if not speaking:
        return
    for pk, key, name in Category.objects.values_list("pk", "key", "name"):
        shares = (share_of(run.verdicts[platform], key) for platform, run in speaking.items())
        share = sum(shares, Share())
        if share.judged:
            points = coverage_points(telling, category=key)
            yield CategoryCoverage(
                name=name,
                url=list_url(Group, category__id=pk, in_scope=True),
                share=share,
                change=_change(share, points, now),
                trend=tuple(round(point.value, 1) for point in points),
            )


def _blind_spots(speaking: dict[Platform, AuditRun]) -> BlindSpots | None:
    """A platform's spots count from the run that speaks for it."""
    if not speaking:
        return None
    runs = {run.pk for run in speaking.values()}
    spots = dict(AuditRun.objects.filter(pk__in=runs).values_list("pk", "blind_spots"))
    reasons: Counter[tuple[str, str]] = Counter()
    for platform, run in speaking.items():
        mine = (spot for spot in spots[run.pk] if spot["platform"] == platform)
        reasons.update((platform.label, spot["reason"]) for spot in mine)
    most = max(speaking.values(), key=lambda run: len(spots[run.pk]))
    return BlindSpots(
        count=reasons.total(),
        reasons=tuple((platform, reason, n) for (platform, reason), n in reasons.most_common(REASONS)),
        url=f"{page_url(most)}#blind-spots",
    )


# --- Runs --------------------------------------------------------------------------------------


def _run(run: AuditRun) -> Run:
    outcome = (
        f"{run.opened + run.reopened:,} findings new, {ended(run)}" if run.finished else progress_label(run)
    )
    return Run(
        name=str(run),
        url=page_url(run),
        state=run.get_state_display(),
        tone=RUN_TONES[run.state],
        platforms=", ".join(Platform(platform).label for platform in run.platforms),
        at=run.finished_at or run.started_at or run.created_at,
        outcome=run.message.partition("\n")[0] or outcome,
    )


def _job(run: AuditRun) -> Job:
    running = run.state == RunState.RUNNING
    return Job(
        title=str(run),
        url=page_url(run),
        label=progress_label(run),
        poll_url=admin_url(AuditRun, "progress", run.pk),
        state=run.state,
        percent=run.progress_percent if running else None,
    )
