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

from audits.models import AuditRun
from audits.tasks import schedule_audit
from groupadmin.models import Schedule
from groupadmin.schedules import AUDIT_TASK, Weekly, next_run, purpose, rhythm, run_at
from members.platforms.types import Platform

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


def test_who_may_only_look_sees_words_and_changes_nothing(
    client: Client, nightly: Schedule, housekeeping: Schedule
) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_schedule"))
    client.force_login(reader)

    assert "Every day at 02:00 UTC" in client.get(page(nightly)).content.decode()
    assert client.get(page(housekeeping)).status_code == 200
    assert client.post(page(nightly), FORM).status_code == 403
