"""How complete the groups are, from numbers by platform, category and verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from audits.rows import GroupRow, Verdict
from members.charts import percent

VerdictCounts: TypeAlias = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Platform → category key → verdict → groups: what a run found, small enough to be kept for ever."""


@dataclass(frozen=True, slots=True)
class Share:
    """Complete groups among those that need the full team and could be judged."""

    complete: int = 0
    judged: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(self.complete + other.complete, self.judged + other.judged)

    @property
    def percent(self) -> float | None:
        """0–100; None where nothing was judged."""
        return 100 * self.complete / self.judged if self.judged else None

    def __str__(self) -> str:
        return percent(self.complete, self.judged) if self.judged else "–"


def count_verdicts(rows: Iterable[GroupRow]) -> dict[str, dict[str, dict[str, int]]]:
    """The numbers of a run, from its rows."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for row in rows:
        verdicts = counts.setdefault(str(row.platform), {}).setdefault(row.category.key, {})
        verdicts[str(row.verdict)] = verdicts.get(str(row.verdict), 0) + 1
    return counts


def groups_by_verdict(counts: Mapping[str, Mapping[str, int]]) -> dict[Verdict, int]:
    """One platform's groups by verdict, whatever their category; every verdict is there."""
    return {verdict: sum(each.get(verdict, 0) for each in counts.values()) for verdict in Verdict}


def share_of(counts: Mapping[str, Mapping[str, int]], category: str | None = None) -> Share:
    """One platform's coverage: of one category, or of all."""
    chosen = counts.values() if category is None else [counts.get(category, {})]
    complete = sum(each.get(Verdict.COMPLETE, 0) for each in chosen)
    return Share(complete, complete + sum(each.get(Verdict.INCOMPLETE, 0) for each in chosen))
