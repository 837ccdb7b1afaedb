"""A day of schedules in a minute: each runs as often as it says, none fails, and nothing piles up."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from pytest_django import Settings

from audits.models import AuditRun
from groupadmin.models import ScheduleRun
from members.notices.models import Notice
from members.operations import activity
from members.operations.models import Operation
from tests.processes import ROOT, product_environment
from tests.proof_world import EXPIRED, World, world_of
from tests.test_proof_clocks import LIBRARY, moved_clock

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(LIBRARY is None, reason="needs libfaketime; on Debian: apt-get install faketime"),
]
ONCE_A_DAY = {
    "Audit Slack every night",
    "Let exclusions end",
    "Add missing members",
    "Read the gated community's members",
    "Sweep the gated community",
    "Keep conversations up to date",
    "Delete old messages",
    "Delete old records",
    "Forget expired sign-ins",
    "Forget unfinished imports",
}
ON_MONDAYS = {"Audit Slack and Telegram every week", "Report coverage every week"}
HOURLY, MONTHLY = "Delete expired exports", "Export conversations every month"


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path


def monday() -> datetime:
    """The next one that is not the first of a month, just before it begins."""
    day = datetime.now(UTC).date() + timedelta(days=1)
    while day.weekday() != 0 or day.day == 1:
        day += timedelta(days=1)
    return datetime.combine(day, time(), UTC) - timedelta(seconds=30)


def live(world: World, folder: Path, start: datetime, hours: float, *looks: float) -> dict[str, Any]:
    """Let so many hours pass. How often each schedule ran; and how many rows each table had then."""
    from django.conf import settings

    env = product_environment(
        **world.environment | {"VAR_DIR": str(folder), "MEDIA_ROOT": str(settings.MEDIA_ROOT)}
    )
    command = [sys.executable, "-m", "tests.day_process", start.isoformat(), *map(str, (hours, *looks))]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env | moved_clock(FAKETIME="+0", FAKETIME_NO_CACHE="1"),
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert "Traceback" not in done.stderr, done.stderr[-5000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def seconds_of(task: PeriodicTask) -> float:
    return timedelta(**{task.interval.period: task.interval.every}).total_seconds()


def test_every_schedule_of_a_fresh_installation_runs_through_a_day(
    installation: None, settings: Settings, folder: Path
) -> None:
    start = monday()
    with world_of(settings) as world:
        live(world, folder, start - timedelta(minutes=1), 0.0001)  # beat stores what the settings name
        PeriodicTask.objects.update(enabled=True, date_changed=start - timedelta(hours=1))
        intervals = {task.name: seconds_of(task) for task in PeriodicTask.objects.exclude(interval=None)}
        by_the_clock = ONCE_A_DAY | ON_MONDAYS | {HOURLY}
        assert {*intervals, *by_the_clock, MONTHLY} == set(
            PeriodicTask.objects.values_list("name", flat=True)
        )

        minutes = live(world, folder, start - timedelta(minutes=10), 5 / 60)["ran"]
        slow, _ = IntervalSchedule.objects.get_or_create(every=1200, period=IntervalSchedule.SECONDS)
        short = PeriodicTask.objects.filter(name__in=[n for n, s in intervals.items() if s < 60])
        short.update(interval=slow)
        day = live(world, folder, start, 24, 12)

    for name, seconds in intervals.items():
        if seconds < 60:
            assert 0.8 * 300 / seconds <= minutes.get(name, 0) <= 300 / seconds + 1, name
        else:
            assert 0.9 * 86_400 / seconds <= day["ran"].get(name, 0) <= 86_400 / seconds + 1, name
    ran = {name: count for name, count in day["ran"].items() if name not in intervals}
    assert ran == dict.fromkeys(ONCE_A_DAY | ON_MONDAYS, 1) | {HOURLY: 24}
    runs = {run.schedule.name: run for run in ScheduleRun.objects.exclude(started_at=None)}
    assert set(runs) == set(intervals) | by_the_clock
    assert {run.outcome for run in runs.values()} == {"done"}, {n: r.message for n, r in runs.items()}
    assert all(run.finished_at is not None and run.finished_at > start for run in runs.values())
    assert not Notice.objects.filter(kind="schedule_missed").exists()
    assert set(AuditRun.objects.filter(trigger="schedule").values_list("state", flat=True)) == {"complete"}
    assert not Operation.objects.exclude(state__in=("done", "partial")).exists()
    assert len(world.kicks()) == len(EXPIRED)
    assert activity.verify().problem == ""
    grown = {t: n - day["rows"]["12"][t] for t, n in day["rows"]["end"].items() if n > day["rows"]["12"][t]}
    assert grown == {}, "in the hours in which nothing is to be done"
