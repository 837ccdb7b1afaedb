"""One user in one chat, as `channels.getParticipant(s)` and `messages.getFullChat` show them."""

from __future__ import annotations

from typing import Any

from telethon.tl import types

from groupadmin.sandbox.telegram.build import rights
from groupadmin.sandbox.telegram.world import Standing, TelegramChat

# The world does not remember who added, promoted or banned whom; TL wants somebody: the owner, if any.


def channel_participant(chat: TelegramChat, standing: Standing, viewer: int) -> Any:
    """The ChannelParticipant… for `standing`; None for somebody who is not there."""
    user_id, owner = standing.user_id, chat.creator or standing.user_id
    match standing.role:
        case "absent":
            return None
        case "banned":
            return _banned(standing, owner, rights.banned())
        case "restricted":
            return _banned(standing, owner, rights.restricted())
        case "creator":
            return types.ChannelParticipantCreator(user_id, _rights(chat, standing))
        case "admin":
            return types.ChannelParticipantAdmin(
                user_id,
                promoted_by=owner,
                date=standing.since,
                admin_rights=_rights(chat, standing),
                can_edit=viewer == chat.creator,
                is_self=user_id == viewer,
                inviter_id=owner if user_id == viewer else None,
            )
        case "member" if user_id == viewer:
            return types.ChannelParticipantSelf(user_id, inviter_id=owner, date=standing.since)
    return types.ChannelParticipant(user_id, date=standing.since)


def chat_participant(chat: TelegramChat, standing: Standing) -> Any:
    """The ChatParticipant… of a basic group; None for somebody who is not there."""
    owner = chat.creator or standing.user_id
    match standing.role:
        case "absent" | "banned":
            return None
        case "creator":
            return types.ChatParticipantCreator(standing.user_id)
        case "admin":
            return types.ChatParticipantAdmin(standing.user_id, inviter_id=owner, date=standing.since)
    return types.ChatParticipant(standing.user_id, inviter_id=owner, date=standing.since)


def _banned(standing: Standing, by: int, banned_rights: types.ChatBannedRights) -> Any:
    return types.ChannelParticipantBanned(
        peer=types.PeerUser(standing.user_id),
        kicked_by=by,
        date=standing.since,
        banned_rights=banned_rights,
        left=not standing.present,
    )


def _rights(chat: TelegramChat, standing: Standing) -> types.ChatAdminRights:
    if standing.rights is None:
        raise ValueError(f"{standing.role} {standing.user_id} has no admin rights")
    return rights.admin_rights(standing.rights, anonymous=standing.user_id in chat.anonymous)
