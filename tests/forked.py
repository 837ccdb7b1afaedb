"""What a process does whose workers are to be killed at will: `tests.processes.supervisor` starts it.

Nothing of the tests is imported here but what a worker needs: its settings are its own.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import django


def fork_at_each_line(work: Callable[[], None]) -> None:
    """Fork a worker for each line that comes in, which does `work`, and print its process id."""
    django.setup()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are gone at once: no zombies
    for _ in sys.stdin:
        worker = os.fork()
        if worker == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            work()
            os._exit(0)
        print(worker, flush=True)
