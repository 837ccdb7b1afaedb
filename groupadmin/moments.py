"""The moments that a crontab names."""

from __future__ import annotations

from datetime import datetime, timedelta

from django_celery_beat.models import CrontabSchedule

WINDOWS = tuple(timedelta(hours=2**power) for power in range(12))
"""How far back a moment is looked for that was due: up to twelve weeks."""


def next_moment(crontab: CrontabSchedule, after: datetime) -> datetime:
    """The first moment after `after` (aware) that a crontab names."""
    start, ends_in, _ = crontab.schedule.remaining_delta(after.astimezone(crontab.timezone))
    moment: datetime = start + ends_in
    return moment


def last_due(crontab: CrontabSchedule, by: datetime) -> datetime | None:
    """The last moment up to `by` (aware) that a crontab names; None where there is none in twelve weeks."""
    for window in WINDOWS:
        moment = next_moment(crontab, by - window)
        if moment <= by:
            while (following := next_moment(crontab, moment)) <= by:
                moment = following
            return moment
    return None
