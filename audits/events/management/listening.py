"""What the commands that listen have in common."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from threading import Event
from typing import Any, ClassVar

from django.core.management.base import CommandError

from audits.events.listening import ListenerBusy, listen
from members.management.base import ExitCode, PlainCommand
from members.platforms.errors import AccountTrouble
from members.platforms.types import Platform

PATIENCE = 60
"""Seconds: longer than a process that died elsewhere is taken for alive."""


class ListenerCommand(PlainCommand):
    """Listens to one platform until Ctrl-C, in the foreground and without a worker."""

    platform: ClassVar[Platform]
    writes_json = False
    keeps_log = False  # what runs on logs to standard error

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait",
            type=int,
            default=PATIENCE,
            metavar="SECONDS",
            help="how long to wait for another process to end (%(default)s)",
        )
        parser.add_argument(
            "--stay",
            action="store_true",
            help="go on trying while the account cannot go on, as “serve” does, instead of ending",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = Event()
        before = {
            number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            listen(
                self.platform,
                stopping=stop.is_set,
                tell=self._tell,
                patience=options["wait"],
                stay=options["stay"],
            )
        except ListenerBusy as error:
            raise CommandError(str(error), returncode=ExitCode.UNEXPECTED) from error
        except AccountTrouble as error:
            raise CommandError(str(error), returncode=ExitCode.NOT_CONFIGURED) from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _tell(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
