"""`manage.py verify_activity`: whether the record of who did what is whole, in one line."""

from __future__ import annotations

import pytest
from django.db import connection
from django.utils import timezone

from members.operations import activity
from members.operations.activity import Event
from members.operations.models import ActivityEvent
from tests.command_line import run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _record() -> None:
    activity.record(events=[Event("ada", f"test.{n}") for n in range(3)], at=timezone.now())


def test_says_in_one_line_that_it_is_whole() -> None:
    told = run("verify_activity")

    assert (told.code, told.lines) == (0, ["The activity record is whole: 3 events, every link checked."])
    assert told.document == {"whole": True, "events": 3, "purged": 0, "broken_at": None, "problem": ""}


def test_names_the_first_event_that_was_changed() -> None:
    event = ActivityEvent.objects.get(action="test.1")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE operations_activityevent SET actor = 'bo' WHERE id = %s", [event.pk])

    told = run("verify_activity")

    assert (told.code, told.printed) == (1, "")
    assert told.complaint == (
        f"The activity record is not whole: Event {event.pk}: it was changed. "
        "Keep the database as it is, and compare it with a backup."
    )
    assert told.document == {
        "whole": False,
        "events": 2,
        "purged": 0,
        "broken_at": event.pk,
        "problem": "it was changed",
    }


def test_notices_an_end_that_was_cut_off() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM operations_activityevent WHERE action = 'test.2'")

    told = run("verify_activity")

    assert told.code == 1
    assert "3 events were recorded, 2 are there." in told.complaint
    assert told.document["broken_at"] is None
