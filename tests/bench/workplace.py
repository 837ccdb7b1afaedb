"""Where the benchmarks run: a database and folder of their own, and the sandbox company around them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(tempfile.mkdtemp(prefix="groupadmin-bench-"))

LATENCY: dict[str, Any] = {"slack_latency": 0.060, "telegram_latency": 0.040}
"""Seconds a call: what a person's machine sees of Slack and Telegram on an ordinary day."""


def prepare() -> None:
    """Point Django at an empty database. Call it once, before anything of ours is imported."""
    os.environ.update(_private_environment())
    import django

    django.setup()
    logging.disable(logging.WARNING)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _private_environment() -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "groupadmin.settings",
        "VAR_DIR": str(HOME),
        "MEDIA_ROOT": str(HOME / "media"),
        "DATABASE_URL": os.environ.get("BENCH_DATABASE_URL", ""),
        "REDIS_URL": "",
        "REQUIRE_SECOND_FACTOR": "False",
    }


@contextmanager
def pointed_at(environment: Mapping[str, str]) -> Iterator[None]:
    """Settings as if the process had been started with `environment`."""
    from django.test.utils import override_settings

    values: dict[str, object] = dict(environment)
    values["TELEGRAM_API_ID"] = int(environment["TELEGRAM_API_ID"])
    with override_settings(**values):
        yield


def load_policy(policy: Mapping[str, object]) -> None:
    """Start from an empty database with this policy."""
    from django.core.management import call_command

    from members import policy_load

    call_command("flush", interactive=False, verbosity=0)
    policy_load.load(json.dumps(policy).encode(), reason="benchmark")


@dataclass(frozen=True, slots=True)
class Child:
    """What running one of our commands in a process of its own took."""

    seconds: float
    peak_mb: float
    """Peak resident memory as the operating system counted it."""


_LAUNCHER = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
status, usage = os.wait4(pid, 0)[1:]
print("\\n", usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Linux counts a parent's memory towards its child's peak, so the parent has to be a small one."""


def run_child(environment: Mapping[str, str], *arguments: str) -> Child:
    """Run `manage.py ARGUMENTS` and measure the whole process. Raises RuntimeError when it fails."""
    command = [sys.executable, "-S", "-c", _LAUNCHER, sys.executable, str(ROOT / "manage.py"), *arguments]
    started = time.perf_counter()
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return Child(seconds, int(done.stdout.rsplit(maxsplit=1)[-1]) / 1024)


def table(title: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + " --- |" * len(columns))
    for row in rows:
        cells = (f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row)
        print("| " + " | ".join(cells) + " |")
