"""Names for executions, and whether the process behind one is gone."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from pathlib import Path


def new_owner() -> str:
    """A name that no other execution has: where it runs, in which process, and a random part."""
    return f"{_machine()}:{os.getpid()}:{secrets.token_hex(6)}"


def is_dead(owner: str) -> bool:
    """Whether the process of `owner` has surely ended; False where that cannot be told from here."""
    machine, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if machine != _machine() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _machine() -> str:
    """Where a process id means the same process: the host since it was started, and on Linux this namespace
    of process ids. Its name alone would not do: those of clones and of a deployment's containers are alike.
    """
    host = socket.gethostname()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = os.readlink("/proc/self/ns/pid")  # "pid:[4026531836]": containers have their own
    except OSError:
        boot = namespace = ""
    return f"{host[:15]}/{hashlib.sha256(f'{host} {boot} {namespace}'.encode()).hexdigest()[:16]}"
