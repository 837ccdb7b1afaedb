"""What an account must be allowed before it may do something in a chat."""

from __future__ import annotations

from groupadmin.sandbox.telegram.dispatch import Call
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramUser


def is_admin(call: Call, chat: TelegramChat) -> bool:
    return chat.rights_of(call.viewer) is not None


def has_right(call: Call, chat: TelegramChat, right: str) -> bool:
    """Whether the caller is an admin with `right`, a field of AdminRights."""
    return bool(getattr(chat.rights_of(call.viewer), right, False))


def require_right(call: Call, chat: TelegramChat, right: str) -> None:
    if not has_right(call, chat, right):
        raise RpcError("CHAT_ADMIN_REQUIRED")


def require_may_invite(call: Call, chat: TelegramChat) -> None:
    """Members may bring others along, unless the group reserves that for its admins."""
    if is_admin(call, chat) or chat.kind == "broadcast" or not chat.members_may_invite:
        require_right(call, chat, "invite_users")


def require_removable(call: Call, chat: TelegramChat, user: TelegramUser) -> None:
    """Nobody removes the owner, and only the owner removes admins."""
    if user.id == chat.creator or (user.id in chat.admins and call.viewer != chat.creator):
        raise RpcError("USER_ADMIN_INVALID")


def require_title(title: str, chat: TelegramChat) -> None:
    if not title.strip():
        raise RpcError("CHAT_TITLE_EMPTY")
    if title == chat.title:
        raise RpcError("CHAT_NOT_MODIFIED")
