"""Starting the product as real processes, as a person would, and waiting for what they do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

from django.conf import settings as django_settings
from django.db import connection

from tests.settings import BLANK_ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 60.0

T = TypeVar("T")


def eventually(look: Callable[[], T], *, seconds: float = PATIENCE_SECONDS) -> T:
    """Call `look` until it returns something true, and return that; AssertionError after `seconds`."""
    deadline = monotonic() + seconds
    while not (found := look()):
        if monotonic() > deadline:
            raise AssertionError(f"{look.__qualname__} stayed false for {seconds:.0f} s")
        sleep(0.05)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**settings: str) -> dict[str, str]:
    """The environment of a product that knows `settings` and nothing of the developer's machine."""
    return os.environ | BLANK_ENVIRONMENT | {"DJANGO_SETTINGS_MODULE": "groupadmin.settings"} | settings


def test_database_url() -> str:
    """The URL that leads another process to the database of the running test."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    return f"postgres://{settings['USER']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


test_database_url.__test__ = False  # type: ignore[attr-defined]  # pytest collects by name


def product_environment(**settings: str) -> dict[str, str]:
    """The environment of a product on the database of the running test, with the platforms' settings as they
    are now."""
    platforms = {
        name: str(getattr(django_settings, name) or "")
        for name in dir(django_settings)
        if name.startswith(("SLACK_", "TELEGRAM_")) and not isinstance(getattr(django_settings, name), list)
    }
    own = {
        "DATABASE_URL": test_database_url(),
        "VAR_DIR": str(django_settings.VAR_DIR),
        "SECRET_KEY": "tests only",
    }
    return environment(**own | platforms | settings)


def manage(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` to its end; nothing is raised for a non-zero exit code."""
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )


@contextmanager
def running(
    command: Sequence[str], *, env: Mapping[str, str], log: Path, own_group: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """`command` in the background, everything it prints in `log`; killed at the end if it still runs.

    `own_group` makes it the leader of a process group, as a shell makes what it runs.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=own_group
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        if own_group:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # those it started
        process.wait()


@contextmanager
def celery_worker(
    folder: Path, *options: str, redis_url: str = django_settings.REDIS_URL
) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process that is ready; it prints to `folder / "worker.log"`.

    It works on the database of the running test, with the platforms' settings as they are now, and knows
    the kinds of operations that tests have.
    """
    env = product_environment(
        DJANGO_SETTINGS_MODULE="tests.worker_settings",
        REDIS_URL=redis_url,
        MEDIA_ROOT=str(django_settings.MEDIA_ROOT),
    )
    command = [sys.executable, "-m", "celery", "--app", "groupadmin", "worker", "--concurrency=1", *options]
    log = folder / "worker.log"
    with running(command, env=env, log=log, own_group=True) as process:
        eventually(lambda: " ready." in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield process
        process.terminate()
        with suppress(subprocess.TimeoutExpired):  # then it is killed, with all that it started
            process.wait(30)


@contextmanager
def supervisor(module: str, folder: Path, **settings: str) -> Iterator[Callable[[], int]]:
    """`start()` has `module` fork a worker on the database of the running test, and returns its id."""
    env = environment(
        DJANGO_SETTINGS_MODULE="tests.worker_settings",
        DATABASE_URL=test_database_url(),
        VAR_DIR=str(folder),
        **settings,
    )
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        orders, answers = process.stdin, process.stdout

        def start() -> int:
            orders.write("\n")
            orders.flush()
            return int(answers.readline())

        yield start
        orders.close()
        process.kill()


def kill(process: int) -> None:
    """Raises ProcessLookupError when it has ended by itself."""
    os.kill(process, signal.SIGKILL)
    with suppress(ProcessLookupError):
        while True:
            os.kill(process, 0)
