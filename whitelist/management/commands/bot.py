"""The gated community's bot: hears who asks to join and who leaves, and does what its owners write."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from members.management.standing import StandingCommand
from whitelist.bot import BotBusy, run_bot
from whitelist.bot_stay import stay_bot


class Command(StandingCommand):
    help = "Be the gated community's bot until Ctrl-C. /help tells its owners what they can write."
    busy = BotBusy
    stay_help = "stand by while another process is the bot; end only at Ctrl-C"

    def stand(self, stopping: Callable[[], bool], *, patience: int, stay: bool) -> None:
        if not settings.TELEGRAM_BOT_OWNERS:
            self.stderr.write("Nobody may command the bot: name the owners' ids in TELEGRAM_BOT_OWNERS.")
        if stay:
            stay_bot(stopping=stopping, tell=self.tell)
        else:
            run_bot(stopping=stopping, tell=self.tell, patience=patience)
