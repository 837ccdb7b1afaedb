"""Telegram's messages as our own. Pure: no network.

Field meanings: core.telegram.org/constructor/{message,messageService,messageReplyHeader,document}.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from telethon.tl import types as tl

from members.platforms.history import Attachment, FileKind, Message, MessageKind, Sender
from members.platforms.telegram_words import action_in_words, media_in_words
from members.platforms.text import storable

_FORGOTTEN = frozenset({"file_reference", "access_hash", "stripped_thumb", "bytes"})
"""Left out of what is kept: they are ours alone, run out within hours, or are pictures."""


class Names:
    """What the answers of one connection tell of the people and channels in them, for their messages."""

    def __init__(self) -> None:
        self._senders: dict[str, Sender] = {}

    def learn(self, users: Iterable[Any], chats: Iterable[Any]) -> None:
        for user in users:
            if isinstance(user, tl.User):
                name = " ".join(filter(None, (user.first_name, user.last_name)))
                self._keep(str(user.id), name, user.username, is_bot=bool(user.bot))
        for chat in chats:
            title = getattr(chat, "title", "")
            prefix = "channel" if isinstance(chat, tl.Channel | tl.ChannelForbidden) else "chat"
            self._keep(f"{prefix}{chat.id}", title, getattr(chat, "username", None))

    def sender(self, peer: Any) -> Sender | None:
        match peer:
            case tl.PeerUser():
                key = str(peer.user_id)
            case tl.PeerChannel():
                key = f"channel{peer.channel_id}"
            case tl.PeerChat():
                key = f"chat{peer.chat_id}"
            case _:
                return None
        return self._senders.get(key, Sender(key))

    def name_of(self, user_id: int) -> str:
        return self._senders.get(str(user_id), Sender("")).name or f"user {user_id}"

    def _keep(self, key: str, name: str | None, username: str | None, *, is_bot: bool = False) -> None:
        known = self._senders.get(key, Sender(key))
        self._senders[key] = Sender(
            key, storable(name or "") or known.name, storable(username or "") or known.username, is_bot
        )


def parse_message(message: Any, names: Names, *, origin: str = "") -> Message | None:
    """One message or service line; None for an empty place (MessageEmpty), and for what has no date."""
    if not isinstance(message, tl.Message | tl.MessageService) or message.date is None:
        return None
    thread, reply_to = _places(message.reply_to)
    service = isinstance(message, tl.MessageService)
    edited = None if service or message.edit_hide else message.edit_date
    return Message(
        number=message.id,
        sent_at=message.date,
        sender=names.sender(message.from_id or message.peer_id),
        kind=MessageKind.SERVICE if service else MessageKind.MESSAGE,
        text=action_in_words(message.action, names.name_of) if service else _text(message),
        origin=origin,
        thread=message.id if _opens_topic(message) else thread,
        reply_to=reply_to,
        edited_at=edited,
        attachments=() if service else tuple(_attachments(message.media)),
        mentions=tuple(_mentions(message, names)),
        raw=jsonable(message),
    )


def _text(message: Any) -> str:
    """What was written, and in words what else came with it."""
    return "\n".join(filter(None, (storable(message.message or ""), media_in_words(message.media))))


def _mentions(message: Any, names: Names) -> Iterator[Sender]:
    """Those of whom it was forwarded, and whom a service line is about."""
    forwarded = getattr(message, "fwd_from", None)
    action = getattr(message, "action", None)
    about = [*(getattr(action, "users", None) or ()), *_set(action, "user_id"), *_set(action, "inviter_id")]
    peers = [tl.PeerUser(user_id) for user_id in (*about, *_set(message, "via_bot_id"))]
    for peer in (*peers, getattr(forwarded, "from_id", None)):
        sender = names.sender(peer)
        if sender is not None and sender.name:
            yield sender


def _set(source: Any, name: str) -> list[Any]:
    value = getattr(source, name, None)
    return [] if value is None else [value]


def jsonable(value: Any) -> Any:
    """A TL object in JSON types, its class under "_": what is unset, and what only served us, left out."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if isfinite(value) else None
        case str():
            return storable(value)
        case datetime():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case list() | tuple():
            return [jsonable(item) for item in value]
        case Mapping():
            kept = ((key, item) for key, item in value.items() if key not in _FORGOTTEN)
            return {key: jsonable(item) for key, item in kept if item is not None and item is not False}
    return jsonable(value.to_dict())


def _opens_topic(message: Any) -> bool:
    return isinstance(getattr(message, "action", None), tl.MessageActionTopicCreate)


def _places(header: Any) -> tuple[int | None, int | None]:
    """The forum topic in which a message stands, and the message that it answers.

    In a topic a message that answers none names the topic's first one: …/api/threads.
    """
    if not isinstance(header, tl.MessageReplyHeader) or header.reply_to_peer_id is not None:
        return None, None  # no answer, or one to a message of another chat, which has numbers of its own
    if not header.forum_topic:
        return None, header.reply_to_msg_id
    if header.reply_to_top_id is None:
        return header.reply_to_msg_id, None
    return header.reply_to_top_id, header.reply_to_msg_id


def _attachments(media: Any) -> Iterator[Attachment]:
    match media:
        case tl.MessageMediaPhoto(photo=tl.Photo() as photo):
            yield Attachment(
                str(photo.id), FileKind.PHOTO, mime_type="image/jpeg", size=_largest(photo.sizes)
            )
        case tl.MessageMediaDocument(document=tl.Document() as document):
            yield Attachment(
                id=str(document.id),
                kind=_kind(document.attributes),
                name=next(
                    (
                        storable(a.file_name)
                        for a in document.attributes
                        if isinstance(a, tl.DocumentAttributeFilename)
                    ),
                    "",
                ),
                mime_type=storable(document.mime_type or ""),
                size=document.size,
            )


def _kind(attributes: Iterable[Any]) -> FileKind:
    """The most telling of a document's attributes: a sticker may be a video as well."""
    kinds = {_kind_of(attribute) for attribute in attributes}
    order = (FileKind.STICKER, FileKind.ANIMATION, FileKind.VIDEO_MESSAGE, FileKind.VOICE)
    return next((kind for kind in (*order, FileKind.VIDEO, FileKind.AUDIO) if kind in kinds), FileKind.FILE)


def _kind_of(attribute: Any) -> FileKind:
    match attribute:
        case tl.DocumentAttributeSticker():
            return FileKind.STICKER
        case tl.DocumentAttributeAnimated():
            return FileKind.ANIMATION
        case tl.DocumentAttributeVideo():
            return FileKind.VIDEO_MESSAGE if attribute.round_message else FileKind.VIDEO
        case tl.DocumentAttributeAudio():
            return FileKind.VOICE if attribute.voice else FileKind.AUDIO
    return FileKind.FILE


def _largest(sizes: Iterable[Any]) -> int | None:
    """The bytes of a photo's largest size; a progressive one lists those of its steps."""
    known = [
        max(size.sizes) if isinstance(size, tl.PhotoSizeProgressive) else getattr(size, "size", 0)
        for size in sizes
    ]
    return max(known, default=0) or None
