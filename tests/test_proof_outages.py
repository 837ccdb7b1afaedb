"""What everything stands on goes away and comes back, while every kind of job is under way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings

from audits.custody import FOLLOW_UP_TIME
from audits.history.models import SyncJob
from audits.models import AuditRun, RunState, Trigger
from audits.services import request_audit
from audits.tasks import enqueue
from members.notices.delivery import LOST_AFTER
from members.notices.models import Message, Notice
from members.operations.models import Operation
from members.operations.states import FINISHED
from members.platforms.types import Platform
from tests.operations_world import time_passes
from tests.processes import eventually, free_port, product_environment
from tests.proof_gate import Gate
from tests.proof_stack import CORE, Stack, look_often, stack_of
from tests.proof_world import Day, World, ask_for, assert_all_is_well, begin, world_of
from tests.servers import Postgres, own_postgres, redis_at

pytestmark = pytest.mark.services


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path / "stack"


def environment(world: World, folder: Path, **settings: str) -> dict[str, str]:
    own = {"REDIS_URL": django_settings.REDIS_URL, "MEDIA_ROOT": str(django_settings.MEDIA_ROOT)}
    return product_environment(**world.environment | own | {"VAR_DIR": str(folder)} | settings)


# --- Our own servers ---


@pytest.fixture
def postgres(fresh_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Postgres]:
    """A fresh installation on a server of the test's own, which may be restarted."""
    known = connection.settings_dict
    there = f"postgres://{known['USER']}@{known['HOST']}:{known['PORT']}/{fresh_database}"
    with own_postgres() as server, django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        server.fill_from(there)
        connection.close()
        for name, value in {"HOST": "127.0.0.1", "PORT": server.port, "NAME": "postgres"}.items():
            patch.setitem(known, name, value)
        yield server
        connection.close()


def restart(postgres: Postgres, mode: str, stack: Stack) -> None:
    connection.close()
    postgres.stop(mode)
    eventually(lambda: stack.readiness() == (503, {"database": False, "broker": True}))
    time.sleep(1)
    postgres.start()
    stack.wait_until_ready()


def test_redis_and_postgresql_go_away_and_come_back(
    postgres: Postgres, settings: Settings, folder: Path, tmp_path: Path
) -> None:
    port = free_port()
    with ExitStack() as broker, world_of(settings) as world:
        look_often()
        redis = broker.enter_context(redis_at(port, tmp_path))
        env = environment(world, folder, REDIS_URL=f"redis://127.0.0.1:{port}")
        with stack_of(folder, env, *CORE) as stack:
            world.take(0.05)
            day = begin(world)
            day.goes_on(4)
            redis.flushall()
            day.goes_on(4)
            broker.close()
            eventually(lambda: stack.readiness()[0] == 503)
            assert stack.readiness()[1]["broker"] is False
            broker.enter_context(redis_at(port, tmp_path))
            stack.wait_until_ready()
            for mode in ("fast", "immediate"):
                day.goes_on(4)
                restart(postgres, mode, stack)
            comes_to_its_end(day)
            assert all(map(stack.is_alive, CORE)), "everybody came back without being started again"
        assert_all_is_well(day)


# --- The way to the platforms ---


@pytest.fixture
def gates() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def what_is_said() -> str:
    """On the pages of what is under way."""
    operations = Operation.objects.values_list("message", "parts")
    return str([*operations, *SyncJob.objects.values_list("message", "progress_label")])


def time_goes_by() -> None:
    """As much as what waits for an outage to end, or is held by nobody any more, still has to wait."""
    for operation in Operation.objects.filter(state="waiting"):
        time_passes(operation)
    now = timezone.now()
    SyncJob.objects.filter(state="waiting").update(resume_at=now)
    Message.objects.filter(state="waiting").update(due_at=now)
    left = now - timedelta(seconds=60)  # nothing here takes so long
    Message.objects.filter(state="sending", claimed_at__lt=left).update(claimed_at=now - LOST_AFTER)
    audits = AuditRun.objects.filter(state__in=RunState.ended())
    long_ago = left - FOLLOW_UP_TIME
    for ended in audits, Operation.objects.filter(state__in=FINISHED):
        theirs = ended.exclude(owner="").filter(heartbeat_at__lt=left, heartbeat_at__gt=long_ago)
        theirs.update(heartbeat_at=long_ago)  # once: who adopts it goes by this moment


def comes_to_its_end(day: Day) -> None:
    def over() -> bool:
        time_goes_by()
        return day.is_over()

    day.waits(over)


def test_the_network_to_the_platforms_goes_away_and_comes_back(
    installation: None, settings: Settings, folder: Path, gates: ExitStack
) -> None:
    with world_of(settings) as world:
        look_often()
        slack = gates.enter_context(Gate(world.sandbox.slack.port))
        telegram = gates.enter_context(Gate(world.sandbox.telegram.port))
        dc = world.sandbox.telegram.server.partition(":")[0]
        env = environment(
            world,
            folder,
            SLACK_API_URL=world.sandbox.slack.api_url.replace(str(world.sandbox.slack.port), str(slack.port)),
            TELEGRAM_SERVER=f"{dc}:127.0.0.1:{telegram.port}",
            LIVE_EVENTS="False",
        )
        with stack_of(folder, env, "worker", "telegram", "beat"):
            world.take(0.1)
            day = begin(world)
            day.goes_on(4)

            for gate in (slack, telegram):
                gate.refuse()
            day.waits(lambda: "cannot be reached" in what_is_said())
            for gate in (slack, telegram):
                gate.reopen()
            time_goes_by()
            day.goes_on(4)

            for gate in (slack, telegram):
                gate.fall_silent()
            time.sleep(22)  # longer than any call waits for its answer
            for gate in (slack, telegram):
                gate.reopen()
            time_goes_by()
            day.goes_on(4)

            for _ in range(3):
                for gate in (slack, telegram):
                    gate.cut(2)
                day.goes_on(2)
            for gate in (slack, telegram):
                gate.reopen()

            comes_to_its_end(day)
            audit = day.row("audit")
            if audit.state in ("partial", "failed"):  # it looked when nothing was to be seen, and says so
                assert "Slack: " in audit.message or "Telegram: " in audit.message, audit.message
                ask_for(day, "audit")
                comes_to_its_end(day)
            assert_a_failed_audit_is_told(slack)
        assert_all_is_well(day)


def assert_a_failed_audit_is_told(slack: Gate) -> None:
    """One that finds nobody ends, says why, and people hear of it as soon as they can be reached."""
    slack.refuse()
    run = request_audit(platforms=[Platform.SLACK], trigger=Trigger.PERSON)
    enqueue(run.pk)
    eventually(lambda: AuditRun.objects.filter(pk=run.pk, state="failed").exists())
    run.refresh_from_db()
    assert "cannot be reached" in run.message
    notice = Notice.objects.get(once=f"audit {run.pk} failed")
    slack.reopen()

    def told() -> bool:
        time_goes_by()
        return set(notice.deliveries.values_list("message__state", flat=True)) == {"sent"}

    eventually(told)
