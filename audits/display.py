"""How states and verdicts look to a person: the same words, tones and order on every page."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Case, Value, When
from django.utils.safestring import SafeString

from audits.lifecycle import Change, State
from audits.models import AuditRun, RunState
from audits.rows import Verdict
from members.policy import FindingKind
from members.ui import DASH, Tone, badge, duration

RUN_TONES: dict[str, Tone] = {
    RunState.QUEUED: "muted",
    RunState.RUNNING: "info",
    RunState.COMPLETE: "good",
    RunState.PARTIAL: "warn",
    RunState.FAILED: "bad",
    RunState.CANCELLED: "muted",
}
VERDICT_TONES: dict[str, Tone] = {
    Verdict.COMPLETE: "good",
    Verdict.INCOMPLETE: "bad",
    Verdict.EXEMPT: "muted",
    Verdict.NOT_VISIBLE: "warn",
    Verdict.ERROR: "info",
}
STATE_TONES: dict[str, Tone] = {State.OPEN: "bad", State.EXCLUDED: "muted", State.RESOLVED: "good"}
CHANGE_TONES: dict[str, Tone] = {
    Change.OPENED: "bad",
    Change.REOPENED: "warn",
    Change.RESOLVED: "good",
    Change.EXCLUDED: "muted",
}

VERDICTS_BY_URGENCY = (
    Verdict.INCOMPLETE,
    Verdict.NOT_VISIBLE,
    Verdict.ERROR,
    Verdict.COMPLETE,
    Verdict.EXEMPT,
)
KINDS_BY_URGENCY = (
    FindingKind.MISSING_REQUIRED,
    FindingKind.DEPARTED_MEMBER_PRESENT,
    FindingKind.UNRESOLVED_IDENTITY,
    FindingKind.IDENTITY_CHANGED,
    FindingKind.NOT_VISIBLE,
    FindingKind.PUBLIC_CHANNEL,
    FindingKind.HIDDEN_HISTORY,
    FindingKind.NO_ADMIN_RIGHT,
    FindingKind.DEPRECATED_NAME,
    FindingKind.MISSING_OPTIONAL,
)


def in_order_of(values: Sequence[str], field: str) -> Case:
    """Orders rows by where the value of `field` (a path) stands among `values`; any other comes last."""
    ranks = (When(**{field: str(value)}, then=Value(rank)) for rank, value in enumerate(values))
    return Case(*ranks, default=Value(len(values)))


def run_badge(run: AuditRun) -> SafeString:
    return badge(run.get_state_display(), RUN_TONES[run.state], hint=run.message)


def progress_label(run: AuditRun) -> str:
    """What an unfinished run does now, for its progress bar."""
    if run.cancel_requested:
        return "Stopping"
    if run.state == RunState.QUEUED:
        return run.progress_label or "Waiting for its turn"
    return run.progress_label or "Starting"


def run_time(run: AuditRun) -> str:
    """How long a finished run took."""
    if run.started_at is None or run.finished_at is None:
        return DASH
    return duration((run.finished_at - run.started_at).total_seconds())


def ended(run: AuditRun) -> str:
    """How many findings are not open any more by what it saw, in words."""
    return f"{run.resolved:,} resolved" + (f", {run.excluded:,} excluded" if run.excluded else "")


def started_by(run: AuditRun) -> str:
    """The person who asked for the run, else what did."""
    return str(run.requested_by or run.get_trigger_display())


def words(value: str) -> str:
    """ "not_visible" → "Not visible"."""
    return value.replace("_", " ").capitalize()
