"""What all our management commands have in common: exit codes, one-line errors, `--json FILE`."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from django.db import DatabaseError
from tqdm import tqdm

from members.management.command_log import LoggedOutput, log_to_file

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

    keeps_log = True
    """Whether a run from the command line keeps what it prints and logs in a file under VAR_DIR/logs."""
    log_path: Path | None = None
    """That file."""
    _name = ""
    """How the command line called it; empty when it was called from code."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--json", metavar="FILE", type=Path, help="Write the outcome as JSON to FILE.")
        return parser

    def run_from_argv(self, argv: Sequence[str]) -> None:
        self._name = argv[1]
        try:
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
            log.exception("command.crashed", command=self._name)
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            where = f": {self.log_path}" if self.log_path else "."
            self._stop(f"Unexpected error: {what}. The log has the details{where}", ExitCode.UNEXPECTED)

    def execute(self, *args: Any, **options: Any) -> str | None:
        if self.keeps_log and self._name:
            self.log_path = log_to_file(self._name)
            self.stdout = LoggedOutput(sys.stdout, "stdout")
            self.stderr = LoggedOutput(sys.stderr, "stderr")
            self.stderr.style_func = self.style.ERROR
        return super().execute(*args, **options)

    def check(self, *args: Any, **options: Any) -> None:
        """Django's system check. What it finds wrong is a setting, so the exit code says "not configured"."""
        try:
            super().check(*args, **options)
        except SystemCheckError as error:
            error.returncode = ExitCode.NOT_CONFIGURED
            raise

    def _stop(self, line: str, code: ExitCode) -> None:
        self.stderr.write(line)
        sys.exit(code)

    def write_json(self, path: Path | None, document: Mapping[str, Any]) -> None:
        """Write the outcome to `path`, if one was asked for. The file appears whole or not at all."""
        if path is not None:
            text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
            write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def port_number(text: str) -> int:
    """An argument's type: the number of a TCP port."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f"{text!r} is not a port: a number from 1 to 65535")
    return int(text)


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
