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
from audits.lifecycle import State
from audits.models import AuditRun, Finding, GroupResult, RunState
from audits.rows import Verdict
from members.charts import Bar, Part, percent
from members.models import (
    ENDS_SOON,
    Category,
    Employee,
    Exclusion,
    Group,
    MembershipRule,
    ScopeLine,
    ending_soon,
    holding,
)
from members.platforms.types import Platform
from members.policy import EmployeeStatus
from members.ui import Tone

Reader: TypeAlias = PermissionsMixin | AnonymousUser

RUNS_IN_TREND = 30
RUNS_LISTED = 5
"""Also how far back the latest results of a platform are looked for."""


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
class Step:
    """One step of setting the product up."""

    title: str
    hint: str
    url: str
    done: bool


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
    notices: tuple[Notice, ...]
    setup: tuple[Step, ...]
    """The steps of the first day; empty once all of them are done."""


def load(user: Reader, now: datetime) -> Overview:
    """The overview for one reader at one moment (aware)."""
    runs = _runs(user)
    recorded = [run for run in runs if run.state in (RunState.COMPLETE, RunState.PARTIAL)]
    results = _latest_results(recorded[:RUNS_LISTED])
    findings = _open_findings(user)
    people, people_notices = _people(user)
    exclusions, exclusion_notices = _exclusions(user, now)
    return Overview(
        stats=(*_audit_stats(results, findings, recorded), *_groups(user), *people, *exclusions),
        running=_under_way(runs),
        coverage=tuple(_coverage(platform, *found) for platform, found in results.items()),
        categories=_categories(results),
        findings=findings,
        trend=tuple(run.open_findings for run in reversed(recorded)),
        runs=tuple(_run(run) for run in runs[:RUNS_LISTED]),
        notices=tuple(notice for notice in (*people_notices, *exclusion_notices) if notice.count),
        setup=_setup(user),
    )


# --- Audits ------------------------------------------------------------------------------------

_Counts: TypeAlias = Counter[tuple[str, Verdict]]
"""(category key, verdict) → groups"""
_Results: TypeAlias = dict[Platform, tuple[AuditRun, _Counts]]


def _runs(user: Reader) -> list[AuditRun]:
    if not _may_view(user, AuditRun):
        return []
    bulky = ("summary", "blind_spots", "archived_groups", "api_calls")
    return list(AuditRun.objects.defer(*bulky).order_by("-id")[:RUNS_IN_TREND])


def _under_way(runs: Sequence[AuditRun]) -> AuditRun | None:
    unfinished = [run for run in reversed(runs) if not run.finished]
    return next(
        (run for run in unfinished if run.state == RunState.RUNNING), unfinished[0] if unfinished else None
    )


def _latest_results(recorded: Sequence[AuditRun]) -> _Results:
    """The newest run with results of each platform, and its groups counted by category and verdict.

    A run may have left a platform out, or not have reached it: then an earlier one speaks for it.
    """
    found: _Results = {}
    for run in recorded:
        wanted = [platform for platform in Platform if platform not in found and platform in run.platforms]
        if not wanted:
            continue
        rows = GroupResult.objects.filter(run=run, group__platform__in=wanted).order_by()
        for platform, category, verdict, count in rows.values_list(
            "group__platform", "category_key", "verdict"
        ).annotate(Count("id")):
            _, counts = found.setdefault(Platform(platform), (run, Counter()))
            counts[category, Verdict(verdict)] += count
    return {platform: found[platform] for platform in Platform if platform in found}


def _audit_stats(results: _Results, findings: Sequence[Bar], recorded: Sequence[AuditRun]) -> list[Stat]:
    if not recorded:
        return []
    verdicts = _verdicts(sum((counts for _, counts in results.values()), _Counts()))
    complete, judged = verdicts[Verdict.COMPLETE], _judged(verdicts)
    last = recorded[0]
    stats = [
        Stat(
            "Open findings",
            f"{sum(bar.value for bar in findings):,}",
            _list_url(Finding, state=State.OPEN),
            f"{last.opened + last.reopened:,} new, {last.resolved:,} resolved by the last audit",
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


def _open_findings(user: Reader) -> tuple[Bar, ...]:
    if not _may_view(user, Finding):
        return ()
    kinds = Finding.objects.filter(state=State.OPEN).order_by().values_list("kind").annotate(Count("id"))
    return tuple(
        Bar(words(kind), n, url=_list_url(Finding, state=State.OPEN, kind=kind))
        for kind, n in sorted(kinds, key=lambda row: -row[1])
    )


def _run(run: AuditRun) -> Run:
    outcome = f"{run.opened} opened, {run.resolved} resolved" if run.finished else progress_label(run)
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


def _setup(user: Reader) -> tuple[Step, ...]:
    """The steps of the first day, for those who may take them; none when all are done."""
    steps = tuple(
        Step(
            title,
            hint,
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"),
            _any(model),
        )
        for model, page, permission, title, hint in (
            (Employee, "add", "add_employee", "Add your people", "One by one, or import a CSV or XLSX file."),
            (
                MembershipRule,
                "add",
                "add_membershiprule",
                "Say who must be where",
                "A rule asks for a team or a person.",
            ),
            (
                ScopeLine,
                "add",
                "add_scopeline",
                "Say which groups count",
                "By name, or everything shared with one person.",
            ),
            (
                AuditRun,
                "start",
                "run_audit",
                "Run the first audit",
                "It finds the groups and shows what is missing.",
            ),
        )
        if user.has_perm(f"{model._meta.app_label}.{permission}")
    )
    return () if all(step.done for step in steps) else steps


# --- Small things ------------------------------------------------------------------------------


def _any(model: type[Model]) -> bool:
    return model._default_manager.exists()


def _may_view(user: Reader, model: type[Model]) -> bool:
    return user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def _url(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def _list_url(model: type[Model], **filters: Any) -> str:
    """The admin's list of a model, filtered with exact lookups."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    query = {
        f"{name}__exact": int(value) if isinstance(value, bool) else value for name, value in filters.items()
    }
    return f"{url}?{urlencode(query)}" if query else url
