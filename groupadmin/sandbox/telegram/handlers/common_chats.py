"""The groups that the caller shares with somebody."""

from __future__ import annotations

from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.dispatch import Call, answers
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.world import TelegramChat

_PAGE = 100


@answers(functions.messages.GetCommonChatsRequest, bots=False)
def get_common_chats(call: Call, request: Any) -> Any:
    """Newest id first; a page begins below `max_id`, the id of the last chat of the page before it."""
    user = call.peers.user(request.user_id)
    if user.is_bot or user.id == call.viewer:
        raise RpcError("USER_ID_INVALID")
    common = [chat for chat in call.world.chats_of(user.id) if _is_common(chat, call.viewer, user.id)]
    common.sort(key=lambda chat: chat.id, reverse=True)
    below = [chat for chat in common if not request.max_id or chat.id < request.max_id]
    page = call.view.chats(below[: min(request.limit, _PAGE)])
    if len(page) == len(common):
        return types.messages.Chats(page)
    return types.messages.ChatsSlice(count=len(common), chats=page)


def _is_common(chat: TelegramChat, viewer: int, user_id: int) -> bool:
    if chat.kind == "broadcast" or not {viewer, user_id} <= chat.members.keys():
        return False
    # Nobody documents groups with hidden members: the sandbox takes the worse case.
    return not chat.members_hidden or chat.rights_of(viewer) is not None
