"""The record of who changes what happens by itself: lines of the activity record about schedules."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from groupadmin import schedules
from groupadmin.access import note
from groupadmin.models import Schedule

Said = tuple[str, ...]
"""A schedule as people know it: its name, whether it is on, what it does, when it runs."""


def said_of(schedule: Schedule) -> Said:
    """What pages say of the schedule as it stands, saved or not."""
    switched = "switched on" if schedule.enabled else "switched off"
    return schedule.name, switched, schedules.purpose(schedule), schedules.rhythm(schedule)


def stored(schedule: Schedule) -> Said:
    """The same of what the database has of it."""
    return said_of(Schedule.objects.select_related("crontab", "interval").get(pk=schedule.pk))


def note_addition(*, actor: User, schedule: Schedule) -> None:
    """Write down that `actor` made it."""
    note(actor, "schedule.added", schedule.name, "; ".join(said_of(schedule)[1:]))


def note_change(*, actor: User, before: Said, schedule: Schedule) -> None:
    """Write down what `actor` made of what it was before; nothing where it is the same."""
    pairs = zip(before, said_of(schedule), strict=True)
    changes = [f"{old} → {new}" for old, new in pairs if old != new]
    if changes:
        note(actor, "schedule.changed", schedule.name, "; ".join(changes))


def note_deletion(*, actor: User, schedule: Schedule) -> None:
    """Write down that `actor` deleted it."""
    note(actor, "schedule.deleted", schedule.name, "; ".join(said_of(schedule)[1:]))


@transaction.atomic
def switch(*, schedule: Schedule, on: bool, actor: User) -> None:
    """Let it run, or let it wait; whoever asked is written down. Saving is what tells beat."""
    before = said_of(schedule)
    schedule.enabled = on
    schedule.save()
    note_change(actor=actor, before=before, schedule=schedule)
