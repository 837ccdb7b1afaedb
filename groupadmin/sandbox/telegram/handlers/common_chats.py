"""The groups that the caller shares with somebody."""

from __future__ import annotations

from bisect import bisect_right
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
    common = call.backend.memo.get(
        ("common chats", call.viewer, user.id), lambda: _common_chats(call, user.id)
    )
    start = bisect_right(common, -request.max_id, key=lambda chat: -chat.id) if request.max_id else 0
    page = [
        chat for chat in common[start:][: min(request.limit, _PAGE)] if _is_common(chat, call.viewer, user.id)
    ]
    if len(page) == len(common):
        return types.messages.Chats(call.view.chats(page))
    return types.messages.ChatsSlice(count=len(common), chats=call.view.chats(page))


def _common_chats(call: Call, user_id: int) -> list[TelegramChat]:
    chats = (chat for chat in call.world.chats_of(user_id) if _is_common(chat, call.viewer, user_id))
    return sorted(chats, key=lambda chat: chat.id, reverse=True)


def _is_common(chat: TelegramChat, viewer: int, user_id: int) -> bool:
    if chat.kind == "broadcast" or not {viewer, user_id} <= chat.members.keys():
        return False
    # Nobody documents groups with hidden members: the sandbox takes the worse case.
    return not chat.members_hidden or chat.rights_of(viewer) is not None
