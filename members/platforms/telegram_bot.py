"""A bot's connection to Telegram: what it hears, and what it says.

What was missed is read from where the caller last read to (updates.getDifference), whether that was a
moment ago or before a restart: what Telegram pushes meanwhile only says that it is time to read. So nothing
depends on pushes that arrive in order, once, or at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.base import CallMeter
from members.platforms.bot_news import Cursor, Item, JoinAsked, MemberChanged, News, PrivateMessage
from members.platforms.configs import TelegramConfig
from members.platforms.errors import Gone, Refused, SignedOut
from members.platforms.telegram_addresses import AddressBook
from members.platforms.telegram_parse import parse_account, parse_standing, parse_user, present_user_id
from members.platforms.telegram_transport import Ear, TelegramTransport
from members.platforms.telegram_writer import number_of
from members.platforms.text import storable
from members.platforms.types import Account, Platform, PlatformUser, Role
from members.platforms.writing import InDoubt

LONGEST_MESSAGE = 4096
"""In characters: `message_length_max` of core.telegram.org/constructor/config."""

_MEMBERSHIP = (tl.UpdateBotChatInviteRequester, tl.UpdateChannelParticipant)
_TELLING = (*_MEMBERSHIP, tl.UpdateNewMessage)
"""What is listened to: in a busy community most of what is pushed is for nobody here."""


@dataclass(frozen=True, slots=True)
class Ears:
    """What a bot is told of a group, by its rights there."""

    leaves: bool
    """Who comes and goes: only admins are told."""
    requests: bool
    """Who asks to join: with the right to invite users."""


class TelegramBot:
    """Speaks as one bot. Use it in an `async with` block, once. Every method may raise PlatformError."""

    def __init__(self, config: TelegramConfig, *, meter: CallMeter | None = None) -> None:
        ear = Ear(_TELLING, self._heard)
        self._transport = TelegramTransport(config, meter=meter or CallMeter(), ear=ear)
        self._account: Account | None = None
        self._book = AddressBook(own_id=0)
        self._something = asyncio.Event()
        self._pushed: list[Any] = []

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        try:
            users = await self._transport.call(functions.users.GetUsersRequest([tl.InputUserSelf()]))
            if not users or not isinstance(users[0], tl.User):
                raise SignedOut("The bot is signed out: it has to sign in again", code="signed_out")
        except BaseException:
            await self._transport.__aexit__(None, None, None)
            raise
        self._account = parse_account(users[0])
        self._book = AddressBook(users[0].id)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    @property
    def account(self) -> Account:
        """The bot itself."""
        if self._account is None:
            raise RuntimeError("TelegramBot is used outside its 'async with' block")
        return self._account

    async def latest(self) -> Cursor:
        """updates.getState: where to begin, for a bot that has never read."""
        return _cursor(await self._transport.call(functions.updates.GetStateRequest()))

    async def hears_in(self, group_id: str) -> Ears:
        """channels.getChannels: what Telegram tells the bot of a supergroup. Raises Refused outside of it.

        Bots need no access hash for a group that they are in: core.telegram.org/api/peers
        """
        request = functions.channels.GetChannelsRequest([tl.InputChannel(int(group_id), 0)])
        answer = await self._transport.call(request)
        channel = next((each for each in answer.chats if isinstance(each, tl.Channel)), None)
        if channel is None or channel.left:
            raise Gone("The bot is not in this group", code="CHANNEL_PRIVATE")
        rights = channel.admin_rights
        return Ears(leaves=rights is not None, requests=rights is not None and bool(rights.invite_users))

    async def wait(self, seconds: float) -> None:
        """Return when there may be something to read, `seconds` later at the latest."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._something.wait(), seconds)
        self._something.clear()

    async def news(self, since: Cursor) -> News:
        """updates.getDifference: what happened since, and what was pushed meanwhile."""
        pushed, self._pushed = self._pushed, []
        try:
            answer = await self._transport.call(
                functions.updates.GetDifferenceRequest(since.pts, since.at, since.qts)
            )
        except Refused as error:
            if not error.code.startswith("PERSISTENT_TIMESTAMP_"):
                raise
            answer = None  # Telegram cannot tell what happened since
        self._book.learn(answer)
        items = _items(answer, pushed)
        match answer:
            case tl.updates.Difference():
                return News(items, _after(since, answer.state, answer))
            case tl.updates.DifferenceSlice():
                cursor = _after(since, answer.intermediate_state, answer)
                if (cursor.pts, cursor.qts) != (since.pts, since.qts):
                    return News(items, cursor, more=True)
                return News(items, await self.latest(), whole=False)  # else it would be read for ever
            case None | tl.updates.DifferenceTooLong():
                return News(items, await self.latest(), whole=False)
        return News(items, since)

    async def say(self, user_id: str, text: str, *, once: str) -> int | None:
        """messages.sendMessage: plain text to somebody who has written to the bot. Returns its number.

        Said again with the same `once` after an error, it is delivered once; None when it was before.
        """
        request = functions.messages.SendMessageRequest(
            await self._person(int(user_id)),
            storable(text)[:LONGEST_MESSAGE],
            no_webpage=True,
            random_id=number_of(once),
        )
        try:
            answer = await self._transport.write(request)
        except InDoubt as error:
            if error.code == "RANDOM_ID_DUPLICATE":
                return None
            raise
        if isinstance(answer, tl.UpdateShortSentMessage):
            return int(answer.id)
        numbers = (update.id for update in answer.updates if isinstance(update, tl.UpdateMessageID))
        return next(numbers, None)

    async def _person(self, user_id: int) -> Any:
        """How to speak to somebody. Raises Refused for whoever has never written to the bot.

        users.getUsers tells a bot the access hash of whoever has: core.telegram.org/api/peers
        """
        if not self._book.knows_user(user_id):
            users = await self._transport.call(functions.users.GetUsersRequest([tl.InputUser(user_id, 0)]))
            self._book.learn_users(users)
        return self._book.input_user(user_id)

    def _heard(self, update: Any | None) -> None:
        """Something was pushed, or the line has ended."""
        if isinstance(update, _MEMBERSHIP):
            self._pushed.append(update)
        self._something.set()


def _after(since: Cursor, state: tl.updates.State, answer: Any) -> Cursor:
    """Telegram sometimes tells a bot qts 0, or fewer than it has had: then it goes on from what it had."""
    told = [getattr(update, "qts", None) or 0 for update in answer.other_updates]
    return Cursor(state.pts or since.pts, max(since.qts, state.qts, *told, 0), state.date)


def _cursor(state: tl.updates.State) -> Cursor:
    return Cursor(state.pts, state.qts, state.date)


def _items(answer: Any, pushed: Iterable[Any]) -> tuple[Item, ...]:
    """What the difference tells; and before it what was pushed, as far as it does not tell that as well."""
    users = {user.id: user for user in getattr(answer, "users", ())}
    told = [_membership(update, users) for update in getattr(answer, "other_updates", ())]
    known = {_key(item) for item in told if item is not None}
    heard = (_membership(update, {}) for update in pushed)
    written = (_private_message(message, users) for message in getattr(answer, "new_messages", ()))
    unknown = (item for item in heard if item is not None and _key(item) not in known)
    return tuple(item for item in (*unknown, *told, *written) if item is not None)


def _key(item: JoinAsked | MemberChanged) -> tuple[object, ...]:
    """The same for the same event, told twice."""
    return type(item), item.group_id, item.user.id, item.at, getattr(item, "is_present", None)


def _private_message(message: Any, users: Mapping[int, Any]) -> PrivateMessage | None:
    """None for what the bot itself wrote, for service lines, and for groups."""
    if not isinstance(message, tl.Message) or message.out or not isinstance(message.peer_id, tl.PeerUser):
        return None
    return PrivateMessage(
        number=message.id,
        sender=_user(message.peer_id.user_id, users),
        text=storable(message.message or ""),
        sent_at=message.date,
        forwarded=message.fwd_from is not None,
    )


def _membership(update: Any, users: Mapping[int, Any]) -> JoinAsked | MemberChanged | None:
    match update:
        case tl.UpdateBotChatInviteRequester(peer=tl.PeerChannel() as peer):
            return JoinAsked(str(peer.channel_id), _user(update.user_id, users), update.date)
        case tl.UpdateChannelParticipant():
            is_present = present_user_id(update.new_participant) is not None
            return MemberChanged(
                group_id=str(update.channel_id),
                user=_user(update.user_id, users),
                actor_id=str(update.actor_id),
                was_present=present_user_id(update.prev_participant) is not None,
                is_present=is_present,
                role=parse_standing(update.new_participant).role if is_present else Role.ABSENT,
                at=update.date,
            )
    return None


def _user(user_id: int, users: Mapping[int, Any]) -> PlatformUser:
    known = users.get(user_id)
    if isinstance(known, tl.User) and not known.min:
        return parse_user(known)
    return PlatformUser(Platform.TELEGRAM, str(user_id))
