"""The product as it runs in earnest: the Procfile's programs, to be killed and started again."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from tests.processes import ROOT, eventually, free_port, running

PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
WORKERS = ("worker", "telegram")
CORE = ("web", *WORKERS, "beat")
"""What /readyz asks for."""
STOP_SECONDS = 60.0
"""What containers are given (`stop_grace_period`)."""
_INTERPRETED = {"python": [sys.executable], "gunicorn": [sys.executable, "-m", "gunicorn"]}


def command(name: str, env: Mapping[str, str]) -> list[str]:
    """A program's command line, with what `${NAME:-default}` stands for in `env`."""

    def value(found: re.Match[str]) -> str:
        return env.get(found[1]) or found[2]

    program, *arguments = shlex.split(re.sub(r"\$\{(\w+):-([^}]*)\}", value, PROCFILE[name]))
    return [*_INTERPRETED.get(program, [sys.executable, "-m", program]), *arguments]


class Stack:
    """Programs by their names in the Procfile; a context manager's `with` ends all of them.

    Each leads a process group of its own, like a container. What they print is in `folder / "NAME.log"`.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.env = {**env, "PORT": str(self.port), "WEB_WORKERS": "1"}
        self._running: dict[str, tuple[subprocess.Popen[bytes], ExitStack]] = {}
        self._own: dict[str, Mapping[str, str]] = {}

    def start(self, *names: str, env: Mapping[str, str] | None = None) -> None:
        """Start programs; `env` comes on top of what all are told, now and at every later start."""
        for name in names:
            self._own[name] = env if env is not None else self._own.get(name, {})
            earlier = self.log(name)
            (self.folder / f"{name}.earlier.log").write_text(earlier)
            stack = ExitStack()
            process = stack.enter_context(
                running(
                    command(name, self.env),
                    env={**self.env, **self._own[name]},
                    log=self.folder / f"{name}.log",
                    own_group=True,
                )
            )
            self._running[name] = process, stack

    def pid(self, name: str) -> int:
        return self._running[name][0].pid

    def kill(self, name: str) -> None:
        """Without warning, with all that it forked: as when a container dies."""
        process, stack = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        stack.close()

    def stop(self, name: str) -> int:
        """As a deployment does: asked to end, and given its time. The exit code."""
        process, stack = self._running.pop(name)
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        finally:
            stack.close()

    def is_alive(self, name: str) -> bool:
        return self._running[name][0].poll() is None

    def log(self, name: str) -> str:
        """Everything that it printed, in all its lives."""
        files = (self.folder / f"{name}.earlier.log", self.folder / f"{name}.log")
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def readiness(self) -> tuple[int, dict[str, bool]]:
        """What /readyz answers: its status, and how each part is. Status 0: nobody answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10) as answer:  # noqa: S310  # ours
                status, body = answer.status, answer.read()
        except HTTPError as refusal:
            status, body = refusal.code, refusal.read()
        except (URLError, OSError):
            return 0, {}
        checks = json.loads(body)["checks"] if body.startswith(b"{") else {}
        return status, {name: bool(check["ok"]) for name, check in checks.items()}

    def is_ready(self) -> bool:
        return self.readiness()[0] == 200

    def wait_until_ready(self) -> None:
        """Until /readyz says so; AssertionError as soon as a program has ended by itself."""

        def ready_or_broken() -> bool:
            return self.is_ready() or not all(map(self.is_alive, self._running))

        eventually(ready_or_broken, seconds=120)
        dead = [name for name in self._running if not self.is_alive(name)]
        assert not dead, {name: self.log(name)[-3000:] for name in dead}

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        for process, _stack in self._running.values():
            process.terminate()
        for process, stack in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            stack.close()
        self._running.clear()


@contextmanager
def stack_of(folder: Path, env: Mapping[str, str], *names: str) -> Iterator[Stack]:
    """These programs, ready."""
    folder.mkdir(parents=True, exist_ok=True)
    with Stack(folder, env) as stack:
        stack.start(*names)
        if set(CORE) <= set(names):
            stack.wait_until_ready()
        yield stack


def look_often(seconds: int = 2) -> None:
    """Have beat wake waiting work every few seconds, where a fresh installation takes up to half a minute.

    Only the housekeeping by intervals of up to 30 s; everything else stays as installed.
    """
    often, _ = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
    short = PeriodicTask.objects.filter(interval__period=IntervalSchedule.SECONDS, interval__every__lte=30)
    short.update(interval=often)
    PeriodicTasks.update_changed()
