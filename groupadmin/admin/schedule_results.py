"""What came of a schedule's last run, with a link to what it started."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from groupadmin.models import Schedule, ScheduleRun
from groupadmin.schedule_watch import LATE
from members.dates import moment_in_words
from members.records import link
from members.ui import Tone, badge, duration

TONES: Mapping[str, Tone] = {
    ScheduleRun.Outcome.RUNNING: "info",
    ScheduleRun.Outcome.DONE: "good",
    ScheduleRun.Outcome.FAILED: "bad",
}


def attach(schedules: Collection[Schedule]) -> None:
    """Give each schedule what its last run started, as `made_row`: one query for each kind of it."""
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    for schedule in schedules:
        label, key = _reference(schedule)
        if label:
            wanted[label].add(key)
    found = {label: _rows(label, keys) for label, keys in wanted.items()}
    for schedule in schedules:
        label, key = _reference(schedule)
        schedule.made_row = found.get(label, {}).get(key)


def in_words(schedule: Schedule) -> SafeString:
    """What came of its last run, that it was missed first; empty where nothing is known."""
    run = run_of(schedule)
    if run is None or not (run.outcome or run.missed_at):
        return SafeString("")
    parts = [badge("Missed", "bad", hint=_why_missed(run, run.missed_at))] if run.missed_at else []
    row = getattr(schedule, "made_row", None)
    if row is not None:
        parts.append(format_html("{}: {}", link(row), _state(row)))
    elif run.outcome:
        parts.append(badge(run.get_outcome_display(), TONES[run.outcome], hint=run.message))
    return format_html_join(" ", "{}", ((part,) for part in parts))


def run_of(schedule: Schedule) -> ScheduleRun | None:
    """How it ran last; None where nothing is known."""
    run: ScheduleRun | None = getattr(schedule, "run", None)
    return run


def _why_missed(run: ScheduleRun, missed_at: datetime) -> str:
    due = f"It was due at {moment_in_words(missed_at)}"
    if run.started_at is None or run.started_at < missed_at:
        return f"{due} and has not run since."
    if run.due_at is not None and run.started_at - run.due_at > LATE:
        late = duration((run.started_at - run.due_at).total_seconds())
        return f"{due} and did not run in time; the last run began {late} late."
    return f"{due} and did not run in time."


def _state(row: Model) -> str:
    display = getattr(row, "get_state_display", None)
    return str(display()).lower() if display is not None else ""


def _reference(schedule: Schedule) -> tuple[str, int]:
    """The model and the key of what its last run started; "" where it started nothing that has a page."""
    run = run_of(schedule)
    label, _, key = (run.made if run is not None else "").partition(":")
    return (label, int(key)) if key.isdecimal() else ("", 0)


def _rows(label: str, keys: Collection[int]) -> Mapping[Any, Model]:
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):  # an earlier release knew it
        return {}
    return model._default_manager.in_bulk(keys)
