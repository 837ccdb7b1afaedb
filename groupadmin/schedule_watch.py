"""Whether schedules run when they are due: what runs is written down, and compared with what was due.

Beat sends tasks and forgets them; a worker that is busy or gone shows nowhere. So the workers write down
what they begin and end (Celery's signals), and a task of its own looks every few minutes at what was due.
What was missed is told once, until it runs in time again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery.signals import task_postrun, task_prerun
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from groupadmin.models import Schedule, ScheduleRun
from groupadmin.moments import last_due
from members.notices.kinds import NoticeKind
from members.notices.services import write

LATE = timedelta(hours=1)
"""What begins later than this after it was due was missed."""
OFTEN = timedelta(minutes=10)
"""Of what runs at least so often only the ends are written down, about as often as `NOTED`."""
NOTED = timedelta(minutes=1)
"""A run whose outcome is that of the run before is not worth a line again within this time."""

log = structlog.get_logger(__name__)


# --- What runs ---------------------------------------------------------------------------------


def connect() -> None:
    """Have this process write down the scheduled tasks that it runs. Called once, when the apps are ready."""
    task_prerun.connect(_on_start, dispatch_uid="schedule_watch")
    task_postrun.connect(_on_end, dispatch_uid="schedule_watch")


def _on_start(task: Any = None, **_: Any) -> None:
    if name := _schedule_of(task):
        _guarded(note_start, name, timezone.now())


def _on_end(task: Any = None, retval: Any = None, state: str = "", **_: Any) -> None:
    if name := _schedule_of(task):
        failed = isinstance(retval, BaseException) or state == "FAILURE"
        why = f"Unexpected error ({type(retval).__name__}); the log has the details." if failed else ""
        made = retval if isinstance(retval, str) else ""
        _guarded(note_end, name, timezone.now(), why, made)


def _schedule_of(task: Any) -> str:
    """The name of the schedule that a task runs for; django-celery-beat sends it along."""
    return getattr(getattr(task, "request", None), "periodic_task_name", None) or ""


def _guarded(note: Any, *arguments: Any) -> None:
    """The record of a task must not be what it fails of."""
    try:
        note(*arguments)
    except DatabaseError as error:
        log.warning("schedule.not_noted", schedule=arguments[0], error=str(error))


def note_start(name: str, now: datetime) -> None:
    """A worker began with the task of this schedule."""
    schedule = PeriodicTask.objects.filter(name=name).select_related("crontab", "interval").first()
    if schedule is None or runs_often(schedule):
        return
    run, _ = ScheduleRun.objects.get_or_create(schedule=schedule)
    due = None if schedule.crontab is None else last_due(schedule.crontab, now)
    run.outcome, run.finished_at, run.message, run.made = ScheduleRun.Outcome.RUNNING, None, "", ""
    if due is None or due != run.due_at or run.started_at is None:  # else it is the same run, begun again
        run.due_at, run.started_at = due, now
    run.save(update_fields=["outcome", "finished_at", "message", "made", "due_at", "started_at"])


def note_end(name: str, now: datetime, trouble: str = "", made: str = "") -> None:
    """It came to its end. `trouble` is why it failed, `made` what it started."""
    schedule = PeriodicTask.objects.filter(name=name).select_related("crontab", "interval").first()
    if schedule is None:
        return
    outcome = ScheduleRun.Outcome.FAILED if trouble else ScheduleRun.Outcome.DONE
    run = ScheduleRun.objects.filter(schedule=schedule).first() or ScheduleRun(schedule=schedule)
    often = runs_often(schedule)
    if often and run.outcome == outcome and run.finished_at and now - run.finished_at < NOTED:
        return
    values = {"outcome": outcome, "finished_at": now, "message": trouble, "made": made[:100]}
    ScheduleRun.objects.update_or_create(
        schedule=schedule, defaults=values | ({"started_at": now} if often else {})
    )


def runs_often(schedule: PeriodicTask) -> bool:
    """Whether it runs every few seconds or minutes."""
    interval = schedule.interval
    return interval is not None and timedelta(**{interval.period: interval.every}) <= OFTEN


# --- What was due ------------------------------------------------------------------------------


def was_missed(due: datetime, run: ScheduleRun) -> bool:
    """Whether what was due at `due`, long enough ago to be judged, began too late or not at all."""
    if run.started_at is None or run.started_at < due:
        return True
    return run.due_at is not None and run.started_at - run.due_at > LATE


@transaction.atomic
def look(now: datetime) -> list[Schedule]:
    """Compare what was due with what ran. Tells of what was missed for the first time, and returns it.

    Only times of day are judged: what runs every few minutes shows its last run in the list.
    """
    missed = []
    schedules = Schedule.objects.filter(crontab__isnull=False).select_related("crontab").order_by("name")
    for schedule in schedules:
        run, _ = ScheduleRun.objects.get_or_create(schedule_id=schedule.pk)
        if _judge(schedule, run, now):
            missed.append(schedule)
    if missed:
        _tell(missed)
    return missed


def _judge(schedule: Schedule, run: ScheduleRun, now: datetime) -> bool:
    """Bring its row up to date; whether it has just come to be missed."""
    sign = f"{schedule.enabled} {schedule.crontab_id} {schedule.crontab} {schedule.start_time}"[:100]
    since = run.watched_since
    if run.watched_as != sign or since is None:
        ScheduleRun.objects.filter(pk=run.pk).update(watched_as=sign, watched_since=now, missed_at=None)
        return False
    due = last_due(schedule.crontab, now - LATE) if schedule.enabled else None
    starts = schedule.start_time
    if due is None or due < since or (starts is not None and due < starts):
        return False
    if was_missed(due, run):
        return bool(ScheduleRun.objects.filter(pk=run.pk, missed_at=None).update(missed_at=due))
    ScheduleRun.objects.filter(pk=run.pk).exclude(missed_at=None).update(missed_at=None)
    return False


def _tell(missed: Sequence[Schedule]) -> None:
    names = "\n".join(f"• {schedule}" for schedule in missed)
    what = "A schedule" if len(missed) == 1 else f"{len(missed)} schedules"
    write(
        kind=NoticeKind.SCHEDULE_MISSED,
        text=f"{what} did not run when due.\n{names}\nWere the workers or beat down, or busy for long? "
        "The list of schedules shows what ran since. You are told again only after each has run in time.",
        path=reverse("admin:groupadmin_schedule_changelist"),
    )
