"""Schedules in words: what one does, when it runs, and when next."""

from __future__ import annotations

from calendar import day_name
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from json import dumps, loads
from typing import Any
from zoneinfo import ZoneInfo

from django_celery_beat.models import CrontabSchedule, IntervalSchedule
from django_celery_beat.tzcrontab import TzAwareCrontab

from audits.history.formats import Format
from audits.history.keeping import GroupSet, WrongSet
from audits.history.tasks import export_on_schedule, sync_on_schedule
from audits.tasks import schedule_audit
from groupadmin.models import Schedule
from groupadmin.moments import next_moment
from members.models import Category
from members.platforms.types import Platform

AUDIT_TASK: str = schedule_audit.name
SYNC_TASK: str = sync_on_schedule.name
EXPORT_TASK: str = export_on_schedule.name
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


@dataclass(frozen=True, slots=True)
class ScheduledSync:
    """Whose conversations a scheduled sync fetches; None when the schedule names no groups that are there."""

    groups: GroupSet | None

    def __str__(self) -> str:
        return f"Fetches what is new in {_set_in_words(self.groups)}"


@dataclass(frozen=True, slots=True)
class ScheduledExport:
    """What a scheduled export holds. `groups` and `format` are None when the schedule names none there is."""

    groups: GroupSet | None
    format: Format | None
    last_month: bool = True

    def __str__(self) -> str:
        what = "Exports the month before" if self.last_month else "Exports everything that is kept"
        return f"{what} of {_set_in_words(self.groups)} as {self.format.label if self.format else 'nothing'}"


def _set_in_words(groups: GroupSet | None) -> str:
    if groups is None:
        return "no groups"
    if not groups.category:
        return "the conversations that are kept up to date"
    name = Category.objects.filter(key=groups.category).values_list("name", flat=True).first()
    return f"the groups of the category “{name or groups.category}”"


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


def scheduled_sync(schedule: Schedule) -> ScheduledSync | None:
    """The sync that a schedule asks for; None when it does something else."""
    if schedule.task != SYNC_TASK:
        return None
    return ScheduledSync(_group_set(_arguments(schedule, "groups")))


def scheduled_export(schedule: Schedule) -> ScheduledExport | None:
    """The export that a schedule asks for; None when it does something else."""
    if schedule.task != EXPORT_TASK:
        return None
    given = _arguments(schedule, "groups", "format", "last_month")
    named = given.get("format")
    format = Format(named) if named in list(Format) else None
    return ScheduledExport(_group_set(given), format, last_month=given.get("last_month") is not False)


def sync_for(schedule: Schedule, groups: GroupSet) -> None:
    """Make the schedule fetch these conversations; does not save."""
    schedule.task, schedule.args, schedule.kwargs = SYNC_TASK, dumps([str(groups)]), "{}"


def export_for(schedule: Schedule, groups: GroupSet, format: Format, *, last_month: bool) -> None:
    """Make the schedule export these conversations; does not save."""
    schedule.task, schedule.args = EXPORT_TASK, dumps([str(groups), str(format)])
    schedule.kwargs = dumps({} if last_month else {"last_month": False})


def _group_set(given: Mapping[str, Any]) -> GroupSet | None:
    try:
        return GroupSet.named(given.get("groups"))
    except WrongSet:
        return None


def purpose(schedule: Schedule) -> str:
    """What a schedule does, for whoever wonders whether they need it."""
    known = scheduled_audit(schedule) or scheduled_sync(schedule) or scheduled_export(schedule)
    return str(known or schedule.description or schedule.task)


def _arguments(schedule: Schedule, *names: str) -> dict[str, Any]:
    """A schedule's arguments by name, as far as they make sense; `names` are those of the positional ones."""
    try:
        positional, named = loads(schedule.args or "[]"), loads(schedule.kwargs or "{}")
    except (ValueError, RecursionError):  # beat switches such a schedule off
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


@dataclass(frozen=True, slots=True)
class Monthly:
    """Once a month, on a day that every month has."""

    day: int
    at: time
    zone: ZoneInfo

    def __str__(self) -> str:
        return f"Every month on day {self.day} at {self.at:%H:%M} {self.zone}"


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


def monthly(crontab: CrontabSchedule | None) -> Monthly | None:
    """A crontab as a time on a day of every month; None when it is something else."""
    if crontab is None or (crontab.day_of_week, crontab.month_of_year) != ("*", "*"):
        return None
    parsed = crontab.schedule
    if any(len(part) != 1 for part in (parsed.hour, parsed.minute, parsed.day_of_month)):
        return None
    (day,) = parsed.day_of_month
    return Monthly(day, time(*parsed.hour, *parsed.minute), crontab.timezone)


def run_at(schedule: Schedule, times: Weekly | Monthly) -> None:
    """Make the schedule run at these times from now on; does not save it."""
    if times in (weekly(schedule.crontab), monthly(schedule.crontab)):
        return
    minute, hour = str(times.at.minute), str(times.at.hour)
    if isinstance(times, Monthly):
        when = TzAwareCrontab(minute, hour, "*", str(times.day), tz=times.zone)
    else:
        every = len(times.days) == len(WEEK)
        days = "*" if every else ",".join(str(day) for day in WEEK if day in times.days)
        when = TzAwareCrontab(minute, hour, days, tz=times.zone)
    crontab = CrontabSchedule.from_schedule(when)
    crontab.save()
    schedule.crontab = crontab
    # Else beat would make up at once for a moment that only the new times have, before they were chosen.
    schedule.last_run_at = None


def rhythm(schedule: Schedule) -> str:
    """When a schedule runs, in words."""
    if schedule.crontab is not None:
        known = weekly(schedule.crontab) or monthly(schedule.crontab)
        return str(known or schedule.crontab.human_readable)
    interval = schedule.interval
    if interval is not None and interval.period == IntervalSchedule.SECONDS:
        minutes, seconds = divmod(interval.every, 60)
        if minutes > 1 and not seconds:
            return f"Every {minutes} minutes"
    words = str(schedule.scheduler or "never")
    return words[:1].upper() + words[1:]


def next_run(schedule: Schedule, now: datetime) -> datetime | None:
    """When a schedule is due after `now` (aware); None when it is switched off or nobody can tell."""
    if not schedule.enabled:
        return None
    after = max(now, schedule.start_time or now)
    if schedule.crontab is not None:
        return next_moment(schedule.crontab, after)
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
