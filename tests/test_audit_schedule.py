"""The audits that nobody has to start."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django_celery_beat.models import PeriodicTask

from audits.models import AuditRun, RunState
from audits.tasks import schedule_audit
from groupadmin.celery import app

pytestmark = pytest.mark.django_db


def schedules() -> dict[str, Any]:
    return {entry.name: entry for entry in PeriodicTask.objects.filter(task__startswith="audits.")}


def test_slack_is_audited_every_night_at_two() -> None:
    entry = schedules()["Audit Slack every night"]
    crontab = entry.crontab
    assert (crontab.minute, crontab.hour, crontab.day_of_week, str(crontab.timezone)) == (
        "0",
        "2",
        "*",
        "UTC",
    )
    assert (json.loads(entry.args), entry.enabled) == ([["slack"]], True)


def test_both_platforms_are_audited_every_week() -> None:
    entry = schedules()["Audit Slack and Telegram every week"]
    assert (entry.crontab.hour, entry.crontab.day_of_week) == ("3", "1")
    assert (json.loads(entry.args), entry.enabled) == ([["slack", "telegram"]], True)


def test_waiting_audits_are_looked_after_all_the_time() -> None:
    entry = schedules()["Take up audits that wait"]
    assert (entry.interval.every, entry.interval.period, entry.enabled) == (30, "seconds", True)


def test_every_schedule_names_a_task_that_there_is() -> None:
    app.loader.import_default_modules()
    assert {entry.task for entry in schedules().values()} <= app.tasks.keys()


@pytest.mark.parametrize("name", ["Audit Slack every night", "Audit Slack and Telegram every week"])
def test_a_scheduled_audit_is_requested_as_written(name: str) -> None:
    arguments = json.loads(schedules()[name].args)

    schedule_audit(*arguments)

    run = AuditRun.objects.get()
    assert (run.platforms, run.trigger, run.state, run.deep) == (arguments[0], "schedule", "queued", False)


def test_an_equal_audit_that_is_not_finished_is_enough() -> None:
    schedule_audit(["slack", "telegram"])
    schedule_audit(["telegram", "slack"])
    schedule_audit(["slack"])
    assert AuditRun.objects.count() == 2

    AuditRun.objects.update(state=RunState.COMPLETE)
    schedule_audit(["slack"])
    assert AuditRun.objects.count() == 3


@pytest.mark.parametrize("platforms", [["discord"], ["slack", "discord"], "slack", []])
def test_a_mistyped_platform_leaves_a_failed_run_that_says_so(platforms: list[str]) -> None:
    schedule_audit(platforms)
    run = AuditRun.objects.get()
    assert (run.state, run.trigger) == ("failed", "schedule")
    assert "names no such platforms" in run.message
