"""How coverage went over time, from the numbers that each run keeps (`AuditRun.verdicts`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from audits.coverage import Share, share_of
from audits.latest import recorded_runs
from audits.models import AuditRun
from members.platforms.types import Platform
from members.time_charts import Point

RUNS_READ = 500
"""Of so many of the newest runs trends are told."""
WINDOW = timedelta(weeks=12)
"""How far back charts look."""
SLOTS = 40
"""A trend has at most so many points of each platform: more than a chart's width can tell apart."""


def recent_runs(limit: int = RUNS_READ) -> list[AuditRun]:
    """The newest runs that recorded something, the latest first, with no more of them than trends need."""
    return list(
        recorded_runs().only("finished_at", "platforms", "verdicts", "open_findings", "narrow")[:limit]
    )


def telling_runs(runs: Iterable[AuditRun], *, since: datetime) -> list[AuditRun]:
    """Those that a chart can show, oldest first: in each slot of time the last of each platform."""
    ended = sorted(
        ((run.finished_at, run.pk, run) for run in runs if run.finished_at and run.finished_at >= since),
        key=lambda each: each[:2],
    )
    if not ended:
        return []
    first = ended[0][0]
    slot = max((ended[-1][0] - first) / SLOTS, timedelta(microseconds=1))
    last_of: dict[tuple[str, int], AuditRun] = {}
    for at, _, run in ended:
        for platform in run.verdicts:
            last_of[platform, (at - first) // slot] = run
    chosen = {run.pk for run in last_of.values()}
    return [run for _, pk, run in ended if pk in chosen]


def coverage_points(
    runs: Sequence[AuditRun], *, platform: Platform | None = None, category: str | None = None
) -> tuple[Point, ...]:
    """Coverage in per cent after each of `runs` (oldest first): of one platform or category, or of all.

    A run that left a platform out takes nothing away: what was known of it still stands.
    """
    standing: dict[str, Share] = {}
    points = []
    for run in runs:
        seen = {name: each for name, each in run.verdicts.items() if platform in (None, name)}
        standing |= {name: share_of(counts, category) for name, counts in seen.items()}
        total = sum(standing.values(), Share())
        if seen and total.percent is not None and run.finished_at is not None:
            note = f"{total.complete:,} of {total.judged:,} complete"
            points.append(Point(run.finished_at, total.percent, note))
    return tuple(points)


def value_before(points: Sequence[Point], moment: datetime) -> float | None:
    """The value that stood at `moment`; None when nothing was known yet."""
    return next((point.value for point in reversed(points) if point.at <= moment), None)
