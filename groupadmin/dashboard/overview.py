"""The whole page for one reader."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from audits.models import AuditRun, RunState
from groupadmin.dashboard.audits import Audits, load_audits, newest_runs
from groupadmin.dashboard.findings import Findings, load_findings
from groupadmin.dashboard.health import load_health, next_runs
from groupadmin.dashboard.links import Reader
from groupadmin.dashboard.pieces import Health, Job, NextRun, Notice, OpenPlan, Stat
from groupadmin.dashboard.work import load_work
from groupadmin.first_steps import Step, first_steps
from telegram_ops import gateway
from telegram_ops.models import AccountState

RUNS_IN_TREND = 30
STATS = (
    "Coverage",
    "Open findings",
    "Opened this week",
    "Resolved this week",
    "Rebranding",
    "Blind spots",
)
"""The numbers on top, as they stand."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the index page shows; whatever the reader may not see is empty."""

    stats: tuple[Stat, ...]
    jobs: tuple[Job, ...]
    """Audits and operations under way, else the audit that waits first."""
    plans: tuple[OpenPlan, ...]
    notices: tuple[Notice, ...]
    audits: Audits
    findings: Findings
    health: tuple[Health, ...]
    next_runs: tuple[NextRun, ...]
    sign_in_needed: bool
    """Whether the Telegram account in use cannot be used until somebody signs in."""
    setup: tuple[Step, ...]
    """The steps of the first day; empty once all of them are done."""


def load(user: Reader, now: datetime) -> Overview:
    """The overview for one reader at one moment (aware)."""
    runs = newest_runs()
    recorded = [run for run in runs if run.state in (RunState.COMPLETE, RunState.PARTIAL)]
    audits = load_audits(user, runs, now)
    trend = tuple(float(run.open_findings) for run in reversed(recorded[:RUNS_IN_TREND]))
    findings = load_findings(user, trend)
    work = load_work(user, now)
    account, further = gateway.accounts_looked_through()
    return Overview(
        stats=_in_order((*audits.stats, *findings.stats)),
        jobs=(*audits.running, *work.jobs),
        plans=work.plans,
        notices=tuple(notice for notice in (*findings.notices, *work.notices) if notice.count),
        audits=audits,
        findings=findings,
        health=load_health(user, runs, account, further, now),
        next_runs=next_runs(user, now),
        sign_in_needed=account is not None and account.state != AccountState.SIGNED_IN,
        setup=first_steps(
            user,
            further if account is None else (account, *further),
            audited={name for run in recorded for name in _looked_at(run)},
            reached={name for run in recorded for name in run.verdicts},
        ),
    )


def _looked_at(run: AuditRun) -> Iterable[str]:
    """The platforms of which a recorded run tells: in part, those alone whose groups it judged."""
    return run.platforms if run.state == RunState.COMPLETE else run.verdicts


def _in_order(stats: Iterable[Stat]) -> tuple[Stat, ...]:
    return tuple(sorted(stats, key=lambda stat: STATS.index(stat.label)))
