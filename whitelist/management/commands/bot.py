"""The gated community's bot: hears who asks to join and who leaves, and does what its owners write."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from threading import Event
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from members.management.base import ExitCode, PlainCommand
from members.platforms.errors import AccountTrouble
from whitelist.bot import BotBusy, run_bot
from whitelist.bot_stay import stay_bot

PATIENCE = 60
"""Seconds: longer than a process that died elsewhere is taken for alive."""


class Command(PlainCommand):
    help = "Be the gated community's bot until Ctrl-C. /help tells its owners what they can write."
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
            help="stand by while another process is the bot; end only at Ctrl-C",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.TELEGRAM_BOT_OWNERS:
            self.stderr.write("Nobody may command the bot: name the owners' ids in TELEGRAM_BOT_OWNERS.")
        stop = Event()
        before = {
            number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            if options["stay"]:
                stay_bot(stopping=stop.is_set, tell=self._tell)
            else:
                run_bot(stopping=stop.is_set, tell=self._tell, patience=options["wait"])
        except BotBusy as error:
            raise CommandError(str(error), returncode=ExitCode.UNEXPECTED) from error
        except AccountTrouble as error:
            raise CommandError(str(error), returncode=ExitCode.NOT_CONFIGURED) from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _tell(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
