"""What became of each group since the run that had spoken for its platform before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from audits.display import VERDICTS_BY_URGENCY
from audits.latest import speaking_runs
from audits.models import AuditRun, GroupResult
from audits.rows import Verdict
from members.models import choices
from members.platforms.types import Platform

SHOWN = 10
"""How many groups of each section are listed; its number says how many there are."""

_JUDGED = (Verdict.COMPLETE, Verdict.INCOMPLETE)
_VERDICTS = dict(choices(Verdict))
_Change: TypeAlias = str | tuple[Verdict, Verdict]
"""What became of a group: one of the titles below, or its verdict before and now."""


MORE, FEWER = "More people are missing", "Fewer people are missing"
NEW, GONE = "New groups", "No longer audited"


@dataclass(frozen=True, slots=True)
class Line:
    """A group, as it is now and as it was; `earlier` is None where nothing is compared."""

    result: GroupResult
    earlier: GroupResult | None = None

    @property
    def now(self) -> str:
        return outcome(self.result)

    @property
    def before(self) -> str:
        return outcome(self.earlier) if self.earlier is not None else ""


@dataclass(frozen=True, slots=True)
class Section:
    """Groups that changed in one way: how many, and the first of them by name."""

    title: str
    verdicts: tuple[Verdict, ...]
    """Instead of a title, where the verdict is what changed: before and now."""
    count: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One platform's groups against the run that had spoken for it before."""

    platform: Platform
    previous: int
    """The id of that run."""
    sections: tuple[Section, ...]


def comparisons(run: AuditRun) -> Iterator[Comparison]:
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
    changed: dict[_Change, list[Line]] = defaultdict(list)
    for group_id, result in now.items():
        earlier = before.get(group_id)
        change = _change(earlier, result)
        if change is not None:
            changed[change].append(Line(result, earlier))
    if gone := [Line(result) for group_id, result in before.items() if group_id not in now]:
        changed[GONE] = gone
    sections = (_section(change, changed[change]) for change in sorted(changed, key=_urgency))
    return Comparison(platform, previous, tuple(sections))


def _change(earlier: GroupResult | None, result: GroupResult) -> _Change | None:
    if earlier is None:
        return NEW
    if earlier.verdict != result.verdict:
        return Verdict(earlier.verdict), Verdict(result.verdict)
    if result.verdict != Verdict.INCOMPLETE or earlier.missing_count == result.missing_count:
        return None
    return MORE if earlier.missing_count < result.missing_count else FEWER


def _section(change: _Change, lines: list[Line]) -> Section:
    title, verdicts = (change, ()) if isinstance(change, str) else ("", change)
    return Section(title, verdicts, len(lines), tuple(lines[:SHOWN]))


def _urgency(change: _Change) -> tuple[int, int]:
    """Changed verdicts before the rest, and of them those that became worst."""
    if isinstance(change, str):
        return len(VERDICTS_BY_URGENCY), (MORE, FEWER, NEW, GONE).index(change)
    before, now = (VERDICTS_BY_URGENCY.index(verdict) for verdict in change)
    return now, -before


class Judged(Protocol):
    """A group's row in a run, or as much of one as is needed here."""

    @property
    def verdict(self) -> str: ...
    @property
    def completeness(self) -> str: ...


def outcome(result: Judged) -> str:
    """ "7/8" where the full team is needed and could be looked for, else the verdict."""
    return result.completeness if result.verdict in _JUDGED else _VERDICTS[result.verdict].lower()
