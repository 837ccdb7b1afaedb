"""Writing, editing and deleting messages."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.build.messages import parse_entities
from groupadmin.sandbox.telegram.dispatch import Call, answers
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.events import people_in
from groupadmin.sandbox.telegram.handlers.permissions import has_right
from groupadmin.sandbox.telegram.messages import Conversation, TelegramMessage
from groupadmin.sandbox.telegram.world import Place, TelegramUser

_LONGEST = 4096


@answers(functions.messages.SendMessageRequest, subjects=lambda call: [call.request.message])
def send_message(call: Call, request: Any) -> Any:
    place = call.peers.writable(request.peer)
    _require_text(request.message)
    if isinstance(place, Conversation):
        _require_reachable(call.world.users[place.partner_of(call.viewer)])
    reply_to = getattr(request.reply_to, "reply_to_msg_id", None)
    if reply_to is not None and find_message(place.messages, reply_to) is None:
        raise RpcError("REPLY_MESSAGE_ID_INVALID")
    _require_new(call, request.random_id)
    message, changes = call.backend.actions.post(
        call.origin,
        place,
        request.message,
        reply_to=reply_to,
        entities=parse_entities(request.entities, call.peers.user),
    )
    call.wrote()
    own_id = types.UpdateMessageID(message.id, request.random_id)
    return call.answer_updates([own_id, *changes], people=people_in(place, message), place=place)


@answers(functions.messages.EditMessageRequest, subjects=lambda call: [call.request.id])
def edit_message(call: Call, request: Any) -> Any:
    place = call.peers.writable(request.peer)
    message = find_message(place.messages, request.id)
    if message is None or message.action is not None:
        raise RpcError("MESSAGE_ID_INVALID")
    if message.sender != call.viewer:
        raise RpcError("MESSAGE_AUTHOR_REQUIRED")
    _require_text(request.message or "")
    entities = parse_entities(request.entities, call.peers.user)
    if (message.text, message.entities) == (request.message, entities):
        raise RpcError("MESSAGE_NOT_MODIFIED")
    changes = call.backend.actions.edit(call.origin, place, message, request.message, entities)
    call.wrote()
    return call.answer_updates(changes, people=people_in(place, message), place=place)


@answers(functions.channels.DeleteMessagesRequest, subjects=lambda call: call.request.id)
def delete_channel_messages(call: Call, request: Any) -> Any:
    chat = call.peers.joined_channel(request.channel)
    found = _find_all(chat, request.id)
    foreign = any(message.sender != call.viewer for message in found)
    if foreign and not has_right(call, chat, "delete_messages"):
        raise RpcError("MESSAGE_DELETE_FORBIDDEN")
    _delete(call, chat, found)
    timeline = call.backend.updates.channels[chat.id]
    return types.messages.AffectedMessages(timeline.pts, len(found))


@answers(functions.messages.DeleteMessagesRequest, subjects=lambda call: call.request.id)
def delete_messages(call: Call, request: Any) -> Any:
    """For private chats and basic groups, whose messages are named without their place."""
    count = 0
    for place in shared_places(call):
        found = _find_all(place, request.id)
        if found:
            _delete(call, place, found)
            count += len(found)
    return types.messages.AffectedMessages(call.backend.updates.accounts[call.viewer].pts, count)


def find_message(rows: Sequence[TelegramMessage], message_id: int) -> TelegramMessage | None:
    """The message with this id among `rows`, which are in the order of their ids."""
    place = bisect_left(rows, message_id, key=lambda row: row.id)
    return rows[place] if place < len(rows) and rows[place].id == message_id else None


def _find_all(place: Place, ids: list[int]) -> list[TelegramMessage]:
    found = (find_message(place.messages, message_id) for message_id in ids)
    return [message for message in found if message is not None]


def shared_places(call: Call) -> list[Place]:
    """The caller's private chats and basic groups."""
    chats = call.world.chats_of(call.viewer)
    groups = [chat for chat in chats if not chat.is_channel and call.viewer in chat.members]
    return [*groups, *call.world.conversations_of(call.viewer)]


def _delete(call: Call, place: Place, found: list[TelegramMessage]) -> None:
    ids = [message.id for message in found]
    call.backend.actions.delete(call.origin, place, ids)
    call.wrote(*ids)


def _require_reachable(partner: TelegramUser) -> None:
    if partner.deleted:
        raise RpcError("INPUT_USER_DEACTIVATED")
    if partner.unreachable:
        raise RpcError("PRIVACY_PREMIUM_REQUIRED")


def _require_text(text: str) -> None:
    if not text.strip():
        raise RpcError("MESSAGE_EMPTY")
    if len(text) > _LONGEST:
        raise RpcError("MESSAGE_TOO_LONG")


def _require_new(call: Call, random_id: int) -> None:
    """A client that repeats a request it got no answer to keeps its random id."""
    key = (call.viewer, random_id)
    if key in call.backend.sent_random_ids:
        raise RpcError("RANDOM_ID_DUPLICATE")
    call.backend.sent_random_ids.add(key)
