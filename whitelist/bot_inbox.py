"""What the bot heard, and what follows: burned entries, answers to owners, silence for everybody else.

The database side of the bot, with nothing of Telegram. What happened in the community may be told twice and
is done once by its nature; a message is answered once, because its number is written down with its effects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from members.operations import activity
from members.operations.activity import Event
from members.platforms.bot_news import Cursor, JoinAsked, MemberChanged, News, PrivateMessage
from members.platforms.types import Platform
from members.platforms.types import Role as Standing
from whitelist import community, flags, services
from whitelist.attempts import Attempts
from whitelist.bot_answers import Answer, Preview, actor_of, answer
from whitelist.bot_commands import Command, Misunderstood, Verb, is_command, parse
from whitelist.burning import JoinRequested, MembershipChanged
from whitelist.community import Member
from whitelist.decision import Role
from whitelist.models import Bot, CommunityMember
from whitelist.record import gated_chat_id

BOT = "the bot"
"""Who acts when the bot hears that somebody left or asks to join."""
REFUSED = "bot.refused"
FRESH = timedelta(minutes=1)
"""How far Telegram's clock and ours may be apart: a message younger than that counts as of now."""
_CRASHED = "Something went wrong, and nothing was done; the log has the details."
_ROLES = {Standing.OWNER: Role.OWNER, Standing.ADMIN: Role.ADMIN}
_DATABASE_IS_AWAY = (OperationalError, InterfaceError)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is to be said to whom."""

    user_id: str
    answer: Answer
    once: str
    """The name of this reply: said twice it is delivered once."""


@dataclass(slots=True)
class Inbox:
    """One bot's, for as long as its process lives."""

    bot_id: int
    _attempts: Attempts = field(default_factory=Attempts)
    _shown: dict[str, tuple[int, Preview]] = field(default_factory=dict)
    """By owner: the number of the message that showed a dry run, and the dry run."""

    def take(self, news: News) -> Iterator[Reply]:
        """Do what follows from `news`, reply by reply, then remember how far the bot has read.

        Raises when the database is away: what was done stays done, and the same news can be taken again.
        """
        written = [item for item in news.items if isinstance(item, PrivateMessage)]
        self._turn_off_first(written)
        for item in news.items:
            if not isinstance(item, PrivateMessage):
                _survive(self._note, item)
        for message in sorted(written, key=lambda each: each.number):
            if is_command(message.text):
                yield from self._answer(message)
        self.remember(news.cursor)

    def remember(self, cursor: Cursor) -> None:
        """The bot reads on from here."""
        Bot.objects.filter(pk=self.bot_id).update(
            pts=cursor.pts, qts=cursor.qts, read_to=cursor.at, heard_at=timezone.now()
        )

    def was_said(self, reply: Reply, number: int | None) -> None:
        """`reply` went out under this number: what is written after it may speak of what it shows."""
        if reply.answer.preview is not None and number is not None:
            self._shown[reply.user_id] = number, reply.answer.preview

    def _turn_off_first(self, messages: Iterable[PrivateMessage]) -> None:
        """Nothing that fails or takes long may come before the command that turns kicks off."""
        for message in messages:
            command = _understood(message)
            if command is not None and command.verb is Verb.KICKS_OFF and self._is_new(message):
                flags.turn_kicks_off(actor=actor_of(int(message.sender.id)))

    def _note(self, item: JoinAsked | MemberChanged) -> None:
        chat_id, telegram_id = gated_chat_id(), int(item.user.id)
        if item.group_id != str(chat_id):
            return
        at = end_of_second(item.at)
        if isinstance(item, JoinAsked):
            services.apply_event(JoinRequested(telegram_id), actor=BOT, at=at)
            return
        change = MembershipChanged(telegram_id, int(item.actor_id), item.was_present, item.is_present)
        services.apply_event(change, actor=BOT, at=at)
        if item.is_present:
            community.note_joined(chat_id=chat_id, member=_member(chat_id, item), at=at)
        elif item.was_present:
            community.note_left(chat_id=chat_id, telegram_ids=[telegram_id], at=at)

    def _answer(self, message: PrivateMessage) -> list[Reply]:
        if int(message.sender.id) not in settings.TELEGRAM_BOT_OWNERS:
            self._note_attempt(message)
            return []
        try:
            with transaction.atomic():
                if not self._begin(message):
                    return []
                done = self._carry_out(message)
        except _DATABASE_IS_AWAY:
            raise
        except Exception:
            log.exception("bot.command_failed", owner=message.sender.id)
            self._begin(message)  # it would fail again
            done = Answer(_CRASHED)
        return [Reply(message.sender.id, done, f"answer {message.number}")]

    def _carry_out(self, message: PrivateMessage) -> Answer:
        if message.forwarded:
            return Answer("That was forwarded: write the command yourself.")
        try:
            command = parse(message.text)
        except Misunderstood as error:
            return Answer(str(error))
        log.info("bot.command", owner=message.sender.id, command=command.verb)
        number, preview = self._shown.get(message.sender.id, (0, None))
        seen = preview if message.number > number else None
        if command.verb is Verb.KICKS_ON_CONFIRM:
            self._shown.pop(message.sender.id, None)
        at = min(timezone.now(), end_of_second(message.sent_at) + FRESH)
        return answer(command, owner_id=int(message.sender.id), at=at, seen=seen)

    def _is_new(self, message: PrivateMessage) -> bool:
        return Bot.objects.filter(pk=self.bot_id, last_message__lt=message.number).exists()

    def _begin(self, message: PrivateMessage) -> bool:
        """Whether nobody has answered it yet; then nobody else will."""
        unanswered = Bot.objects.filter(pk=self.bot_id, last_message__lt=message.number)
        return bool(unanswered.update(last_message=message.number))

    def _note_attempt(self, message: PrivateMessage) -> None:
        """A stranger gets no answer."""
        now = timezone.now()
        if not self._attempts.is_new(int(message.sender.id), now):
            return
        word = message.text.split()[0][:40]
        log.warning("bot.refused", person=message.sender.id, command=word)
        event = Event(
            actor=BOT,
            action=REFUSED,
            platform=Platform.TELEGRAM,
            subject=message.sender.id,
            detail=f"{message.sender.name[:100]} wrote {word}, and is no owner".strip(),
        )
        activity.record(events=[event], at=now)


def end_of_second(moment: datetime) -> datetime:
    """The last moment that Telegram may have meant, which tells whole seconds."""
    return moment.replace(microsecond=999_999)


def _understood(message: PrivateMessage) -> Command | None:
    """What an owner commands; None for everybody else, and for what is no command."""
    if int(message.sender.id) not in settings.TELEGRAM_BOT_OWNERS or message.forwarded:
        return None
    try:
        return parse(message.text) if is_command(message.text) else None
    except Misunderstood:
        return None


def _member(chat_id: int, item: MemberChanged) -> Member:
    known = CommunityMember.objects.filter(chat_id=chat_id, telegram_id=int(item.user.id)).first()
    return Member(
        telegram_id=int(item.user.id),
        username=(item.user.username or (known.username if known else ""))[:32],
        name=(item.user.name or (known.name if known else ""))[:129],
        role=_ROLES.get(item.role, Role.MEMBER),
        is_bot=item.user.is_bot or (known is not None and known.is_bot),
        is_our_account=known is not None and known.is_our_account,
    )


def _survive(work: Callable[[JoinAsked | MemberChanged], None], item: JoinAsked | MemberChanged) -> None:
    """One event that cannot be dealt with must not keep the bot from all that follow."""
    try:
        work(item)
    except _DATABASE_IS_AWAY:
        raise
    except Exception:
        log.exception("bot.event_failed", person=item.user.id)
