"""The record of who lets whom in: lines of the activity record about people, roles and second factors."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils import timezone

from members.operations import activity
from members.operations.activity import Event
from members.operations.models import ActivityEvent

_SUBJECT_LENGTH: int = ActivityEvent._meta.get_field("subject").max_length or 0


def note(actor: User | str, action: str, whom: User | str, detail: str = "") -> None:
    """Write down that `actor` did `action` to the access of `whom`: a person, or a role by its name."""
    by = actor if isinstance(actor, str) else actor.get_username()
    name = whom if isinstance(whom, str) else whom.get_username()
    event = Event(actor=by, action=action, subject=name[:_SUBJECT_LENGTH], detail=detail)
    activity.record(events=[event], at=timezone.now())
