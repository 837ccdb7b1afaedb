"""A process that runs one audit and is killed on the way: `python -m tests.audits_process RUN WHERE`.

WHERE names the function, as `module.function`, at whose call the process dies.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Any

import django


def main() -> None:
    django.setup()
    from audits import services

    run_id, where = sys.argv[1:]
    module, _, function = where.rpartition(".")
    setattr(import_module(module), function, _die)
    services.execute_audit(int(run_id))


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
