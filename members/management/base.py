"""What all our management commands have in common: exit codes, one-line errors, `--json FILE`."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from django.db import DatabaseError
from tqdm import tqdm

log = structlog.get_logger(__name__)


class ExitCode(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    PARTLY_DONE = 3
    NOT_CONFIGURED = 4
    INTERRUPTED = 130


class PlainCommand(BaseCommand):
    """A command whose failures are one clear line and a documented exit code, never a traceback."""

    logs_to_file = True
    """Whether what is logged goes to a file under VAR_DIR/logs instead of the terminal."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--json", metavar="FILE", type=Path, help="Write the outcome as JSON to FILE.")
        return parser

    def run_from_argv(self, argv: Sequence[str]) -> None:
        try:
            if self.logs_to_file:
                _log_to_file(argv[1])
            super().run_from_argv(list(argv))
        except KeyboardInterrupt:
            self._stop("Interrupted.", ExitCode.INTERRUPTED)
        except DatabaseError as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._stop(
                f"The database refused: {why}. Check DATABASE_URL, then run `python manage.py migrate`.",
                ExitCode.UNEXPECTED,
            )
        except OSError as error:
            self._stop(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), ExitCode.UNEXPECTED)
        except Exception as error:
            if "--traceback" in argv:
                raise
            log.exception("command.crashed", command=argv[1])
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            self._stop(f"Unexpected error: {what}. The log has the details.", ExitCode.UNEXPECTED)

    def check(self, *args: Any, **options: Any) -> None:
        """Django's system check. What it finds wrong is a setting, so the exit code says "not configured"."""
        try:
            super().check(*args, **options)
        except SystemCheckError as error:
            error.returncode = ExitCode.NOT_CONFIGURED
            raise

    def _stop(self, line: str, code: ExitCode) -> None:
        self.stderr.write(self.style.ERROR(line))
        sys.exit(code)

    def write_json(self, path: Path | None, document: Mapping[str, Any]) -> None:
        """Write the outcome to `path`, if one was asked for. The file appears whole or not at all."""
        if path is not None:
            text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
            write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def _log_to_file(command: str) -> Path:
    """Keep what is logged in a file of its own: the terminal stays readable, and the record is kept."""
    stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    path = Path(settings.VAR_DIR) / "logs" / f"{command}_{stamp}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    file = logging.FileHandler(path, encoding="utf-8", delay=True)
    file.setFormatter(root.handlers[0].formatter if root.handlers else None)
    root.handlers = [file]
    return path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a neighbouring file, then put it in place of `path` at once.

    Raises CommandError when the place cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise CommandError(
            f"Cannot write {path}: {error.strerror}.", returncode=ExitCode.UNEXPECTED
        ) from error


class ProgressLine(AbstractContextManager["ProgressLine"]):
    """A bar on a terminal; in a pipe a plain line whenever another tenth is done."""

    def __init__(self, command: BaseCommand) -> None:
        self._command = command
        self._last_tenth = -1
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=100, unit="%", leave=False, bar_format="{l_bar}{bar}| {elapsed}<{remaining}"
            )

    def show(self, label: str, percent: int) -> None:
        if self._bar is not None:
            self._bar.set_description(label, refresh=False)
            self._bar.n = percent
            self._bar.refresh()
        elif percent // 10 != self._last_tenth:
            self._last_tenth = percent // 10
            self._command.stderr.write(f"{percent:3d} %  {label}")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
