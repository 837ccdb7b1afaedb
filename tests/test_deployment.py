"""What starts the product elsewhere: Procfile and containers start the same programs, and those exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
import yaml
from celery.bin.celery import celery
from django.core.management import get_commands

from tests.processes import ROOT, environment

PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
PROGRAMS = {name: line for name, line in PROCFILE.items() if name != "release"}


def arguments(line: str) -> list[str]:
    """A command line's words, with what `${NAME:-default}` stands for where NAME is not set."""
    return shlex.split(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", line))


def test_containers_run_the_programs_of_the_procfile() -> None:
    ours = {name.replace("_", "-"): arguments(line) for name, line in PROGRAMS.items() if name != "web"}

    assert ours == {
        name: arguments(service["command"])
        for name, service in SERVICES.items()
        if name not in {"postgres", "redis", "migrate", "web"}
    }


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_every_program_exists(name: str) -> None:
    match arguments(PROGRAMS[name]):
        case ["python", "manage.py", command, *_]:
            assert command in get_commands()
        case ["celery", "--app", "groupadmin", command, *_]:
            assert command in celery.commands
        case ["gunicorn", *options]:
            checked = [sys.executable, "-m", "gunicorn", *options, "--check-config"]
            done = subprocess.run(checked, cwd=ROOT, env=environment(), check=False, timeout=60)
            assert done.returncode == 0
        case other:
            pytest.fail(f"nobody knows {other}")


def test_a_container_has_time_to_hand_back_its_job_and_writes_to_its_volume_alone() -> None:
    ours = {name: service for name, service in SERVICES.items() if name not in {"postgres", "redis"}}

    assert {service["stop_grace_period"] for service in ours.values()} == {"60s"}
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in ours.values())


def test_containers_of_workers_give_way_to_people() -> None:
    assert {name for name, service in SERVICES.items() if "cpu_shares" in service} == {"worker", "telegram"}


def test_the_image_does_not_run_as_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    assert lines.index("USER app") < next(n for n, line in enumerate(lines) if line.startswith("CMD"))
