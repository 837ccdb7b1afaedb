"""Schedules: in words, with the next run, and editable without a way to break them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks
from hypothesis import given
from hypothesis import strategies as st

from audits.models import AuditRun
from audits.tasks import schedule_audit
from groupadmin.celery import app
from groupadmin.models import Schedule, ScheduleRun
from groupadmin.moments import last_due, next_moment
from groupadmin.schedule_watch import look, note_end, note_start
from groupadmin.schedules import AUDIT_TASK, Weekly, next_run, purpose, rhythm, run_at
from members.notices.models import Notice
from members.operations.models import ActivityEvent
from members.platforms.types import Platform
from tests.processes import eventually

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 5, 4, 12, tzinfo=UTC)
LIST = reverse("admin:groupadmin_schedule_changelist")
ADD = reverse("admin:groupadmin_schedule_add")
FORM = {
    "name": "Audit Telegram",
    "enabled": "on",
    "platforms": ["telegram"],
    "at": "06:30",
    "zone": "Asia/Tokyo",
}


def stored(name: str) -> Schedule:
    return Schedule.objects.get(name=name)


@pytest.fixture
def nightly() -> Schedule:
    return stored("Audit Slack every night")


@pytest.fixture
def housekeeping() -> Schedule:
    return stored("Take up audits that wait")


def page(schedule: Schedule, name: str = "change") -> str:
    return reverse(f"admin:groupadmin_schedule_{name}", args=[schedule.pk])


def save(client: Client, url: str, **values: Any) -> None:
    response = client.post(url, values)
    assert response.status_code == 302, response.context["adminform"].form.errors


def crontab(**fields: str) -> CrontabSchedule:
    return CrontabSchedule.objects.create(**{"minute": "0", "timezone": "UTC", **fields})


# --- In words ---


def test_what_an_audit_looks_at_is_said_in_words(nightly: Schedule) -> None:
    assert purpose(nightly) == "Audits Slack"

    nightly.args, nightly.kwargs = json.dumps([["slack", "telegram"]]), json.dumps({"deep": True})
    assert purpose(nightly) == "Audits Slack and Telegram, reading every member list"


@pytest.mark.parametrize("args", ["", "[]", "[[", '[["discord"]]', "[3]", "3", "null"])
def test_arguments_that_name_no_platform_do_not_break_the_page(
    nightly: Schedule, admin_client: Client, args: str
) -> None:
    PeriodicTask.objects.filter(pk=nightly.pk).update(args=args)

    assert "Audits nothing" in admin_client.get(LIST).content.decode()
    assert admin_client.get(page(nightly)).status_code == 200


def test_housekeeping_says_what_it_is_for(housekeeping: Schedule) -> None:
    assert purpose(housekeeping).startswith("Housekeeping: leave it on.")


def test_housekeeping_that_comes_late_still_counts(db: None) -> None:
    """Late, or by the clock of a worker that is minutes ahead of beat's."""
    assert not PeriodicTask.objects.filter(expire_seconds__lt=300).exists()


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ({0, 1, 2, 3, 4, 5, 6}, "Every day at 02:05 Europe/Berlin"),
        ({1}, "Mondays at 02:05 Europe/Berlin"),
        ({0, 5}, "Fridays, Sundays at 02:05 Europe/Berlin"),
    ],
)
def test_times_of_the_week_read_back_as_they_were_written(
    nightly: Schedule, days: set[int], words: str
) -> None:
    run_at(nightly, Weekly(frozenset(days), time(2, 5), ZoneInfo("Europe/Berlin")))
    nightly.save()

    assert rhythm(stored(nightly.name)) == words


def test_other_rhythms_have_words_too(nightly: Schedule, housekeeping: Schedule) -> None:
    assert rhythm(housekeeping) == "Every 30 seconds"

    housekeeping.interval = IntervalSchedule(every=300, period=IntervalSchedule.SECONDS)
    assert rhythm(housekeeping) == "Every 5 minutes"

    nightly.crontab = crontab(minute="*/15", hour="*")
    assert rhythm(nightly) == "Every 15 minutes UTC"


# --- The next run ---


def test_the_next_run_follows_the_schedules_own_time_zone(nightly: Schedule) -> None:
    assert next_run(nightly, MONDAY) == datetime(2026, 5, 5, 2, tzinfo=UTC)

    run_at(nightly, Weekly(frozenset({1}), time(15), ZoneInfo("Europe/Berlin")))
    assert next_run(nightly, MONDAY) == datetime(2026, 5, 4, 13, tzinfo=UTC)
    assert next_run(nightly, MONDAY + timedelta(hours=2)) == datetime(2026, 5, 11, 13, tzinfo=UTC)


def test_an_interval_is_counted_from_the_last_run(housekeeping: Schedule) -> None:
    housekeeping.last_run_at = MONDAY - timedelta(seconds=70)  # beat writes it down every few minutes only

    assert next_run(housekeeping, MONDAY) == MONDAY + timedelta(seconds=20)


def test_what_is_switched_off_has_no_next_run(nightly: Schedule) -> None:
    nightly.enabled = False

    assert next_run(nightly, MONDAY) is None


def test_nothing_runs_before_its_start(nightly: Schedule) -> None:
    nightly.start_time = datetime(2026, 6, 1, tzinfo=UTC)

    assert next_run(nightly, MONDAY) == datetime(2026, 6, 1, 2, tzinfo=UTC)


# --- The page ---


def test_there_is_one_page_for_all_of_it(admin_client: Client) -> None:
    assert not [model for model in admin.site._registry if model._meta.app_label == "django_celery_beat"], (
        "the scheduler's own pages let a task be mistyped"
    )
    content = admin_client.get(LIST).content.decode()
    for words in ("Audits Slack and Telegram", "Mondays at 03:00 UTC", "Every 30 seconds"):
        assert words in content


def test_a_new_schedule_is_an_audit(admin_client: Client) -> None:
    save(admin_client, ADD, **FORM, days=["1", "3"], deep="on")

    schedule = stored("Audit Telegram")
    assert purpose(schedule) == "Audits Telegram, reading every member list"
    assert rhythm(schedule) == "Mondays, Wednesdays at 06:30 Asia/Tokyo"
    assert schedule.task == AUDIT_TASK
    schedule_audit(*json.loads(schedule.args), **json.loads(schedule.kwargs))
    run = AuditRun.objects.get()
    assert (run.platforms, run.deep) == ([Platform.TELEGRAM], True)


def test_what_is_left_out_is_named_once(admin_client: Client) -> None:
    response = admin_client.post(ADD, {"name": "Audit"})

    assert set(response.context["adminform"].form.errors) == {"platforms", "days", "at", "zone"}


def test_equal_times_are_stored_once(admin_client: Client, nightly: Schedule) -> None:
    every_day = [str(day) for day in range(7)]
    save(admin_client, ADD, **{**FORM, "at": "02:00", "zone": "UTC"}, days=every_day)

    assert stored("Audit Telegram").crontab == nightly.crontab


def test_saving_without_a_change_changes_nothing(admin_client: Client, nightly: Schedule) -> None:
    PeriodicTask.objects.filter(pk=nightly.pk).update(last_run_at=MONDAY)
    shown = admin_client.get(page(nightly)).context["adminform"].form.initial
    before = PeriodicTask.objects.values().get(pk=nightly.pk)

    save(admin_client, page(nightly), **{**shown, "enabled": "on", "deep": ""})

    after = PeriodicTask.objects.values().get(pk=nightly.pk)
    assert {name for name in before if before[name] != after[name]} <= {"date_changed", "kwargs"}
    assert json.loads(after["kwargs"]) == {}


def test_beat_learns_of_a_change_and_makes_up_for_nothing(admin_client: Client, nightly: Schedule) -> None:
    """A moment that only the new times have is not one that was missed."""
    PeriodicTask.objects.filter(pk=nightly.pk).update(last_run_at=MONDAY)
    told = PeriodicTasks.last_change()

    save(admin_client, page(nightly), **FORM, days=["1"])

    assert stored("Audit Telegram").last_run_at is None
    assert PeriodicTasks.last_change() != told


def test_a_rhythm_that_the_form_cannot_say_stays(admin_client: Client, nightly: Schedule) -> None:
    nightly.crontab, nightly.interval = None, IntervalSchedule.objects.create(every=6, period="hours")
    nightly.save()
    assert "Every 6 hours" in admin_client.get(page(nightly)).content.decode()

    save(admin_client, page(nightly), **FORM)

    assert (rhythm(stored("Audit Telegram")), purpose(stored("Audit Telegram"))) == (
        "Every 6 hours",
        "Audits Telegram",
    )


def test_housekeeping_can_only_be_switched_off_and_on(admin_client: Client, housekeeping: Schedule) -> None:
    task = housekeeping.task
    save(admin_client, page(housekeeping), name="other", task="other", platforms="slack")

    housekeeping.refresh_from_db()
    assert (housekeeping.name, housekeeping.task, housekeeping.enabled) == (
        "Take up audits that wait",
        task,
        False,
    )
    assert admin_client.post(page(housekeeping, "delete"), {"post": "yes"}).status_code == 403


def test_an_audits_schedule_can_be_deleted(admin_client: Client, nightly: Schedule) -> None:
    admin_client.post(page(nightly, "delete"), {"post": "yes"})

    assert not Schedule.objects.filter(pk=nightly.pk).exists()


def test_several_are_switched_at_once(
    admin_client: Client, nightly: Schedule, housekeeping: Schedule
) -> None:
    for action, enabled in (("switch_off", False), ("switch_on", True)):
        told = PeriodicTasks.last_change()
        admin_client.post(LIST, {"action": action, "_selected_action": [nightly.pk, housekeeping.pk]})
        assert {stored(row.name).enabled for row in (nightly, housekeeping)} == {enabled}
        assert PeriodicTasks.last_change() != told


def test_who_changed_a_schedule_and_how_is_in_the_activity_record(
    admin_client: Client, nightly: Schedule, housekeeping: Schedule
) -> None:
    save(admin_client, ADD, **FORM, days=["1"])
    added = page(stored("Audit Telegram"))
    for _ in range(2):  # the second changes nothing, and says nothing
        save(admin_client, added, **{**FORM, "at": "07:00"}, days=["1"])
    for _ in range(2):
        admin_client.post(
            LIST, {"action": "switch_off", "_selected_action": [nightly.pk, stored("Audit Telegram").pk]}
        )
    save(admin_client, page(housekeeping))
    admin_client.post(f"{added.removesuffix('change/')}delete/", {"post": "yes"})

    events = ActivityEvent.objects.filter(action__startswith="schedule.").order_by("pk")
    assert list(events.values_list("actor", "action", "subject", "detail")) == [
        (
            "admin",
            "schedule.added",
            "Audit Telegram",
            "switched on; Audits Telegram; Mondays at 06:30 Asia/Tokyo",
        ),
        (
            "admin",
            "schedule.changed",
            "Audit Telegram",
            "Mondays at 06:30 Asia/Tokyo → Mondays at 07:00 Asia/Tokyo",
        ),
        ("admin", "schedule.changed", "Audit Slack every night", "switched on → switched off"),
        ("admin", "schedule.changed", "Audit Telegram", "switched on → switched off"),
        ("admin", "schedule.changed", "Take up audits that wait", "switched on → switched off"),
        (
            "admin",
            "schedule.deleted",
            "Audit Telegram",
            "switched off; Audits Telegram; Mondays at 07:00 Asia/Tokyo",
        ),
    ]


def test_who_may_only_look_sees_words_and_changes_nothing(
    client: Client, nightly: Schedule, housekeeping: Schedule
) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_schedule"))
    client.force_login(reader)

    assert "Every day at 02:00 UTC" in client.get(page(nightly)).content.decode()
    assert client.get(page(housekeeping)).status_code == 200
    assert client.post(page(nightly), FORM).status_code == 403


# --- What ran, and what did not ---

NIGHT = datetime(2026, 5, 5, 2, tzinfo=UTC)
"""When the nightly audit is due next after `MONDAY`."""


def missed() -> list[str]:
    """What people were told of schedules that did not run."""
    notices = Notice.objects.filter(kind="schedule_missed").order_by("pk")
    return list(notices.values_list("text", flat=True))


def nightly_is(words: str, client: Client) -> bool:
    page = client.get(LIST).content.decode()
    return words in next(row for row in page.split("<tr") if "Audit Slack every night" in row)


def test_a_worker_writes_down_what_ran_and_the_list_leads_to_it(worker: None, admin_client: Client) -> None:
    two = CrontabSchedule.objects.create(minute="0", hour="2")
    name = "Audit Slack every night"  # an earlier test may have emptied the database
    PeriodicTask.objects.get_or_create(name=name, defaults={"task": AUDIT_TASK, "crontab": two})
    headers = {"periodic_task_name": name}
    app.send_task(AUDIT_TASK, ([["slack"]]), headers=headers)
    eventually(lambda: ScheduleRun.objects.filter(outcome="done").exists())

    assert nightly_is(f"{AuditRun.objects.earliest('pk')}</a>: ", admin_client)
    app.send_task(AUDIT_TASK, (3,), headers=headers)
    eventually(lambda: ScheduleRun.objects.filter(outcome="failed").exists())
    assert nightly_is("Unexpected error (TypeError)", admin_client)


def test_what_runs_all_the_time_is_noted_once_a_minute_and_the_list_says_so(
    housekeeping: Schedule, admin_client: Client
) -> None:
    for seconds in (0, 30, 59, 61, 90):
        note_end(housekeeping.name, NIGHT + timedelta(seconds=seconds))
    row = ScheduleRun.objects.get(schedule=housekeeping)
    assert row.finished_at == row.started_at == NIGHT + timedelta(seconds=61)
    note_end(housekeeping.name, NIGHT + timedelta(seconds=91), trouble="The disk is full.")

    row = ScheduleRun.objects.get(schedule=housekeeping)
    assert (row.finished_at, row.outcome) == (NIGHT + timedelta(seconds=91), "failed"), "a change is noted"
    drawn = admin_client.get(LIST).content.decode()
    assert ">or later</span>" in next(row for row in drawn.split("<tr") if housekeeping.name in row)


def test_what_was_not_sent_or_not_begun_is_told_once_until_it_runs_in_time(
    nightly: Schedule, admin_client: Client
) -> None:
    PeriodicTask.objects.exclude(pk=nightly.pk).update(enabled=False)
    look(MONDAY)
    look(NIGHT + timedelta(minutes=30))
    assert missed() == [], "it may still come"

    for hours in (2, 3, 26, 50):
        look(NIGHT + timedelta(hours=hours))
    (text,) = missed()
    assert "did not run when due.\n• Audit Slack every night" in text
    assert nightly_is("was due at 5 May 2026, 02:00 UTC and has not run since", admin_client)

    late = NIGHT + timedelta(days=2, hours=6)  # beat is back, and makes up for it
    note_start(nightly.name, late)
    note_end(nightly.name, late, made="")
    look(late + timedelta(hours=2))
    assert len(missed()) == 1
    assert nightly_is("the last run began 6\N{NO-BREAK SPACE}h late", admin_client)

    in_time = NIGHT + timedelta(days=3, seconds=2)
    note_start(nightly.name, in_time)
    look(in_time + timedelta(hours=2))
    assert not nightly_is("Missed", admin_client)
    look(NIGHT + timedelta(days=4, hours=2))
    assert len(missed()) == 2, "it has run in time since"


def test_a_schedule_that_was_changed_or_off_has_missed_nothing(nightly: Schedule) -> None:
    PeriodicTask.objects.exclude(pk=nightly.pk).update(enabled=False)
    look(MONDAY)
    PeriodicTask.objects.filter(pk=nightly.pk).update(enabled=False)
    look(MONDAY + timedelta(days=7))
    PeriodicTask.objects.filter(pk=nightly.pk).update(enabled=True)
    look(MONDAY + timedelta(days=8))
    look(MONDAY + timedelta(days=8, hours=1))

    assert missed() == []


@given(
    hour=st.sampled_from(["*", "*/6", "2", "23"]),
    days=st.sampled_from(["*", "1", "0,5"]),
    minutes=st.integers(0, 60 * 24 * 366),
)
def test_the_last_moment_that_was_due_is_followed_by_one_that_is_not_yet(
    hour: str, days: str, minutes: int
) -> None:
    times = CrontabSchedule(minute="30", hour=hour, day_of_week=days, timezone=ZoneInfo("Europe/Berlin"))
    now = MONDAY + timedelta(minutes=minutes)

    due = last_due(times, now)

    assert due is not None
    assert due <= now < next_moment(times, due)
