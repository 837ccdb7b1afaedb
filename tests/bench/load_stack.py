"""The product as it runs in earnest, and its staff: the Procfile's programs, or the single process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from django.db import connection

from groupadmin.processes import NICENESS
from tests.bench.workplace import HOME, ROOT

PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
CORE = ("web", "worker", "telegram", "beat")
START_SECONDS, STOP_SECONDS = 120.0, 30.0


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[int]:
    """The product, ready; its port. What it prints goes to files in the benchmark's folder."""
    port = _free_port()
    env = (
        os.environ
        | environment
        | {"PORT": str(port), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    )
    programs = {"serve": f"python manage.py serve --port {port}"}
    if env["REDIS_URL"]:
        subprocess.run(
            [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"],
            cwd=ROOT, env=env, check=True, capture_output=True,
        )  # fmt: skip
        programs = {name: PROCFILE[name] for name in CORE}
    with ExitStack() as stack:
        for name, line in programs.items():
            stack.enter_context(_running(name, line, env))
        _wait_for(f"http://127.0.0.1:{port}/readyz")
        _give_way()
        before, begun = _database_seconds(), time.process_time()
        yield port
        costs = [f"{name} {_cost(name)}" for name in programs]
        print("\nWorked for so many seconds, and in memory at the end: " + "; ".join(costs) + ".")
        print(
            f"PostgreSQL {_database_seconds() - before:.0f} s; "
            f"what stands for Slack and Telegram {time.process_time() - begun:.0f} s."
        )


@contextmanager
def _running(name: str, line: str, env: Mapping[str, str]) -> Iterator[None]:
    """A line of the Procfile, as a shell runs it, with all that it starts."""
    with (HOME / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {line}"],
            cwd=ROOT,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _leaders[name] = process.pid
    try:
        yield
        assert process.poll() is None, f"{name} ended:\n{(HOME / f'{name}.log').read_text()[-2000:]}"
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


_leaders: dict[str, int] = {}
"""The process that leads each program, by the program's name."""


def _give_way() -> None:
    """What stands for Slack and Telegram are threads of ours. In earnest those are on other machines, and
    take no time of the product's."""
    for thread in Path("/proc/self/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(thread.name), NICENESS)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def _cost(name: str) -> str:
    """What a program's processes took: seconds of the processor, and memory, with shared parts once."""
    seconds = memory = 0.0
    for folder, stat in _processes():
        if int(stat[3]) == _leaders[name]:
            seconds += _worked(stat)
            with suppress(OSError):
                sizes = (folder / "smaps_rollup").read_text().splitlines()
                memory += next(int(line.split()[1]) for line in sizes if line.startswith("Pss:"))
    return f"{seconds:.0f} s, {memory / 1024:.0f} MB"


def _database_seconds() -> float:
    """What PostgreSQL worked so far: each connection is a process, and the server is their parent."""
    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    stats = {int(folder.name): stat for folder, stat in _processes()}
    server = int(stats[pid][1])
    return sum(_worked(stat) for number, stat in stats.items() if server in (number, int(stat[1])))


def _processes() -> Iterator[tuple[Path, list[str]]]:
    """Each process and its `stat` from the 3rd field on: parent, session, ticks and more; see proc(5)."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield folder, (folder / "stat").read_text().rpartition(")")[2].split()


def _worked(stat: list[str]) -> float:
    """Seconds of the processor, with those of children that have ended."""
    return sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK")


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(URLError, OSError), urlopen(url, timeout=5):  # noqa: S310  # our own address
            return
        time.sleep(0.2)
    logs = (f"{log.name}:\n{log.read_text()[-1500:]}" for log in HOME.glob("*.log"))
    raise RuntimeError(f"{url} was not ready after {START_SECONDS:.0f} s.\n" + "\n".join(logs))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def staff(
    *,
    port: int,
    cookies: Sequence[str],
    pages: Mapping[str, Sequence[str]],
    seconds: float,
    think_seconds: tuple[float, float],
) -> Iterator[subprocess.Popen[str]]:
    """One person for each cookie, each with a page open every few seconds; see `load_staff`."""
    wish = {
        "port": port,
        "cookies": cookies,
        "pages": pages,
        "seconds": seconds,
        "think_seconds": think_seconds,
    }
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests/bench/load_staff.py")],
        stdin=subprocess.PIPE,
        stdout=(HOME / "answers").open("w"),
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdin is not None
            json.dump(wish, process.stdin)
            process.stdin.close()
            yield process
        finally:
            process.kill()


def answers() -> list[tuple[str, float, int]]:
    """(page, milliseconds, status) of each page that the staff opened."""
    return [tuple(json.loads(line)) for line in (HOME / "answers").read_text().splitlines()]
