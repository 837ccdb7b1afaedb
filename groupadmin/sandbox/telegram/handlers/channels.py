"""Supergroups and broadcast channels: what they are, and changing them."""

from __future__ import annotations

from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.build.rights import ends_by_itself, parse_admin_rights
from groupadmin.sandbox.telegram.dispatch import Call, answers, user_in_request
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.handlers.invites import missing_invitee, shown_invite
from groupadmin.sandbox.telegram.handlers.permissions import (
    has_right,
    is_admin,
    require_may_invite,
    require_removable,
    require_right,
    require_title,
)
from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat, TelegramUser


def _restricted(call: Call) -> list[str]:
    """Bans and their ends come in the same request: only what is withheld tells them apart."""
    withheld = _restrictions(call.request.banned_rights)
    now = f"without {', '.join(withheld)}" if withheld else "unrestricted"
    return [f"{call.peers.id_in(call.request.participant)} {now}"]


@answers(functions.channels.GetChannelsRequest)
def get_channels(call: Call, request: Any) -> Any:
    return types.messages.Chats([call.view.chat(call.peers.any_channel(peer)) for peer in request.id])


@answers(functions.channels.GetFullChannelRequest)
def get_full_channel(call: Call, request: Any) -> Any:
    chat = call.peers.channel(request.channel)
    admin = is_admin(call, chat)
    old = call.world.chats.get(chat.migrated_from or 0)
    full = types.ChannelFull(
        id=chat.id,
        about=chat.about,
        read_inbox_max_id=chat.messages[-1].id if chat.messages else 0,
        read_outbox_max_id=0,
        unread_count=0,
        chat_photo=types.PhotoEmpty(0),
        notify_settings=types.PeerNotifySettings(),
        bot_info=[],
        pts=call.backend.updates.channels[chat.id].pts,
        can_view_participants=admin or (chat.kind == "supergroup" and not chat.members_hidden),
        hidden_prehistory=chat.hidden_prehistory,
        participants_hidden=chat.members_hidden,
        participants_count=len(chat.members),
        admins_count=len(chat.admins.keys() | {chat.creator} - {None}) if admin else None,
        kicked_count=len(chat.banned) if admin else None,
        banned_count=len(chat.restricted) if admin else None,
        exported_invite=shown_invite(call, chat),
        migrated_from_chat_id=chat.migrated_from,
        migrated_from_max_id=old.messages[-1].id if old and old.messages else None,
        requests_pending=len(chat.join_requests) if has_right(call, chat, "invite_users") else None,
        recent_requesters=list(chat.join_requests) if has_right(call, chat, "invite_users") else None,
    )
    return types.messages.ChatFull(full, call.view.chats([chat, *([old] if old else [])]), [])


@answers(
    functions.channels.InviteToChannelRequest,
    bots=False,
    subjects=lambda call: [call.peers.id_in(peer) for peer in call.request.users],
)
def invite_to_channel(call: Call, request: Any) -> Any:
    chat = call.peers.joined_channel(request.channel)
    require_may_invite(call, chat)
    users = [call.peers.user(peer) for peer in request.users]
    for user in users:
        _require_invitable(chat, user)
        if user.is_bot and chat.kind == "broadcast":
            raise RpcError("USER_BOT")
    newcomers = [user for user in users if user.id not in chat.members]
    changes = []
    for user in newcomers:
        if not user.refuses_invites:
            changes += call.backend.actions.add(call.origin, chat, user.id)
            call.wrote(user.id)
    people = {call.viewer, *(user.id for user in users)}
    missing = [missing_invitee(user) for user in newcomers if user.refuses_invites]
    updates = call.answer_updates(changes, people=people, place=chat)
    return types.messages.InvitedUsers(updates, missing)


@answers(functions.channels.EditBannedRequest, subjects=_restricted)
def edit_banned(call: Call, request: Any) -> Any:
    """Ban, restrict, or lift both. A "kick" is a ban that is lifted again: nobody comes back by itself."""
    chat = call.peers.joined_channel(request.channel)
    require_right(call, chat, "ban_users")
    user = call.peers.user(request.participant)
    require_removable(call, chat, user)
    before = chat.standing_of(user.id)
    actions, restrictions = call.backend.actions, _restrictions(request.banned_rights)
    if "view_messages" in restrictions:
        changes = actions.ban(call.origin, chat, user.id)
        if ends_by_itself(request.banned_rights):
            chat.ban_ends[user.id] = request.banned_rights.until_date
    elif restrictions and before.present:
        changes = actions.restrict(call.origin, chat, user.id)
    else:
        changes = actions.forgive(call.origin, chat, user.id)
    if chat.standing_of(user.id) != before:
        call.wrote()
    return call.answer_updates(changes, people={call.viewer, user.id}, place=chat)


@answers(functions.channels.EditTitleRequest, subjects=lambda call: [call.request.title])
def edit_title(call: Call, request: Any) -> Any:
    chat = call.peers.joined_channel(request.channel)
    require_right(call, chat, "change_info")
    require_title(request.title, chat)
    changes = call.backend.actions.rename(call.origin, chat, request.title)
    call.wrote()
    return call.answer_updates(changes, people={call.viewer}, place=chat)


@answers(functions.channels.EditAdminRequest, subjects=user_in_request)
def edit_admin(call: Call, request: Any) -> Any:
    """Promote or demote. Somebody who is not there yet is added first."""
    chat = call.peers.joined_channel(request.channel)
    require_right(call, chat, "add_admins")
    user = call.peers.user(request.user_id)
    if user.id == chat.creator:
        raise RpcError("USER_CREATOR")
    rights = parse_admin_rights(request.admin_rights)
    if rights is not None:
        _require_own_rights(call, chat, rights)
    changes = []
    if rights is not None and user.id not in chat.members:
        _require_invitable(chat, user)
        if user.refuses_invites:
            raise RpcError("USER_PRIVACY_RESTRICTED")
        changes += call.backend.actions.add(call.origin, chat, user.id)
    changes += call.backend.actions.set_admin(call.origin, chat, user.id, rights)
    call.wrote()
    return call.answer_updates(changes, people={call.viewer, user.id}, place=chat)


@answers(functions.channels.LeaveChannelRequest, subjects=lambda call: [call.viewer])
def leave_channel(call: Call, request: Any) -> Any:
    chat = call.peers.any_channel(request.channel)
    if call.viewer not in chat.members:
        raise RpcError("USER_NOT_PARTICIPANT")
    changes = call.backend.actions.leave(call.origin, chat)
    call.wrote()
    return call.answer_updates(changes, people={call.viewer}, place=chat)


def _require_invitable(chat: TelegramChat, user: TelegramUser) -> None:
    if user.deleted:
        raise RpcError("INPUT_USER_DEACTIVATED")
    if user.id in chat.banned:
        raise RpcError("USER_KICKED")


def _require_own_rights(call: Call, chat: TelegramChat, granted: AdminRights) -> None:
    """Nobody gives away rights that they do not have."""
    for right, is_granted in vars(granted).items():
        if is_granted and not has_right(call, chat, right):
            raise RpcError("RIGHT_FORBIDDEN")


def _restrictions(rights: types.ChatBannedRights) -> list[str]:
    return sorted(name for name, value in vars(rights).items() if value is True)
