"""Schedules in words: what one does, when it runs, and when next."""

from __future__ import annotations

from calendar import day_name
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from json import dumps, loads
from typing import Any
from zoneinfo import ZoneInfo

from django_celery_beat.models import CrontabSchedule, IntervalSchedule
from django_celery_beat.tzcrontab import TzAwareCrontab

from audits.tasks import schedule_audit
from groupadmin.models import Schedule
from members.platforms.types import Platform

AUDIT_TASK: str = schedule_audit.name
WEEK = (1, 2, 3, 4, 5, 6, 0)
"""Cron's numbers of the days, Monday first."""


# --- What it does ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScheduledAudit:
    """What a scheduled audit looks at."""

    platforms: tuple[Platform, ...]
    deep: bool

    def __str__(self) -> str:
        names = " and ".join(platform.label for platform in self.platforms)
        return f"Audits {names or 'nothing'}" + (", reading every member list" if self.deep else "")


def scheduled_audit(schedule: Schedule) -> ScheduledAudit | None:
    """The audit that a schedule asks for; None when it does something else."""
    if schedule.task != AUDIT_TASK:
        return None
    given = _arguments(schedule, "platforms", "deep")
    named = given.get("platforms")
    platforms = [platform for platform in Platform if isinstance(named, list) and platform in named]
    return ScheduledAudit(tuple(platforms), deep=given.get("deep") is True)


def ask_for(schedule: Schedule, audit: ScheduledAudit) -> None:
    """Make the schedule start this audit; does not save."""
    schedule.task = AUDIT_TASK
    schedule.args = dumps([[str(platform) for platform in audit.platforms]])
    schedule.kwargs = dumps({"deep": True} if audit.deep else {})


def purpose(schedule: Schedule) -> str:
    """What a schedule does, for whoever wonders whether they need it."""
    return str(scheduled_audit(schedule) or schedule.description or schedule.task)


def _arguments(schedule: Schedule, *names: str) -> dict[str, Any]:
    """A schedule's arguments by name, as far as they make sense; `names` are those of the positional ones."""
    try:
        positional, named = loads(schedule.args or "[]"), loads(schedule.kwargs or "{}")
    except ValueError:  # beat switches such a schedule off
        return {}
    if not isinstance(positional, list) or not isinstance(named, dict):
        return {}
    return dict(zip(names, positional, strict=False)) | named


# --- When it runs ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Weekly:
    """Once a day on some days of the week."""

    days: frozenset[int]
    """Cron's numbers: Sunday is 0."""
    at: time
    zone: ZoneInfo

    def __str__(self) -> str:
        names = [f"{name_of(day)}s" for day in WEEK if day in self.days]
        days = "Every day" if len(names) == len(WEEK) else ", ".join(names)
        return f"{days} at {self.at:%H:%M} {self.zone}"


def name_of(day: int) -> str:
    """The name of a day by cron's number."""
    return day_name[(day - 1) % len(WEEK)]


def weekly(crontab: CrontabSchedule | None) -> Weekly | None:
    """A crontab as a time on days of the week; None when it is more than that."""
    if crontab is None or (crontab.day_of_month, crontab.month_of_year) != ("*", "*"):
        return None
    parsed = crontab.schedule
    if len(parsed.hour) != 1 or len(parsed.minute) != 1:
        return None
    return Weekly(frozenset(parsed.day_of_week), time(*parsed.hour, *parsed.minute), crontab.timezone)


def run_at(schedule: Schedule, times: Weekly) -> None:
    """Make the schedule run at these times from now on; does not save it."""
    if times == weekly(schedule.crontab):
        return
    days = "*" if len(times.days) == len(WEEK) else ",".join(str(day) for day in WEEK if day in times.days)
    minute, hour = str(times.at.minute), str(times.at.hour)
    crontab = CrontabSchedule.from_schedule(TzAwareCrontab(minute, hour, days, tz=times.zone))
    crontab.save()
    schedule.crontab = crontab
    # Else beat would make up at once for a moment that only the new times have, before they were chosen.
    schedule.last_run_at = None


def rhythm(schedule: Schedule) -> str:
    """When a schedule runs, in words."""
    if schedule.crontab is not None:
        return str(weekly(schedule.crontab) or schedule.crontab.human_readable)
    words = str(schedule.scheduler or "never")
    return words[:1].upper() + words[1:]


def next_run(schedule: Schedule, now: datetime) -> datetime | None:
    """When a schedule is due after `now` (aware); None when it is switched off or nobody can tell."""
    if not schedule.enabled:
        return None
    after = max(now, schedule.start_time or now)
    if schedule.crontab is not None:
        start, ends_in, _ = schedule.crontab.schedule.remaining_delta(
            after.astimezone(schedule.crontab.timezone)
        )
        return start + ends_in
    if schedule.interval is not None:
        return _next_beat(schedule.interval, schedule.last_run_at or schedule.date_changed, after)
    return None


def next_audit(now: datetime) -> tuple[Schedule, datetime] | None:
    """The scheduled audit that comes first after `now`, and when."""
    rows = Schedule.objects.filter(task=AUDIT_TASK, enabled=True).select_related("crontab", "interval")
    due = [(at, row) for row in rows if (at := next_run(row, now)) is not None]
    if not due:
        return None
    at, row = min(due, key=lambda pair: pair[0])
    return row, at


def _next_beat(interval: IntervalSchedule, last: datetime, after: datetime) -> datetime:
    step = timedelta(**{interval.period: interval.every})
    passed = max((after - last) // step, 0)
    return last + (passed + 1) * step
