"""A process that looks at an audit and is killed: `python -m tests.audits_process RUN WHERE [PLATFORM]`.

WHERE names the function, as `module.function`, at whose call the process dies. With PLATFORM it looks at
that part alone.
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

    run_id, where, *platform = sys.argv[1:]
    module, _, function = where.rpartition(".")
    setattr(import_module(module), function, _die)
    services.execute_audit(int(run_id), only=(platform[0], "") if platform else None)


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
