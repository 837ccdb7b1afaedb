"""How far the groups have been renamed away from deprecated names, audit by audit.

Told by the life of the findings: one that ended because the name was in order was renamed; one that
ended for another reason (archived, out of scope) counts on neither side, like one that was accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from audits.latest import recorded_runs
from audits.lifecycle import Change
from audits.models import FindingChange
from members.charts import percent
from members.dates import day_in_words
from members.policy import FindingKind

FIXED = "fixed"
"""Why a finding ended whose subject was looked at and is in order now (see `audits.record_findings`)."""
RUNS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Point:
    """How it stood after one audit."""

    run_id: int
    at: datetime
    renamed: int
    left: int
    """Groups that still have a deprecated name."""

    @property
    def known(self) -> int:
        return self.renamed + self.left

    @property
    def share(self) -> str:
        """Of the groups that ever had a deprecated name, those that were renamed: "32 %"."""
        return percent(self.renamed, self.known)


@dataclass(frozen=True, slots=True)
class Rebranding:
    points: tuple[Point, ...]
    """After each of the latest audits, oldest first; there is at least one."""

    @property
    def now(self) -> Point:
        return self.points[-1]

    @property
    def trend(self) -> list[float]:
        """The shares in per cent, oldest first."""
        return [round(100 * point.renamed / point.known, 1) for point in self.points]

    @property
    def described(self) -> str:
        """The trend in a sentence, for whoever does not see it."""
        first, now = self.points[0], self.now
        if first.at.date() == now.at.date():
            return (
                f"From {first.share} to {now.share} on {day_in_words(now.at)}, in {len(self.points)} audits."
            )
        return f"From {first.share} on {day_in_words(first.at)} to {now.share} on {day_in_words(now.at)}."


def load_rebranding() -> Rebranding | None:
    """The latest audits; None while none of them has seen a deprecated name. Two queries."""
    runs = list(recorded_runs().values_list("pk", "finished_at")[:RUNS_SHOWN])
    changes = FindingChange.objects.filter(finding__kind=FindingKind.DEPRECATED_NAME).order_by("at", "pk")
    points = replay(
        [(run_id, at) for run_id, at in reversed(runs) if at is not None],
        changes.values_list("at", "finding_id", "change", "reason"),
    )
    return Rebranding(tuple(points)) if points else None


def replay(
    runs: Iterable[tuple[int, datetime]], changes: Iterable[tuple[datetime, int, str, str]]
) -> list[Point]:
    """How it stood after each of `runs` (id, end), as far as anything was known by then.

    `changes` are (when, finding, change, reason); both come in the order of their times.
    """
    renamed: set[int] = set()
    left: set[int] = set()
    to_come = iter(changes)
    following = next(to_come, None)
    points = []
    for run_id, at in runs:
        while following is not None and following[0] <= at:
            _, finding, change, reason = following
            renamed.discard(finding)
            left.discard(finding)
            if change == Change.RESOLVED and reason == FIXED:
                renamed.add(finding)
            elif change in (Change.OPENED, Change.REOPENED):
                left.add(finding)
            following = next(to_come, None)
        if renamed or left:
            points.append(Point(run_id, at, len(renamed), len(left)))
    return points
