"""Who runs a Telegram group: its owner, and its admins with what they may do.

A supergroup shows them to every member, with the exception of those who stay anonymous, whom only admins see:
https://core.telegram.org/constructor/channelParticipantsAdmins, https://core.telegram.org/api/rights.
In a basic group only the owner makes admins: https://core.telegram.org/method/messages.editChatAdmin
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.telegram_parse import parse_standing, parse_user
from members.platforms.telegram_people import MEMBERS_A_PAGE
from members.platforms.types import Administrator, Role


async def read_administrators(
    call: Callable[[Any], Awaitable[Any]], channel: tl.InputChannel
) -> list[Administrator]:
    """Of a supergroup. One page holds all: Telegram allows far fewer admins. May raise any PlatformError."""
    answer = await call(
        functions.channels.GetParticipantsRequest(
            channel, tl.ChannelParticipantsAdmins(), offset=0, limit=MEMBERS_A_PAGE, hash=0
        )
    )
    return _in_order(getattr(answer, "participants", ()), getattr(answer, "users", ()))


def parse_basic_administrators(answer: tl.messages.ChatFull) -> list[Administrator]:
    """Of a basic group, whose member list is told."""
    return _in_order(answer.full_chat.participants.participants, answer.users)


def _in_order(lines: Iterable[Any], users: Iterable[Any]) -> list[Administrator]:
    """The owner first, then the admins as Telegram has them."""
    known = {user.id: user for user in users if isinstance(user, tl.User)}
    found = [
        _administrator(line, known[line.user_id])
        for line in lines
        if parse_standing(line).role in (Role.OWNER, Role.ADMIN) and line.user_id in known
    ]
    return sorted(found, key=lambda each: each.role is not Role.OWNER)


def _administrator(line: Any, user: tl.User) -> Administrator:
    standing = parse_standing(line)
    rights = getattr(line, "admin_rights", None)
    return Administrator(
        user=parse_user(user),
        role=standing.role,
        since=standing.since,
        may_add_admins=standing.role is Role.OWNER or bool(rights and rights.add_admins),
        anonymous=bool(rights and rights.anonymous),
    )
