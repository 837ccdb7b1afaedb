"""Several processes on one machine as one: started together, read together, stopped together."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from types import FrameType

STOP_SECONDS = 30.0
"""Longer than a task that asks `members.worker.is_stopping` needs to hand back what it does."""
POLL_SECONDS = 0.2
ECHO_SECONDS = 2.0
"""How long the last words of stopped programs are waited for."""


NICENESS = 10
"""About a tenth of the processor's time beside somebody who wants all of it, and all of it beside nobody."""

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>; see prctl(2)."""


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Within, SIGTERM and SIGINT (Ctrl-C) raise SystemExit(0) in the main thread."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def foreground(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `command` to its end in our place: it gets our terminal and our signals. Its exit code.

    That of a command which a signal ended is 128 and the signal's number, as in a shell. Call it from the
    main thread.
    """
    with subprocess.Popen(command, env=dict(environment)) as process:  # noqa: S603  # our own, no shell
        before = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
            signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),  # Ctrl-C reaches it without us
        }
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def give_way() -> None:
    """Let others have the processor first; for the main thread, before it starts threads or processes.

    Linux may share the processor between sessions before it looks at what is in them (autogroup in sched(7)),
    so a session that is ours alone gives way as a whole.
    """
    os.nice(NICENESS)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # not a Linux, or one without these groups
            Path("/proc/self/autogroup").write_text(str(NICENESS))


@dataclass(frozen=True)
class Program:
    """One process to run; `environment` comes on top of ours."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Group:
    """The programs, running while the context is entered; leaving it stops every one of them."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._echoes: list[Thread] = []

    def __enter__(self) -> Group:
        for program in self._programs:
            self._running[program.name] = subprocess.Popen(  # noqa: S603  # our own commands, no shell
                program.command,
                env=os.environ | program.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop them in order
                preexec_fn=_end_with_parent,  # safe: we start threads only afterwards
            )
        width = max(map(len, self._running))
        for name, process in self._running.items():
            echo = Thread(target=_echo, args=(process, name.ljust(width)), daemon=True)
            echo.start()
            self._echoes.append(echo)
        return self

    def wait(self) -> str:
        """Block until one of the programs ends by itself; its name and exit code as a sentence."""
        while True:
            for name, process in self._running.items():
                if process.poll() is not None:
                    return f"{name} ended by itself (exit code {process.returncode})"
            sleep(POLL_SECONDS)

    @property
    def exit_codes(self) -> dict[str, int | None]:
        """Of each program by name: its exit code, None while it runs, minus the signal that killed it."""
        return {name: process.returncode for name, process in self._running.items()}

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            process.terminate()
        deadline = monotonic() + STOP_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.0, deadline - monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for echo in self._echoes:
            echo.join(ECHO_SECONDS)


def _end_with_parent() -> None:
    """Where the system can (Linux): a program is told to end when we die without a chance to stop it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _echo(process: subprocess.Popen[str], label: str) -> None:
    assert process.stdout is not None  # noqa: S101  # Popen was given a pipe; for the type checker
    with process.stdout as lines:
        for line in lines:
            sys.stdout.write(f"{label} | {line}")
            sys.stdout.flush()
