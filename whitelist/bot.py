"""The community's bot as a process: one instance, signed in by itself, connected for as long as it lives.

The event loop in a thread of its own speaks to Telegram; this thread alone touches the database. Whatever
ends between two steps, they are taken again: what was heard is read from where the database says.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from members.crypto import WrongKey
from members.operations import lease
from members.operations.lease import Hold
from members.operations.loop import BackgroundLoop
from members.operations.owner import new_owner
from members.platforms import adapters
from members.platforms.bot_news import Cursor
from members.platforms.configs import TelegramConfig
from members.platforms.errors import (
    AccountTrouble,
    NotConfigured,
    PlatformError,
    RateLimited,
    Refused,
    SignedOut,
)
from telegram_ops.gateway import server_config
from whitelist import owner_notices
from whitelist.bot_inbox import Inbox, Reply
from whitelist.catching_up import CatchingUp
from whitelist.models import Bot
from whitelist.record import gated_chat_id

if TYPE_CHECKING:
    from members.platforms.telegram_bot import TelegramBot

POLL_SECONDS = 30.0
"""How often it reads although nothing was pushed."""
BEAT_SECONDS = 2.0
STOP_SECONDS = 0.2
"""How often it looks whether it is to stop."""
LONGEST_PAUSE = 60.0
LONG_AWAY = timedelta(minutes=10)
"""Away for longer, it also looks who is there: Telegram keeps for bots what they miss, but not for ever."""

T = TypeVar("T")
Stopping = Callable[[], bool]

log = structlog.get_logger(__name__)


class BotBusy(Exception):
    """Another process is the bot already: one line, what to do."""


class _Stopped(Exception):
    """We are asked to end, or another process is the bot by now."""


def run_bot(
    *, stopping: Stopping, tell: Callable[[str], None] = lambda text: None, patience: float = 0.0
) -> None:
    """Be the bot until `stopping` answers True; `tell` is told what people should know.

    Waits `patience` seconds for another process to end. Raises BotBusy; NotConfigured; AccountTrouble when
    Telegram refuses the bot for good. Outages of Telegram and of the database are waited for.
    """
    token = _token()
    bot_id = int(token.partition(":")[0])
    with _only_one(bot_id, patience, stopping) as hold:
        try:
            Bot.objects.get_or_create(pk=bot_id)
            _Process(token, bot_id, hold, stopping, tell).run()
        except WrongKey as error:
            raise NotConfigured(str(error), code="FIELD_ENCRYPTION_KEYS") from None


@dataclass(slots=True)
class _Process:
    token: str
    bot_id: int
    hold: Hold
    stopping: Stopping
    tell: Callable[[str], None]
    _inbox: Inbox = field(init=False)
    _outbox: deque[Reply] = field(init=False, default_factory=deque)
    _catching_up: CatchingUp = field(init=False)
    _pause: float = field(init=False, default=0.0)
    _beat_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._inbox = Inbox(self.bot_id)
        self._catching_up = CatchingUp(self.stopping)

    def run(self) -> None:
        """Listen, and after an outage listen again."""
        try:
            while not self.stopping():
                try:
                    self._sign_in()
                    self._listen()
                except SignedOut as error:  # another token, or ended by somebody: the token may still do
                    log.warning("bot.signed_out", error=str(error))
                    Bot.objects.filter(pk=self.bot_id).update(session="")
                    self._rest(1.0)
                except AccountTrouble:
                    raise
                except PlatformError as error:
                    log.warning("bot.outage", error=str(error))
                    self._rest(error.seconds if isinstance(error, RateLimited) else 0.0)
                except (OperationalError, InterfaceError) as error:
                    log.warning("bot.database_away", error=str(error).strip())
                    close_old_connections()
                    self._rest(0.0)
        except _Stopped:
            pass
        finally:
            self._catching_up.stop()

    def _sign_in(self) -> None:
        """auth.importBotAuthorization, unless an earlier sign-in is kept. Raises AccountTrouble."""
        if Bot.objects.get(pk=self.bot_id).session:
            return
        with BackgroundLoop("bot-sign-in") as loop:
            try:
                done = self._wait_for(
                    loop.submit(adapters.telegram_sign_in.sign_in_bot(server_config(), self.token))
                )
            except Refused as error:
                raise AccountTrouble(str(error), code=error.code) from None
        row = Bot.objects.get(pk=self.bot_id)
        row.session, row.username = done.session, done.username
        row.save(update_fields=["session", "username"])
        log.info("bot.signed_in", bot=str(row))

    def _listen(self) -> None:
        """Read and answer until the connection cannot be kept up. Raises PlatformError."""
        with BackgroundLoop("bot") as loop:
            line = _Line(self._config())
            try:
                bot = self._wait_for(loop.submit(line.open()))
                cursor = self._begin(loop, bot)
                self._pause = 0.0
                while True:
                    self._say(loop, bot)
                    news = self._wait_for(loop.submit(bot.news(cursor)))
                    self._outbox.extend(self._inbox.take(news))
                    cursor = news.cursor
                    if not news.whole:
                        self._catching_up.ask()
                    if not (news.more or self._outbox):
                        self._wait_for(loop.submit(bot.wait(POLL_SECONDS)), until=self._has_notices)
            finally:
                loop.submit(line.close()).result()

    def _begin(self, loop: BackgroundLoop, bot: TelegramBot) -> Cursor:
        """Where to read on; a bot that has never read begins now."""
        row = Bot.objects.get(pk=self.bot_id)
        if row.read_to is None:
            cursor = self._wait_for(loop.submit(bot.latest()))
            self._inbox.remember(cursor)
        else:
            cursor = Cursor(row.pts, row.qts, row.read_to)
        if row.heard_at is None or row.heard_at < timezone.now() - LONG_AWAY:
            self._catching_up.ask()
        trouble = self._wait_for(loop.submit(_trouble(bot)))
        Bot.objects.filter(pk=self.bot_id).update(trouble=trouble, heard_at=timezone.now())
        self.tell(f"@{bot.account.username} listens.")
        if trouble:
            log.warning("bot.trouble", trouble=trouble)
            self.tell(trouble)
        return cursor

    def _say(self, loop: BackgroundLoop, bot: TelegramBot) -> None:
        """Send what is to be said: what Telegram does not take now later, to whoever blocks us never."""
        while self._outbox:
            reply = self._outbox[0]
            try:
                number = self._send(loop, bot.say(reply.user_id, reply.answer.text, once=reply.once))
            except Refused as error:
                log.warning("bot.not_said", person=reply.user_id, error=str(error))
            else:
                self._inbox.was_said(reply, number)
            self._outbox.popleft()
        for message in owner_notices.untold():
            text = owner_notices.text_of(message)
            for owner in settings.TELEGRAM_BOT_OWNERS:
                try:
                    self._send(loop, bot.say(str(owner), text, once=f"notice {message.pk} {owner}"))
                except Refused as error:
                    log.warning("bot.not_said", person=owner, error=str(error))
            owner_notices.note_sent(message)

    def _send(self, loop: BackgroundLoop, saying: Coroutine[Any, Any, int | None]) -> int | None:
        """An answer that is under way goes out, also when we are asked to end: it takes seconds at most."""
        return loop.submit(saying).result()

    def _has_notices(self) -> bool:
        return bool(owner_notices.untold())

    def _wait_for(self, future: Future[T], *, until: Callable[[], bool] = lambda: False) -> T | Any:
        """The result, with a sign of life to the database every now and then. None when `until` came first.

        Raises _Stopped as soon as we are asked to end.
        """
        try:
            while not wait([future], timeout=STOP_SECONDS).done:
                if self.stopping():
                    raise _Stopped
                if self._beat() and until():
                    return None
            return future.result()
        except CancelledError:
            raise _Stopped from None
        finally:
            future.cancel()

    def _beat(self) -> bool:
        """Renew our hold on being the bot. Whether it was time to."""
        if time.monotonic() < self._beat_at + BEAT_SECONDS:
            return False
        self._beat_at = time.monotonic()
        if not lease.renew(self.hold):
            log.error("bot.lost")
            self.tell("Another process is the bot now: this one ends.")
            raise _Stopped
        self._catching_up.beat()
        return True

    def _rest(self, seconds: float) -> None:
        """Wait before the next try: what Telegram asks for, else a little longer each time."""
        self._pause = min(max(1.0, 2 * self._pause), LONGEST_PAUSE)
        until = time.monotonic() + max(min(seconds, LONGEST_PAUSE), self._pause)
        while time.monotonic() < until:
            if self.stopping():
                raise _Stopped
            time.sleep(STOP_SECONDS)

    def _config(self) -> TelegramConfig:
        return replace(server_config(), session=Bot.objects.get(pk=self.bot_id).session)


class _Line:
    """A bot's connection, opened and closed by different calls."""

    def __init__(self, config: TelegramConfig) -> None:
        self._config = config
        self._stack = AsyncExitStack()

    async def open(self) -> TelegramBot:
        return await self._stack.enter_async_context(adapters.telegram_bot.TelegramBot(self._config))

    async def close(self) -> None:
        await self._stack.aclose()


async def _trouble(bot: TelegramBot) -> str:
    """Why it will not hear everything of the community; "" when it will."""
    try:
        ears = await bot.hears_in(str(gated_chat_id()))
    except Refused:
        return "The bot is not in the community: add it there as an admin, with the right to invite users."
    if not ears.leaves:
        return "The bot is no admin of the community, so it does not hear who leaves: make it one."
    if not ears.requests:
        return "The bot does not hear who asks to join: give it the right to invite users."
    return ""


@contextmanager
def _only_one(bot_id: int, patience: float, stopping: Stopping) -> Iterator[Hold]:
    owner, until = new_owner(), time.monotonic() + patience
    connection = f"telegram:bot{bot_id}"
    while (hold := lease.take(connection=connection, owner=owner)) is None:
        if stopping() or time.monotonic() >= until:
            raise BotBusy("Another process is the bot already: stop that one first.")
        time.sleep(STOP_SECONDS)
    try:
        yield hold
    finally:
        lease.release(hold)


def _token() -> str:
    token: str = settings.TELEGRAM_BOT_TOKEN.strip()
    if not token:
        raise NotConfigured(
            "There is no bot: set TELEGRAM_BOT_TOKEN (@BotFather makes one)", code="TELEGRAM_BOT_TOKEN"
        )
    if not token.partition(":")[0].isdecimal():
        raise NotConfigured(
            "TELEGRAM_BOT_TOKEN looks like 123456789:AAE…: copy it whole", code="TELEGRAM_BOT_TOKEN"
        )
    if not gated_chat_id():
        raise NotConfigured(
            "There is no gated community: set TELEGRAM_GATED_CHAT_ID", code="TELEGRAM_GATED_CHAT_ID"
        )
    return token
