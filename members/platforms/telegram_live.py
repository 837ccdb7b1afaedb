"""What Telegram pushes, the moment it happens, as our own. Pure: https://core.telegram.org/api/updates

People's accounts are told who comes and goes by the service lines in the groups. Where there are none (large
groups leave them out) only a look at the group tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from telethon.tl import types as tl

from members.platforms.history import Heard
from members.platforms.live import GroupEvent, Happening, Item
from members.platforms.telegram_messages import Names, parse_message
from members.platforms.text import group_name
from members.platforms.types import Platform

_MESSAGES = (
    tl.UpdateNewChannelMessage,
    tl.UpdateEditChannelMessage,
    tl.UpdateNewMessage,
    tl.UpdateEditMessage,
)
_MEMBERSHIP = (tl.UpdateChannelParticipant, tl.UpdateChatParticipant)
_CHANGES = (tl.UpdateChannel, tl.UpdateChat, tl.UpdateChatParticipants)
_BASIC = (tl.UpdateChatParticipantAdd, tl.UpdateChatParticipantDelete)

TOLD = (
    *_MESSAGES,
    *_MEMBERSHIP,
    *_CHANGES,
    *_BASIC,
    tl.UpdateDeleteChannelMessages,
    tl.UpdateChannelTooLong,
    tl.UpdateShortChatMessage,
)
"""The updates that tell something of groups."""


def parse_updates(updates: Iterable[Any], users: Iterable[Any], chats: Iterable[Any]) -> Iterator[Item]:
    """What `updates` tell of groups, with the people and chats that came along; nothing of private chats
    and of broadcast channels.

    Deletions are told of supergroups alone: elsewhere Telegram does not say in which chat.
    """
    names = Names()
    chats = list(chats)
    names.learn(users, chats)
    known = {str(chat.id): chat for chat in chats}
    for update in updates:
        for item in _items(update, names):
            if not _is_broadcast(known.get(item.group_id)):
                yield _named(item, known)


def _items(update: Any, names: Names) -> Iterator[Item]:
    match update:
        case tl.UpdateShortChatMessage():
            yield from _of_message(_written_out(update), names)
        case _ if isinstance(update, _MESSAGES):
            yield from _of_message(update.message, names)
        case tl.UpdateDeleteChannelMessages():
            yield Heard(Platform.TELEGRAM, str(update.channel_id), deleted=tuple(update.messages))
        case tl.UpdateChannelTooLong():
            yield _event(update.channel_id, Happening.MISSED)
        case tl.UpdateChatParticipantAdd():
            yield _event(update.chat_id, Happening.JOINED, update.user_id)
        case tl.UpdateChatParticipantDelete():
            yield _event(update.chat_id, Happening.LEFT, update.user_id)
        case _ if isinstance(update, _MEMBERSHIP):
            came = update.prev_participant is None and update.new_participant is not None
            what = Happening.JOINED if came else Happening.CHANGED
            yield _event(_chat_of(update), what, update.user_id)
        case _ if isinstance(update, _CHANGES):
            yield _event(_chat_of(update), Happening.CHANGED)


def _of_message(message: Any, names: Names) -> Iterator[Item]:
    group = _group_of(message)
    parsed = parse_message(message, names)
    if group is None or parsed is None:
        return
    yield Heard(Platform.TELEGRAM, str(group), parsed)
    if isinstance(message, tl.MessageService):
        for event in _of_action(message.action, group, message.from_id):
            yield replace(event, once=f"{group}/{message.id}")


def _of_action(action: Any, group: int, sender: Any) -> Iterator[GroupEvent]:
    """What a service line says beyond the line itself. https://core.telegram.org/type/MessageAction"""
    match action:
        case tl.MessageActionChatAddUser():
            yield _event(group, Happening.JOINED, *action.users)
        case tl.MessageActionChatJoinedByLink() | tl.MessageActionChatJoinedByRequest():
            people = (sender.user_id,) if isinstance(sender, tl.PeerUser) else ()
            yield _event(group, Happening.JOINED, *people)
        case tl.MessageActionChatDeleteUser():
            yield _event(group, Happening.LEFT, action.user_id)
        case tl.MessageActionChatEditTitle():
            yield GroupEvent(Platform.TELEGRAM, str(group), Happening.RENAMED, group_name(action.title or ""))
        case tl.MessageActionChatCreate() | tl.MessageActionChannelCreate():
            yield _event(group, Happening.CREATED)
        case tl.MessageActionChatMigrateTo() | tl.MessageActionChannelMigrateFrom():
            yield _event(group, Happening.CHANGED)


def _event(group: int, what: Happening, *people: int) -> GroupEvent:
    return GroupEvent(Platform.TELEGRAM, str(group), what, people=tuple(map(str, people)))


def _named(item: Item, known: Mapping[str, Any]) -> Item:
    """With the name that the chat itself carries, where the event told none."""
    chat = known.get(item.group_id)
    if isinstance(item, Heard) or item.name or chat is None:
        return item
    return replace(item, name=group_name(getattr(chat, "title", "") or ""))


def _is_broadcast(chat: Any) -> bool:
    return isinstance(chat, tl.Channel) and not (chat.megagroup or chat.gigagroup)


def _chat_of(update: Any) -> int:
    if isinstance(update, tl.UpdateChatParticipants):
        return int(update.participants.chat_id)
    number = getattr(update, "channel_id", None)
    return int(update.chat_id if number is None else number)


def _group_of(message: Any) -> int | None:
    match getattr(message, "peer_id", None):
        case tl.PeerChannel(channel_id=number) | tl.PeerChat(chat_id=number):
            return int(number)
    return None


def _written_out(short: tl.UpdateShortChatMessage) -> tl.Message:
    """The same message in its long form."""
    return tl.Message(
        id=short.id,
        peer_id=tl.PeerChat(short.chat_id),
        from_id=tl.PeerUser(short.from_id),
        date=short.date,
        message=short.message,
        out=short.out,
        fwd_from=short.fwd_from,
        via_bot_id=short.via_bot_id,
        reply_to=short.reply_to,
        entities=short.entities,
    )
