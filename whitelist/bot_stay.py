"""The bot as a part of what runs for ever: it comes up where it is set up, and back whatever ended it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import close_old_connections, connections

from members.platforms.errors import AccountTrouble
from whitelist.bot import BotBusy, Stopping, run_bot
from whitelist.record import gated_chat_id

AGAIN_SECONDS = 30.0
"""Until the next try, where somebody else is the bot, or Telegram refuses it."""
JOIN_SECONDS = 10.0
_LOOK_SECONDS = 0.2

log = structlog.get_logger(__name__)


def is_set_up() -> bool:
    """Whether there is a bot, and a community for it."""
    return bool(settings.TELEGRAM_BOT_TOKEN and gated_chat_id())


def stay_bot(*, stopping: Stopping, tell: Callable[[str], None] = lambda text: None) -> None:
    """Be the bot until `stopping`, and again after whatever ends it. What is told twice is logged once.

    While another process is the bot, it stands by: there is one at a time.
    """
    known = ""
    while not stopping():
        try:
            run_bot(stopping=stopping, tell=tell)
        except (BotBusy, AccountTrouble) as error:
            if (why := str(error)) != known:
                log.warning("bot.stands_by", why=why)
            known = why
        except Exception:
            log.exception("bot.crashed")
            close_old_connections()
        else:
            known = ""
        again = time.monotonic() + AGAIN_SECONDS
        while time.monotonic() < again and not stopping():
            time.sleep(_LOOK_SECONDS)


class BotThread:
    """A context manager: inside, the bot listens in a thread of its own, if it is set up."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bot", daemon=True) if is_set_up() else None

    def __enter__(self) -> BotThread:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        try:
            stay_bot(stopping=self._stop.is_set, tell=lambda text: log.info("bot.says", text=text))
        finally:
            connections.close_all()
