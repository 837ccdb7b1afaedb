"""Messages between the world and TL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from telethon.tl import types

from groupadmin.sandbox.telegram.build import files
from groupadmin.sandbox.telegram.messages import Action, Conversation, EntityKind, TelegramMessage, TextEntity
from groupadmin.sandbox.telegram.world import Place, TelegramChat, TelegramUser

_ENTITIES: dict[EntityKind, Any] = {
    "bold": types.MessageEntityBold,
    "italic": types.MessageEntityItalic,
    "underline": types.MessageEntityUnderline,
    "strike": types.MessageEntityStrike,
    "spoiler": types.MessageEntitySpoiler,
    "blockquote": types.MessageEntityBlockquote,
    "code": types.MessageEntityCode,
    "pre": types.MessageEntityPre,
    "url": types.MessageEntityUrl,
    "text_url": types.MessageEntityTextUrl,
    "email": types.MessageEntityEmail,
    "phone": types.MessageEntityPhone,
    "mention": types.MessageEntityMention,
    "mention_name": types.MessageEntityMentionName,
    "hashtag": types.MessageEntityHashtag,
    "bot_command": types.MessageEntityBotCommand,
}
_KINDS = {tl_class: kind for kind, tl_class in _ENTITIES.items()}
_DETAIL: dict[EntityKind, str] = {"text_url": "url", "pre": "language", "mention_name": "user_id"}


def peer_of(place: Place, viewer: int) -> Any:
    """The Peer… under which `viewer` knows `place`."""
    if isinstance(place, Conversation):
        return types.PeerUser(place.partner_of(viewer))
    return types.PeerChannel(place.id) if place.is_channel else types.PeerChat(place.id)


def message(place: Place, row: TelegramMessage, viewer: int) -> Any:
    """The Message or MessageService for `row` in `place`, as `viewer` sees it."""
    is_post = isinstance(place, TelegramChat) and place.kind == "broadcast"
    # In private chats and broadcast channels the peer already tells who speaks.
    names_sender = row.sender is not None and not is_post and not isinstance(place, Conversation)
    common = {
        "id": row.id,
        "peer_id": peer_of(place, viewer),
        "date": row.date,
        "out": row.sender == viewer,
        "from_id": types.PeerUser(row.sender) if names_sender else None,
        "post": is_post,
        "reply_to": _header(row),
    }
    # Keywords throughout: Telethon's own Message classes order their arguments differently.
    if row.action is not None:
        return types.MessageService(action=_action(place, row.action), **common)
    return types.Message(
        message=row.text,
        entities=_entities(row.entities) or None,
        edit_date=row.edited,
        media=None if row.file is None else files.media(row.file, viewer),
        **common,
    )


def _header(row: TelegramMessage) -> Any:
    """What a message answers, and the topic in which it stands: https://core.telegram.org/api/threads"""
    if row.topic is None:
        return types.MessageReplyHeader(reply_to_msg_id=row.reply_to) if row.reply_to else None
    if row.reply_to is None or row.reply_to == row.topic:
        return types.MessageReplyHeader(forum_topic=True, reply_to_msg_id=row.topic)
    return types.MessageReplyHeader(forum_topic=True, reply_to_msg_id=row.reply_to, reply_to_top_id=row.topic)


def missing_message(message_id: int) -> Any:
    """What stands for an id under which there is nothing."""
    return types.MessageEmpty(id=message_id, peer_id=None)


def parse_entities(
    entities: Iterable[Any] | None, find_user: Callable[[Any], TelegramUser]
) -> list[TextEntity]:
    """Rows for the entities of a request; kinds that the world does not know are dropped."""
    rows = []
    for entity in entities or ():
        kind = _KINDS.get(type(entity))
        if isinstance(entity, types.InputMessageEntityMentionName):
            mentioned = find_user(entity.user_id)
            rows.append(TextEntity("mention_name", entity.offset, entity.length, mentioned.id))
        elif kind is not None:
            detail = getattr(entity, _DETAIL[kind]) if kind in _DETAIL else ""
            rows.append(TextEntity(kind, entity.offset, entity.length, detail))
    return rows


def _entities(rows: Iterable[TextEntity]) -> list[Any]:
    return [
        _ENTITIES[row.kind](
            row.offset, row.length, **({_DETAIL[row.kind]: row.detail} if row.kind in _DETAIL else {})
        )
        for row in rows
    ]


def _action(place: Place, action: Action) -> Any:
    match action.kind:
        case "create" if place.is_channel:
            return types.MessageActionChannelCreate(action.title)
        case "create":
            return types.MessageActionChatCreate(action.title, list(action.users))
        case "rename":
            return types.MessageActionChatEditTitle(action.title)
        case "add":
            return types.MessageActionChatAddUser(list(action.users))
        case "remove":
            return types.MessageActionChatDeleteUser(action.users[0])
        case "join_by_link":
            return types.MessageActionChatJoinedByLink(inviter_id=action.users[0])
        case "join_by_request":
            return types.MessageActionChatJoinedByRequest()
        case "migrate_to":
            return types.MessageActionChatMigrateTo(action.chat_id)
        case "migrate_from":
            return types.MessageActionChannelMigrateFrom(action.title, action.chat_id)
        case "open_topic":
            return types.MessageActionTopicCreate(action.title, icon_color=0x6FB9F0)
        case "rename_topic":
            return types.MessageActionTopicEdit(title=action.title)
        case "pin":
            return types.MessageActionPinMessage()
        case "contact_sign_up":
            return types.MessageActionContactSignUp()
    raise ValueError(f"unknown action {action.kind}")
