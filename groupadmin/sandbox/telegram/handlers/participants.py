"""Who is in a supergroup or channel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.dispatch import Call, answers
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.handlers.permissions import is_admin
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramUser

_PAGE = 200
_REACH = 10_000
"""Telegram lists no more members than these, however large the group."""


@answers(functions.channels.GetParticipantsRequest)
def get_participants(call: Call, request: Any) -> Any:
    """A page of those who match the filter, in the order of joining."""
    chat = call.peers.channel(request.channel)
    _require_may_list(call, chat, request.filter)
    matching = [each for each in _matching(call, chat, request.filter) if _is_shown(call, chat, each)]
    listed = matching[: _REACH if chat.listed_members is None else chat.listed_members]
    page = listed[request.offset : request.offset + min(request.limit, _PAGE)]
    participants = [call.view.participant(chat, chat.standing_of(user_id)) for user_id in page]
    return types.channels.ChannelParticipants(
        count=len(matching), participants=participants, chats=[], users=call.view.users(page)
    )


@answers(functions.channels.GetParticipantRequest)
def get_participant(call: Call, request: Any) -> Any:
    """One person, also in a group that hides its list: whether Telegram would is documented nowhere."""
    chat = call.peers.channel(request.channel)
    user = call.peers.user(request.participant)
    admin = is_admin(call, chat)
    if chat.kind == "broadcast" and not admin and user.id != call.viewer:
        raise RpcError("CHAT_ADMIN_REQUIRED")
    standing = chat.standing_of(user.id)
    if standing.role == "absent" or (standing.role == "banned" and not admin):
        raise RpcError("USER_NOT_PARTICIPANT")
    participant = call.view.participant(chat, standing)
    return types.channels.ChannelParticipant(participant, call.view.chats([chat]), call.view.users([user.id]))


def _require_may_list(call: Call, chat: TelegramChat, wanted: Any) -> None:
    if is_admin(call, chat):
        return
    only_for_admins = (types.ChannelParticipantsKicked, types.ChannelParticipantsBanned)
    if chat.kind == "broadcast" or isinstance(wanted, only_for_admins):
        raise RpcError("CHAT_ADMIN_REQUIRED")
    # "Hide members": the admins stay visible, says the switch in Telegram's clients.
    if chat.members_hidden and not isinstance(wanted, types.ChannelParticipantsAdmins):
        raise RpcError("CHAT_ADMIN_REQUIRED")


def _is_shown(call: Call, chat: TelegramChat, user_id: int) -> bool:
    """An anonymous admin "will be hidden in the list of group members", other admins' eyes excepted.

    https://telegram.org/blog/filters-anonymous-admins-comments
    """
    return user_id not in chat.anonymous or user_id == call.viewer or is_admin(call, chat)


def _matching(call: Call, chat: TelegramChat, wanted: Any) -> list[int]:
    users = call.world.users
    match wanted:
        case types.ChannelParticipantsAdmins():
            return [user_id for user_id in chat.members if chat.rights_of(user_id) is not None]
        case types.ChannelParticipantsBots():
            return [user_id for user_id in chat.members if users[user_id].is_bot]
        case types.ChannelParticipantsKicked():
            return _found(call, sorted(chat.banned), wanted.q)
        case types.ChannelParticipantsBanned():
            return _found(call, sorted(chat.restricted), wanted.q)
        case types.ChannelParticipantsContacts():
            contacts = call.world.contacts.get(call.viewer, ())
            return _found(call, (user_id for user_id in chat.members if user_id in contacts), wanted.q)
    return _found(call, chat.members, getattr(wanted, "q", None))


def _found(call: Call, user_ids: Iterable[int], query: str | None) -> list[int]:
    words = (query or "").casefold().split()
    if not words:
        return list(user_ids)
    return [user_id for user_id in user_ids if _matches(call.world.users[user_id], words)]


def _matches(user: TelegramUser, words: list[str]) -> bool:
    """Whether every word begins a word of the name or a username, as Telegram's member search works."""
    names = [*user.name.casefold().split(), *(name.casefold() for name in user.usernames)]
    return all(any(name.startswith(word) for name in names) for word in words)
