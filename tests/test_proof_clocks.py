"""Clocks that jump, of workers that hold accounts and jobs, and of beat: nothing doubles, nothing sticks."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models import F
from pytest_django import Settings

from audits.history.models import SyncJob
from audits.models import AuditRun
from members.operations.models import Lease, Operation
from tests.processes import ROOT, product_environment
from tests.proof_stack import Stack, look_often, stack_of
from tests.proof_world import World, assert_all_is_well, begin, world_of

LIBRARY = next((path for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(LIBRARY is None, reason="needs libfaketime; on Debian: apt-get install faketime"),
]
PROGRAMS = ("worker", "telegram", "beat")
HOUR = 3600


def moved_clock(**how: str) -> dict[str, str]:
    """The environment of a process whose clock is libfaketime's; its monotonic clock goes on undisturbed, as
    that of a machine does. `how` says where it hears what time it is."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": str(ROOT / "tests" / "faked_clock"),
        **how,
    }


class Clocks:
    """What time programs believe it is: `set("beat", -3600)` puts beat's clock back by an hour."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def environment(self, name: str) -> dict[str, str]:
        self.set(name, 0)
        return moved_clock(FAKETIME_TIMESTAMP_FILE=str(self._file(name)), FAKETIME_CACHE_DURATION="1")

    def set(self, name: str, seconds: int) -> None:
        part = self._file(f"{name}.part")
        part.write_text(f"{seconds:+d}\n")
        part.replace(self._file(name))  # whole at every moment

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.clock"


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path / "stack"


def environment(world: World, folder: Path) -> dict[str, str]:
    own = {"REDIS_URL": django_settings.REDIS_URL, "MEDIA_ROOT": str(django_settings.MEDIA_ROOT)}
    return product_environment(**world.environment | own | {"VAR_DIR": str(folder)})


def dies_elsewhere(stack: Stack, name: str) -> None:
    """Killed, on a machine into which nobody can look; a minute later."""
    mine = [row for row in holders() if os.getpgid(int(row.owner.split(":")[1])) == stack.pid(name)]
    stack.kill(name)
    minute = timedelta(seconds=61)
    for row in mine:
        since = (
            {"expires_at": F("expires_at")} if isinstance(row, Lease) else {"heartbeat_at": F("heartbeat_at")}
        )
        changes = {field: beat - minute for field, beat in since.items()}
        type(row)._default_manager.filter(pk=row.pk).update(owner=f"elsewhere:{row.pk}:x", **changes)
    stack.start(name)


def holders() -> list[Any]:
    """Everything that a process holds now."""
    held = [model._default_manager.exclude(owner="") for model in (Lease, Operation, AuditRun, SyncJob)]
    return [row for rows in held for row in rows]


def test_clocks_that_jump(installation: None, settings: Settings, folder: Path) -> None:
    folder.mkdir()
    clocks = Clocks(folder)
    with world_of(settings) as world:
        look_often()
        with stack_of(folder, environment(world, folder)) as stack:
            for name in PROGRAMS:
                stack.start(name, env=clocks.environment(name))
            world.take(0.15)
            day = begin(world)
            day.goes_on(3)
            for hours in (1, -1, 0):
                for name in ("telegram", "worker", "beat"):
                    clocks.set(name, hours * HOUR)
                    time.sleep(1)  # by then it knows
                    day.goes_on(3)
            clocks.set("telegram", HOUR)
            time.sleep(1)
            day.goes_on(3)
            dies_elsewhere(stack, "telegram")
            world.take(0.0)
            day.comes_to_its_end()
            for name in PROGRAMS:
                assert "Traceback" not in stack.log(name), stack.log(name)
        attempts = {name: day.row(name).attempts for name in day.jobs}
        assert_all_is_well(day)
    assert max(attempts.values()) <= 2, attempts
