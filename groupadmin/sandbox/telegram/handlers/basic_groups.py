"""Basic groups: up to 200 people, no access hash, one shared method family with private chats."""

from __future__ import annotations

from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.dispatch import Call, answers, user_in_request
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.handlers.invites import missing_invitee, shown_invite
from groupadmin.sandbox.telegram.handlers.permissions import (
    require_may_invite,
    require_removable,
    require_right,
    require_title,
)
from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat

_LARGEST = 200
"""How many people a basic group may have: https://core.telegram.org/api/channel#basic-groups"""


@answers(functions.messages.GetChatsRequest)
def get_chats(call: Call, request: Any) -> Any:
    return types.messages.Chats([call.view.chat(call.peers.known_basic_group(i)) for i in request.id])


@answers(functions.messages.GetFullChatRequest)
def get_full_chat(call: Call, request: Any) -> Any:
    chat = call.peers.known_basic_group(request.chat_id)
    full = types.ChatFull(
        id=chat.id,
        about=chat.about,
        participants=_participants(call, chat),
        notify_settings=types.PeerNotifySettings(),
        exported_invite=shown_invite(call, chat),
    )
    people = chat.members if call.viewer in chat.members else ()
    return types.messages.ChatFull(full, [call.view.chat(chat)], call.view.users(people))


@answers(functions.messages.AddChatUserRequest, bots=False, subjects=user_in_request)
def add_chat_user(call: Call, request: Any) -> Any:
    chat = call.peers.live_basic_group(request.chat_id)
    require_may_invite(call, chat)
    user = call.peers.user(request.user_id)
    if user.deleted:
        raise RpcError("INPUT_USER_DEACTIVATED")
    if user.id in chat.members:
        raise RpcError("USER_ALREADY_PARTICIPANT")
    if len(chat.members) >= _LARGEST:
        raise RpcError("USERS_TOO_MUCH")
    if user.refuses_invites:
        updates = call.answer_updates([], people=set(), place=chat)
        return types.messages.InvitedUsers(updates, [missing_invitee(user)])
    changes = call.backend.actions.add(call.origin, chat, user.id)
    call.wrote()
    updates = call.answer_updates(changes, people={call.viewer, user.id}, place=chat)
    return types.messages.InvitedUsers(updates, [])


@answers(functions.messages.DeleteChatUserRequest, subjects=user_in_request)
def delete_chat_user(call: Call, request: Any) -> Any:
    chat = call.peers.live_basic_group(request.chat_id)
    user = call.peers.user(request.user_id)
    if user.id not in chat.members:
        raise RpcError("USER_NOT_PARTICIPANT")
    if user.id == call.viewer:
        changes = call.backend.actions.leave(call.origin, chat)
    else:
        require_right(call, chat, "ban_users")
        require_removable(call, chat, user)
        changes = call.backend.actions.ban(call.origin, chat, user.id)
    call.wrote()
    return call.answer_updates(changes, people={call.viewer, user.id}, place=chat)


@answers(functions.messages.EditChatTitleRequest, subjects=lambda call: [call.request.title])
def edit_chat_title(call: Call, request: Any) -> Any:
    chat = call.peers.live_basic_group(request.chat_id)
    require_right(call, chat, "change_info")
    require_title(request.title, chat)
    changes = call.backend.actions.rename(call.origin, chat, request.title)
    call.wrote()
    return call.answer_updates(changes, people={call.viewer}, place=chat)


@answers(functions.messages.EditChatAdminRequest, bots=False, subjects=user_in_request)
def edit_chat_admin(call: Call, request: Any) -> bool:
    """In a basic group an admin has all rights, or is none."""
    chat = call.peers.live_basic_group(request.chat_id)
    if call.viewer != chat.creator:
        raise RpcError("CHAT_ADMIN_REQUIRED")
    user = call.peers.user(request.user_id)
    if user.id not in chat.members:
        raise RpcError("USER_NOT_PARTICIPANT")
    rights = AdminRights() if request.is_admin else None
    call.backend.actions.set_admin(call.origin, chat, user.id, rights)
    call.wrote()
    return True


def _participants(call: Call, chat: TelegramChat) -> Any:
    if call.viewer not in chat.members or chat.members_hidden:
        return types.ChatParticipantsForbidden(chat.id)
    standings = [chat.standing_of(user_id) for user_id in chat.members]
    participants = [call.view.participant(chat, standing) for standing in standings]
    return types.ChatParticipants(chat.id, [one for one in participants if one is not None], version=1)
