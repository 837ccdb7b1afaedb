"""Commands that stay until they are told to stop: one process at a time, in the foreground."""

from __future__ import annotations

import signal
from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable
from threading import Event
from typing import Any, ClassVar

from django.core.management.base import CommandError

from members.management.base import ExitCode, PlainCommand
from members.platforms.errors import AccountTrouble

PATIENCE = 60
"""Seconds: longer than a process that died elsewhere is taken for alive."""


class StandingCommand(PlainCommand):
    """Ends at Ctrl-C or SIGTERM, or when it cannot go on and nobody asked it to stay."""

    writes_json = False
    keeps_log = False  # what runs on logs to standard error
    busy: ClassVar[type[Exception]]
    """What is raised when another process does the same."""
    stay_help: ClassVar[str]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait",
            type=int,
            default=PATIENCE,
            metavar="SECONDS",
            help="how long to wait for another process to end (%(default)s)",
        )
        parser.add_argument("--stay", action="store_true", help=self.stay_help)

    def handle(self, *args: Any, **options: Any) -> None:
        stop = Event()
        before = {
            number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            self.stand(stop.is_set, patience=options["wait"], stay=options["stay"])
        except self.busy as error:
            raise CommandError(str(error), returncode=ExitCode.UNEXPECTED) from error
        except AccountTrouble as error:
            raise CommandError(str(error), returncode=ExitCode.NOT_CONFIGURED) from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @abstractmethod
    def stand(self, stopping: Callable[[], bool], *, patience: int, stay: bool) -> None:
        """Do it until `stopping` says so. Raises `busy` after `patience` seconds, AccountTrouble."""

    def tell(self, text: str) -> None:
        """A line for whoever looks on, at once."""
        self.stdout.write(text)
        self.stdout.flush()
