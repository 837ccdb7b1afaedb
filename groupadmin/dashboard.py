"""The admin's first page: queries → frozen dataclasses → template.

Everything is counted in the database, in a fixed number of queries whatever the number of rows, and a reader
only sees what their permissions let them open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.db.models import Count, Model
from django.urls import reverse
from django.utils.http import urlencode

from audits.display import RUN_TONES, VERDICT_TONES, progress_label, words
from audits.latest import newest_results
from audits.lifecycle import Change, State
from audits.models import AuditRun, Finding, FindingChange, GroupResult, RunState
from audits.rows import Verdict
from groupadmin import schedules
from groupadmin.first_steps import Step, first_steps
from groupadmin.models import Schedule
from members.charts import Bar, Part, percent
from members.models import (
    ENDS_SOON,
    Category,
    Employee,
    Exclusion,
    Group,
    ending_soon,
    holding,
)
from members.platforms.types import Platform
from members.policy import EmployeeStatus, FindingKind
from members.ui import Tone

Reader: TypeAlias = PermissionsMixin | AnonymousUser

FIXED = "fixed"
"""Why a finding ended whose subject was looked at and is in order now (see `audits.record_findings`)."""
RUNS_IN_TREND = 30
RUNS_LISTED = 5


@dataclass(frozen=True, slots=True)
class Stat:
    """One number with what it counts; `url` leads to the rows behind it."""

    label: str
    value: str
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that waits for a person: how many of what, and where to go."""

    count: int
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Run:
    """One line of the latest audits."""

    name: str
    url: str
    state: str
    tone: Tone
    platforms: str
    at: datetime | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the latest audit of one platform found, group by group."""

    platform: str
    parts: tuple[Part, ...]
    run: Run


@dataclass(frozen=True, slots=True)
class NextAudit:
    """The audit that starts by itself next."""

    schedule: str
    at: datetime
    url: str
    """Empty for whoever may not open schedules."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the index page shows; whatever the reader may not see is empty."""

    stats: tuple[Stat, ...]
    running: AuditRun | None
    """The audit under way, else the one that waits first."""
    coverage: tuple[Coverage, ...]
    categories: tuple[Bar, ...]
    """Share of complete groups (0–100) among those that need the full team and could be judged."""
    findings: tuple[Bar, ...]
    """Open findings by kind, the most frequent first."""
    trend: tuple[int, ...]
    """Open findings after each of the latest audits, oldest first."""
    runs: tuple[Run, ...]
    next_audit: NextAudit | None
    notices: tuple[Notice, ...]
    setup: tuple[Step, ...]
    """The steps of the first day; empty once all of them are done."""


def load(user: Reader, now: datetime) -> Overview:
    """The overview for one reader at one moment (aware)."""
    runs = _runs(user)
    recorded = [run for run in runs if run.state in (RunState.COMPLETE, RunState.PARTIAL)]
    results = _latest_results(user)
    open_findings = _open_findings(user)
    people, people_notices = _people(user)
    exclusions, exclusion_notices = _exclusions(user, now)
    return Overview(
        stats=(*_audit_stats(results, open_findings.total(), recorded), *_groups(user), *people, *exclusions),
        running=_under_way(runs),
        coverage=tuple(_coverage(platform, *found) for platform, found in results.items()),
        categories=_categories(results),
        findings=_by_kind(open_findings),
        trend=tuple(run.open_findings for run in reversed(recorded)),
        runs=tuple(_run(run) for run in runs[:RUNS_LISTED]),
        next_audit=_next_audit(user, now),
        notices=tuple(
            notice
            for notice in (_unresolved(open_findings), *people_notices, *exclusion_notices)
            if notice.count
        ),
        setup=first_steps(user),
    )


# --- Audits ------------------------------------------------------------------------------------

_Counts: TypeAlias = Counter[tuple[str, Verdict]]
"""(category key, verdict) → groups"""
_Results: TypeAlias = dict[Platform, tuple[AuditRun, _Counts]]
_BULKY = ("summary", "blind_spots", "archived_groups", "api_calls")
"""What a run holds and this page does not need."""


def _runs(user: Reader) -> list[AuditRun]:
    if not _may_view(user, AuditRun):
        return []
    return list(AuditRun.objects.defer(*_BULKY).order_by("-id")[:RUNS_IN_TREND])


def _under_way(runs: Sequence[AuditRun]) -> AuditRun | None:
    unfinished = [run for run in reversed(runs) if not run.finished]
    return next(
        (run for run in unfinished if run.state == RunState.RUNNING), unfinished[0] if unfinished else None
    )


def _latest_results(user: Reader) -> _Results:
    """The run that speaks for each platform, and its groups counted by category and verdict."""
    if not _may_view(user, AuditRun):
        return {}
    rows = GroupResult.objects.filter(newest_results()).order_by()
    counted = rows.values_list("run", "group__platform", "category_key", "verdict").annotate(Count("id"))
    runs = AuditRun.objects.defer(*_BULKY).in_bulk({run for run, *_ in counted})
    found: _Results = {}
    for run, platform, category, verdict, count in counted:
        _, counts = found.setdefault(Platform(platform), (runs[run], Counter()))
        counts[category, Verdict(verdict)] = count
    return {platform: found[platform] for platform in Platform if platform in found}


def _audit_stats(results: _Results, open_findings: int, recorded: Sequence[AuditRun]) -> list[Stat]:
    if not recorded:
        return []
    verdicts = _verdicts(sum((counts for _, counts in results.values()), _Counts()))
    complete, judged = verdicts[Verdict.COMPLETE], _judged(verdicts)
    last = recorded[0]
    # Others ended because their rule or scope did: nobody fixed anything there.
    fixed = FindingChange.objects.filter(run=last, change=Change.RESOLVED, reason=FIXED).count()
    stats = [
        Stat(
            "Open findings",
            f"{open_findings:,}",
            _list_url(Finding, state=State.OPEN),
            f"last audit: {last.opened + last.reopened:,} new, {fixed:,} fixed",
        )
    ]
    if judged:
        share = Stat(
            "Coverage", percent(complete, judged), _url(last), f"{complete:,} of {judged:,} groups complete"
        )
        stats.insert(0, share)
    return stats


def _verdicts(counts: _Counts, category: str | None = None) -> Counter[Verdict]:
    """How many groups got which verdict: of one category, or of all."""
    verdicts: Counter[Verdict] = Counter()
    for (key, verdict), count in counts.items():
        if category in (None, key):
            verdicts[verdict] += count
    return verdicts


def _judged(verdicts: Counter[Verdict]) -> int:
    """How many groups need the full team and could be looked at."""
    return verdicts[Verdict.COMPLETE] + verdicts[Verdict.INCOMPLETE]


def _coverage(platform: Platform, run: AuditRun, counts: _Counts) -> Coverage:
    verdicts = _verdicts(counts)
    parts = tuple(Part(words(name), verdicts[Verdict(name)], tone) for name, tone in VERDICT_TONES.items())
    return Coverage(platform.label, parts, _run(run))


def _categories(results: _Results) -> tuple[Bar, ...]:
    counts = sum((counts for _, counts in results.values()), _Counts())
    bars = []
    for pk, key, name in Category.objects.values_list("pk", "key", "name") if counts else ():
        verdicts = _verdicts(counts, key)
        if judged := _judged(verdicts):
            complete = verdicts[Verdict.COMPLETE]
            url = _list_url(Group, category__id=pk, in_scope=True)
            bars.append(Bar(name, 100 * complete // judged, f"{complete:,} of {judged:,}", url))
    return tuple(bars)


def _open_findings(user: Reader) -> Counter[str]:
    if not _may_view(user, Finding):
        return Counter()
    kinds = Finding.objects.filter(state=State.OPEN).order_by().values_list("kind").annotate(Count("id"))
    return Counter(dict(kinds))


def _by_kind(open_findings: Counter[str]) -> tuple[Bar, ...]:
    return tuple(
        Bar(words(kind), n, url=_list_url(Finding, state=State.OPEN, kind=kind))
        for kind, n in open_findings.most_common()
    )


def _unresolved(open_findings: Counter[str]) -> Notice:
    kind = FindingKind.UNRESOLVED_IDENTITY
    url = _list_url(Finding, state=State.OPEN, kind=kind)
    return Notice(open_findings[kind], "Employees whose account no audit could find", url)


def _next_audit(user: Reader, now: datetime) -> NextAudit | None:
    if not _may_view(user, AuditRun) or (found := schedules.next_audit(now)) is None:
        return None
    schedule, at = found
    return NextAudit(str(schedule), at, _url(schedule) if _may_view(user, Schedule) else "")


def _run(run: AuditRun) -> Run:
    outcome = (
        f"{run.opened + run.reopened:,} findings new, {run.resolved:,} ended"
        if run.finished
        else progress_label(run)
    )
    return Run(
        name=str(run),
        url=_url(run),
        state=run.get_state_display(),
        tone=RUN_TONES[run.state],
        platforms=", ".join(Platform(platform).label for platform in run.platforms),
        at=run.finished_at or run.started_at or run.created_at,
        outcome=run.message.partition("\n")[0] or outcome,
    )


# --- People, groups, policy --------------------------------------------------------------------


def _groups(user: Reader) -> list[Stat]:
    if not _may_view(user, Group):
        return []
    in_scope = Group.objects.filter(in_scope=True, archived=False).order_by()
    counts = dict(in_scope.values_list("platform").annotate(Count("id")))
    note = ", ".join(
        f"{counts[platform]:,} on {platform.label}" for platform in Platform if platform in counts
    )
    return [
        Stat("Groups", f"{sum(counts.values()):,}", _list_url(Group, in_scope=True, archived=False), note)
    ]


def _people(user: Reader) -> tuple[list[Stat], list[Notice]]:
    if not _may_view(user, Employee):
        return [], []
    counts = Counter(dict(Employee.objects.order_by().values_list("status").annotate(Count("id"))))
    active = _list_url(Employee, status=EmployeeStatus.ACTIVE)
    review = _list_url(Employee, status=EmployeeStatus.UNDER_REVIEW)
    return (
        [
            Stat(
                "Active employees", f"{counts[EmployeeStatus.ACTIVE]:,}", active, f"{counts.total():,} in all"
            )
        ],
        [
            Notice(
                counts[EmployeeStatus.UNDER_REVIEW], "Employees under review, whom no rule asks for", review
            )
        ],
    )


def _exclusions(user: Reader, now: datetime) -> tuple[list[Stat], list[Notice]]:
    if not _may_view(user, Exclusion):
        return [], []
    counts = Exclusion.objects.aggregate(
        holding=Count("id", filter=holding(now.date())),
        ending=Count("id", filter=ending_soon(now.date())),
    )
    url = _list_url(Exclusion)
    return (
        [Stat("Exclusions", f"{counts['holding']:,}", f"{url}?holds=yes", "in force")],
        [Notice(counts["ending"], f"Exclusions that end within {ENDS_SOON.days} days", f"{url}?holds=soon")],
    )


# --- Small things ------------------------------------------------------------------------------


def _may_view(user: Reader, model: type[Model]) -> bool:
    return user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def _url(row: Model) -> str:
    return _admin_url(type(row), "change", row.pk)


def _admin_url(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def _list_url(model: type[Model], **filters: Any) -> str:
    """The admin's list of a model, filtered with exact lookups."""
    url = _admin_url(model, "changelist")
    query = {
        f"{name}__exact": int(value) if isinstance(value, bool) else value for name, value in filters.items()
    }
    return f"{url}?{urlencode(query)}" if query else url
