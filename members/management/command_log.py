"""The file that a command leaves behind: what it printed and what was logged, in the order of time."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from logging.config import DictConfigurator
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.core.management.base import OutputWrapper


def log_to_file(command: str) -> Path:
    """Send what is logged from now on to a file of the command's own: the terminal shows the outcome alone.

    Plain text without colours, with secrets masked as everywhere. Raises OSError.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    path = Path(settings.VAR_DIR) / "logs" / f"{command}_{stamp}_{os.getpid()}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    file = logging.FileHandler(path, encoding="utf-8")
    configurator = DictConfigurator(settings.LOGGING)
    file.setFormatter(configurator.configure_formatter(configurator.config["formatters"]["plain"]))
    logging.getLogger().handlers = [file]
    return path


class LoggedOutput(OutputWrapper):
    """Prints, and logs every line that it prints under the name of the stream."""

    def __init__(self, out: TextIO, name: str) -> None:
        super().__init__(out)
        self._log = logging.getLogger(name)

    def write(  # type: ignore[override]  # as in OutputWrapper itself
        self, msg: str = "", style_func: Callable[[str], str] | None = None, ending: str | None = None
    ) -> None:
        super().write(msg, style_func, ending)
        for line in msg.splitlines():
            self._log.info("%s", line)
