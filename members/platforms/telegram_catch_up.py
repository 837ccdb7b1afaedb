"""What was said in supergroups while nobody listened for a little while.

Each of them has numbers of its own, so no single call tells it. But the list of dialogs has the latest first:
a page of it shows in which of them something was said, and those alone are read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from telethon import utils
from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.errors import Refused

Call = Callable[[Any], Awaitable[Any]]

DIALOGS_A_PAGE = 100
MESSAGES_A_PAGE = 100
MOST_GROUPS = 50
"""So many groups are read. Where more was said than that, reading everything anew is somebody else's job."""


@dataclass(frozen=True, slots=True)
class Missed:
    """New messages with the people and chats in them."""

    messages: Sequence[Any]
    users: Sequence[Any]
    chats: Sequence[Any]


async def read_missed(call: Call, since: datetime) -> tuple[list[Missed], bool]:
    """The messages of supergroups since then, and whether these are all. May raise any PlatformError."""
    answer = await call(
        functions.messages.GetDialogsRequest(None, 0, tl.InputPeerEmpty(), limit=DIALOGS_A_PAGE, hash=0)
    )
    chats = {utils.get_peer_id(chat): chat for chat in getattr(answer, "chats", ())}
    latest = {
        utils.get_peer_id(message.peer_id): message.date
        for message in getattr(answer, "messages", ())
        if isinstance(message, tl.Message | tl.MessageService)
    }
    moved = [peer for peer, date in latest.items() if date >= since]
    groups = [chats[peer] for peer in moved if _is_group(chats.get(peer))]
    whole = len(moved) < DIALOGS_A_PAGE and len(groups) <= MOST_GROUPS
    found = []
    for group in groups[:MOST_GROUPS]:
        try:
            missed, all_of_it = await _read_group(call, group, since)
        except Refused:  # it is gone meanwhile, or keeps its past to itself
            continue
        found.append(missed)
        whole = whole and all_of_it
    return found, whole


async def _read_group(call: Call, group: Any, since: datetime) -> tuple[Missed, bool]:
    peer = tl.InputPeerChannel(group.id, group.access_hash)
    answer = await call(
        functions.messages.GetHistoryRequest(peer, 0, None, 0, MESSAGES_A_PAGE, max_id=0, min_id=0, hash=0)
    )
    dated = [line for line in answer.messages if getattr(line, "date", None) is not None]
    fresh = [line for line in dated if line.date >= since]
    chats = [group, *(chat for chat in answer.chats if chat.id != group.id)]
    return Missed(fresh[::-1], answer.users, chats), len(fresh) < MESSAGES_A_PAGE


def _is_group(chat: Any) -> bool:
    megagroup = isinstance(chat, tl.Channel) and (chat.megagroup or chat.gigagroup)
    return megagroup and not chat.left and chat.access_hash is not None
