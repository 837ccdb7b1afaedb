"""What all our management commands have in common: exit codes, one-line errors, `--json FILE`."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, NoReturn

import structlog
from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from members.management.command_log import LoggedOutput, log_to_file
from members.spreadsheet import one_line

log = structlog.get_logger(__name__)

_LONGEST_SHOWN = 200
"""Characters of a path that an error quotes."""


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

    requires_migrations_checks = True
    requires_system_checks: tuple[str, ...] | list[str] | Literal["__all__"] = (Tags.security,)
    """The settings. What else could be checked is the code, as the tests do, and takes loading all pages."""
    writes_json = True
    """Whether there is an outcome for `--json`."""
    keeps_log = True
    """Whether a run from the command line keeps what it prints and logs in a file under VAR_DIR/logs."""
    log_path: Path | None = None
    """That file."""
    _name = ""
    """How the command line called it; empty when it was called from code."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        if self.writes_json:
            parser.add_argument(
                "--json", metavar="FILE", type=output_file, help="Write the outcome as JSON to FILE."
            )
        return parser

    def run_from_argv(self, argv: Sequence[str]) -> None:
        self._name = argv[1]
        try:
            super().run_from_argv(list(argv))
        except KeyboardInterrupt:
            self._stop("Interrupted.", ExitCode.INTERRUPTED)
        except CommandError as error:  # from an argument's type; what `handle` raises ends in `execute`
            if "--traceback" in argv:
                raise
            self._stop(str(error), error.returncode)
        except DatabaseError as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._stop(
                f"The database refused: {why}. Check that it runs and has room, and DATABASE_URL.",
                ExitCode.UNEXPECTED,
            )
        except BrokenPipeError:  # nobody reads what it prints any more: manage.py ends
            log.info("command.reader_gone", command=self._name, exc_info=True)
            raise
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
        try:
            _check_words(options)
            return super().execute(*args, **options)
        except SystemCheckError:
            raise
        except CommandError as error:
            if not self._name or options["traceback"]:
                raise
            self._stop(str(error), error.returncode)  # Django would put "CommandError:" in front

    def check(self, *args: Any, **options: Any) -> None:
        """Django's system check. What it finds wrong is a setting, so the exit code says "not configured"."""
        try:
            super().check(*args, **options)
        except SystemCheckError as error:
            error.returncode = ExitCode.NOT_CONFIGURED
            raise

    def check_migrations(self) -> None:
        """Refuse a database whose tables are not those of this code, before the work fails half-way."""
        if not self._name:  # called from code, which knows its database
            return
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            lacks = "up to date" if executor.loader.applied_migrations else "set up"
            raise CommandError(
                f"The database is not {lacks}: run manage.py migrate.",
                returncode=ExitCode.NOT_CONFIGURED,
            )

    def _stop(self, text: str, code: int) -> NoReturn:
        for line in text.splitlines():
            self.stderr.write(line)
        sys.exit(code)

    def write_json(self, path: Path | None, document: Mapping[str, Any]) -> None:
        """Write the outcome to `path`, if one was asked for. The file appears whole or not at all."""
        if path is not None:
            text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
            write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def _check_words(options: Mapping[str, Any]) -> None:
    """Paths may hold any bytes, words have to be text. Raises CommandError."""
    for value in options.values():
        for word in value if isinstance(value, list | tuple) else (value,):
            if isinstance(word, str) and any("\ud800" <= character <= "\udfff" for character in word):
                raise CommandError(f"{ascii(word[:50])} is no text in UTF-8.", returncode=ExitCode.USAGE)


def port_number(text: str) -> int:
    """An argument's type: the number of a TCP port."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f"{text!r} is not a port: a number from 1 to 65535")
    return int(text)


def output_file(text: str) -> Path:
    """An argument's type: where a file shall be written.

    Its folder has to be there and its name has to be one, so that what is misspelt is told before the work
    and not after it. Raises CommandError.
    """
    path = Path(text)
    try:
        trouble = _why_unwritable(path)
    except OSError as error:
        trouble = str(error.strerror).lower()
    if not trouble:
        return path
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    raise CommandError(f"Cannot write {one_line(shown)}: {trouble}.", returncode=ExitCode.USAGE)


def _why_unwritable(path: Path) -> str:
    """What keeps a file from being written there; "" when nothing does. Raises OSError."""
    if path.is_dir():
        return "it is a folder"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if _is_stream(path):
        return "" if os.access(path, os.W_OK) else "permission denied"
    if len(os.fsencode(_partial(path).name)) > os.pathconf(path.parent, "PC_NAME_MAX"):
        return "the name is too long"
    return "" if os.access(path.parent, os.W_OK) else "permission denied"


def _partial(path: Path) -> Path:
    """Where a file is written until it is whole."""
    return path.with_name(f".{path.name}.partial")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a neighbouring file, then put it in place of `path` at once.

    A pipe or a device is written to as it is. Raises CommandError when the place cannot be written.
    """
    target = path.resolve()  # a link stays one
    partial = _partial(target)
    try:
        if _is_stream(path):
            write(path)
        else:
            write(partial)
            partial.replace(target)
    except BrokenPipeError:
        raise  # /dev/stdout, and its reader is gone
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise CommandError(
            f"Cannot write {path}: {error.strerror}.", returncode=ExitCode.UNEXPECTED
        ) from error


def _is_stream(path: Path) -> bool:
    """Whether it is a pipe or a device, like /dev/stdout, which no file may take the place of."""
    return path.exists() and not (path.is_file() or path.is_dir())
