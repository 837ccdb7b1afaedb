"""What schedules do with conversations: syncs by night, exports by month, for those who switch them on."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from audits.history.models import ExportJob, SyncJob
from audits.history.scheduled import month_before
from audits.history.tasks import export_on_schedule, sync_on_schedule
from groupadmin.models import Schedule
from groupadmin.schedules import EXPORT_TASK, SYNC_TASK, purpose, rhythm
from members.jobs import JobState
from members.models import Category, Group
from members.platforms.types import Platform
from tests.history_rows import talk

pytestmark = pytest.mark.django_db

ADD = reverse("admin:groupadmin_schedule_add")


def test_nothing_is_fetched_or_exported_unless_somebody_switches_it_on() -> None:
    rows = PeriodicTask.objects.filter(task__startswith="audits.history.")
    enabled = {row.task: row.enabled for row in rows}
    assert {task for task, on in enabled.items() if not on} == {SYNC_TASK, EXPORT_TASK}
    assert enabled.keys() >= {f"audits.history.{name}" for name in ("wake", "forget_exports", "purge")}
    said = [(purpose(row), rhythm(row)) for row in Schedule.objects.filter(task__in=[SYNC_TASK, EXPORT_TASK])]
    assert sorted(said) == [
        (
            "Exports the month before of the conversations that are kept up to date as Web pages (HTML)",
            "Every month on day 1 at 06:00 UTC",
        ),
        ("Fetches what is new in the conversations that are kept up to date", "Every day at 01:00 UTC"),
    ]


def test_a_sync_fetches_the_set_once_at_a_time() -> None:
    category = Category.objects.create(key="customer", name="Customer")
    talk("kept", kept=True)
    talk("theirs", category=category)
    archived = talk("archived", kept=True, category=category).group
    Group.objects.filter(pk=archived.pk).update(archived=True)
    for _ in range(2):
        sync_on_schedule("kept")
    sync_on_schedule("category:customer")
    assert [(job.groups, job.asked_by) for job in SyncJob.objects.order_by("pk")] == [
        ([["slack", "KEPT"]], "schedule"),
        ([["slack", "THEIRS"]], "schedule"),
    ]


def test_an_export_holds_the_month_before_of_the_groups_that_fit() -> None:
    talk("kept", kept=True)
    talk("also kept", Platform.TELEGRAM, kept=True)
    for _ in range(2):
        export_on_schedule("kept", "telegram-json")
    job = ExportJob.objects.get()
    assert job.groups == [["telegram", "ALSO KEPT"]]
    assert job.until is not None and job.since is not None and job.sync is not None
    assert (job.since.day, job.until.day, (job.until - job.since).days in (28, 29, 30, 31)) == (1, 1, True)
    export_on_schedule("kept", "jsonl", last_month=False)
    whole = ExportJob.objects.latest("pk")
    assert (whole.since, len(whole.groups)) == (None, 2)


def test_the_month_before() -> None:
    first, end = datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    assert month_before(datetime(2026, 1, 31, 23, 59, tzinfo=UTC)) == (first, end)


@pytest.mark.parametrize("word", ["everything", "category:nowhere", None, 3, ["kept"]])
def test_a_mistyped_set_leaves_a_failed_job_that_says_so(word: object) -> None:
    sync_on_schedule(word)  # type: ignore[arg-type]
    export_on_schedule(word, "html")  # type: ignore[arg-type]
    for job in (SyncJob.objects.get(), ExportJob.objects.get()):
        assert job.state == JobState.FAILED
        assert job.message.startswith(f"The schedule names no such groups: {word!r}.")


def test_a_mistyped_format_does_as_well() -> None:
    talk("kept", kept=True)
    export_on_schedule("kept", "pdf")
    job = ExportJob.objects.get()
    assert (job.state, "no such format: 'pdf'" in job.message) == (JobState.FAILED, True)


def test_people_schedule_them_in_words(admin_client: Client) -> None:
    Category.objects.create(key="customer", name="Customer")
    times = {"at": "06:30", "zone": "Asia/Tokyo"}
    sync = {"name": "Customers", "enabled": "on", "groups": "category:customer", "days": ["1", "4"], **times}
    assert admin_client.post(f"{ADD}?kind=sync", sync).status_code == 302
    export = {"name": "Archive", "groups": "kept", "format": "jsonl", "span": "all", "day": "15", **times}
    assert admin_client.post(f"{ADD}?kind=export", export).status_code == 302

    customers, archive = Schedule.objects.get(name="Customers"), Schedule.objects.get(name="Archive")
    assert (customers.task, json.loads(customers.args)) == (SYNC_TASK, ["category:customer"])
    assert purpose(customers) == "Fetches what is new in the groups of the category “Customer”"
    assert rhythm(customers) == "Mondays, Thursdays at 06:30 Asia/Tokyo"
    assert (archive.enabled, json.loads(archive.args)) == (False, ["kept", "jsonl"])
    assert json.loads(archive.kwargs) == {"last_month": False}
    assert rhythm(archive) == "Every month on day 15 at 06:30 Asia/Tokyo"

    url = reverse("admin:groupadmin_schedule_change", args=[archive.pk])
    assert 'value="15"' in admin_client.get(url).content.decode()
    assert admin_client.post(url, {**export, "day": "31"}).status_code == 200
    assert admin_client.post(url, {**export, "span": "month"}).status_code == 302
    assert purpose(Schedule.objects.get(name="Archive")).startswith("Exports the month before of")


@pytest.mark.parametrize("args", ["", "[]", "[[", '["nowhere", "pdf"]', "[3]", "null"])
def test_arguments_that_make_no_sense_break_no_page(admin_client: Client, args: str) -> None:
    PeriodicTask.objects.filter(task__in=[SYNC_TASK, EXPORT_TASK]).update(args=args)
    listed = admin_client.get(reverse("admin:groupadmin_schedule_changelist")).content.decode()
    assert "Fetches what is new in no groups" in listed
    assert "Exports the month before of no groups as nothing" in listed
    for row in Schedule.objects.filter(task__in=[SYNC_TASK, EXPORT_TASK]):
        url = reverse("admin:groupadmin_schedule_change", args=[row.pk])
        assert admin_client.get(url).status_code == 200
