"""Messages as Telegram pushes them, the moment they are written. Pure: https://core.telegram.org/api/updates"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from telethon.tl import types as tl

from members.platforms.history import Heard
from members.platforms.telegram_messages import Names, parse_message
from members.platforms.types import Platform

_TOLD = (
    tl.UpdateNewChannelMessage,
    tl.UpdateEditChannelMessage,
    tl.UpdateNewMessage,
    tl.UpdateEditMessage,
)


def parse_heard(updates: Any) -> Iterator[Heard]:
    """What an `Updates` says of messages in groups; nothing about private chats.

    Deletions are told of supergroups alone: elsewhere Telegram does not say in which chat.
    """
    names = Names()
    names.learn(getattr(updates, "users", ()), getattr(updates, "chats", ()))
    for update in getattr(updates, "updates", ()):
        match update:
            case tl.UpdateDeleteChannelMessages():
                yield Heard(Platform.TELEGRAM, str(update.channel_id), deleted=tuple(update.messages))
            case _ if isinstance(update, _TOLD):
                message, group = parse_message(update.message, names), _group_of(update.message)
                if message is not None and group is not None:
                    yield Heard(Platform.TELEGRAM, group, message)


def _group_of(message: Any) -> str | None:
    match message.peer_id:
        case tl.PeerChannel():
            return str(message.peer_id.channel_id)
        case tl.PeerChat():
            return str(message.peer_id.chat_id)
    return None
