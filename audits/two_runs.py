"""What became of groups, people and findings between any two runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Q

from audits.comparison import outcome
from audits.display import VERDICTS_BY_URGENCY
from audits.lifecycle import Change
from audits.models import AuditRun, Finding, FindingChange, GroupResult
from audits.reasons import Reasons
from audits.rows import Verdict
from members.platforms.types import Platform


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A group as it was and as it is; "" where it was or is not audited."""

    platform: str
    group_id: str
    name: str
    result: int
    """The pk of the later row that there is of it."""
    before: str
    now: str
    verdicts: tuple[str, ...] = ()
    """Before and now, where the verdict is what changed."""


@dataclass(frozen=True, slots=True)
class PersonLine:
    """Somebody who is missing in a group now, or is not any more."""

    platform: str
    group_id: str
    group: str
    result: int
    name: str
    how: str
    """What was or is the matter with them: "was there", "was not asked for"."""
    why: str
    """Why they are asked for, by the rules as they are now."""


@dataclass(frozen=True, slots=True)
class TwoRuns:
    """What is different after `later`, against `earlier`."""

    earlier: AuditRun
    later: AuditRun
    platforms: tuple[Platform, ...]
    """Those that both reached: others cannot be compared."""
    left_out: tuple[Platform, ...]
    """Those that only one of them reached."""
    appeared: tuple[GroupLine, ...]
    gone: tuple[GroupLine, ...]
    verdicts: tuple[GroupLine, ...]
    """Those whose verdict changed, the worst first."""
    became_missing: tuple[PersonLine, ...]
    became_present: tuple[PersonLine, ...]
    opened: tuple[int, ...]
    """Findings that are open after the later run and were not after the earlier one; their pks."""
    resolved: tuple[int, ...]


class _Row(NamedTuple):
    """What is compared of a group's row in a run: thousands are read, and no objects of models made."""

    pk: int
    group: int
    name: str
    verdict: str
    completeness: str
    category_key: str
    required_present: list[str]
    required_missing: list[str]
    platform: str
    group_id: str


_COLUMNS = (*_Row._fields[:-2], "group__platform", "group__external_id")


class _Pair(NamedTuple):
    """One group in both runs."""

    was: _Row
    now: _Row


def compare(one: AuditRun, other: AuditRun) -> TwoRuns:
    """The two, in the order of their ends, in a constant number of queries.

    A narrow run tells of a few groups: those alone are compared.
    """
    earlier, later = sorted((one, other), key=lambda run: (run.finished_at or run.created_at, run.pk))
    before, after = _results(earlier), _results(later)
    reached = [{Platform(row.platform) for row in each.values()} for each in (before, after)]
    both = reached[0] & reached[1]
    pairs = [_Pair(before[pk], result) for pk, result in after.items() if pk in before]
    narrow = earlier.narrow or later.narrow
    new = [] if narrow else [result for pk, result in after.items() if pk not in before]
    old = [] if narrow else [result for pk, result in before.items() if pk not in after]
    reasons = Reasons.load()
    opened, resolved = _findings(earlier, later, both)
    return TwoRuns(
        earlier,
        later,
        platforms=tuple(platform for platform in Platform if platform in both),
        left_out=tuple(platform for platform in Platform if platform in (reached[0] ^ reached[1])),
        appeared=tuple(_line(result, now=outcome(result)) for result in new if _platform(result) in both),
        gone=tuple(_line(result, before=outcome(result)) for result in old if _platform(result) in both),
        verdicts=tuple(sorted(_verdicts(pairs), key=_urgency)),
        became_missing=tuple(line for pair in pairs for line in _missing(pair, reasons)),
        became_present=tuple(line for pair in pairs for line in _present(pair, reasons)),
        opened=opened,
        resolved=resolved,
    )


def findings_of(keys: Sequence[int]) -> list[Finding]:
    """The findings with these pks and whom they are about, in this order."""
    found = Finding.objects.select_related("group", "employee").in_bulk(keys)
    return [found[key] for key in keys if key in found]


# --- Groups and people -------------------------------------------------------------------------


def _results(run: AuditRun) -> dict[int, _Row]:
    """Group's pk → its row, by name."""
    results = GroupResult.objects.filter(run=run).order_by("name", "pk")
    rows = map(_Row._make, results.values_list(*_COLUMNS))
    return {row.group: row for row in rows}


def _platform(result: _Row) -> Platform:
    return Platform(result.platform)


def _line(result: _Row, *, before: str = "", now: str = "", verdicts: tuple[str, ...] = ()) -> GroupLine:
    return GroupLine(_platform(result).label, result.group_id, result.name, result.pk, before, now, verdicts)


def _verdicts(pairs: Iterable[_Pair]) -> Iterator[GroupLine]:
    for was, now in pairs:
        if was.verdict != now.verdict:
            changed = (was.verdict, now.verdict)
            yield _line(now, before=outcome(was), now=outcome(now), verdicts=changed)


def _urgency(line: GroupLine) -> tuple[int, int]:
    """What became worst first, and of equals what had been best."""
    before, now = (VERDICTS_BY_URGENCY.index(verdict) for verdict in line.verdicts)
    return now, -before


def _missing(pair: _Pair, reasons: Reasons) -> Iterator[PersonLine]:
    """Exempt groups miss nobody."""
    was, now = pair
    for key in now.required_missing if now.verdict != Verdict.EXEMPT else ():
        if key not in was.required_missing or was.verdict == Verdict.EXEMPT:
            how = "was there" if key in was.required_present else "was not asked for"
            yield _person(now, key, how, reasons)


def _present(pair: _Pair, reasons: Reasons) -> Iterator[PersonLine]:
    was, now = pair
    for key in was.required_missing if was.verdict != Verdict.EXEMPT else ():
        if key not in now.required_missing or now.verdict == Verdict.EXEMPT:
            how = "is there" if key in now.required_present else "is not asked for"
            yield _person(now, key, how, reasons)


def _person(result: _Row, key: str, how: str, reasons: Reasons) -> PersonLine:
    platform = _platform(result)
    return PersonLine(
        platform.label,
        result.group_id,
        result.name,
        result.pk,
        reasons.name(key),
        how,
        reasons.why(key, platform, result.category_key),
    )


# --- Findings ----------------------------------------------------------------------------------


def _findings(
    earlier: AuditRun, later: AuditRun, platforms: Iterable[Platform]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which are open after the later run and were not before, and which ended; what came and went is neither.

    Every run between the two counts. Whether a finding was open before tells the first of its changes.
    """
    since = Q(run__finished_at__gt=earlier.finished_at) | Q(
        run__finished_at=earlier.finished_at, run__gt=earlier.pk
    )
    until = Q(run__finished_at__lt=later.finished_at) | Q(
        run__finished_at=later.finished_at, run__lte=later.pk
    )
    changes = FindingChange.objects.filter(since, until, finding__platform__in=list(platforms)).order_by("pk")
    first: dict[int, str] = {}
    last: dict[int, str] = {}
    for finding, change in changes.values_list("finding", "change"):
        first.setdefault(finding, change)
        last[finding] = change
    begun = (Change.OPENED, Change.REOPENED)
    opened = (pk for pk, change in last.items() if change in begun and first[pk] in begun)
    resolved = (pk for pk, change in last.items() if change == Change.RESOLVED and first[pk] not in begun)
    return tuple(opened), tuple(resolved)
