"""People: by id, by name, and the caller's contacts."""

from __future__ import annotations

import re
from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.dispatch import Call, answers
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.world import TelegramUser

_USERNAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{3,31}")


@answers(functions.users.GetUsersRequest)
def get_users(call: Call, request: Any) -> list[Any]:
    """Users in the order asked for; UserEmpty (and no error) for everybody whom the caller cannot name."""
    return [_user_or_empty(call, peer) for peer in request.id]


@answers(functions.contacts.ResolveUsernameRequest)
def resolve_username(call: Call, request: Any) -> Any:
    if not _USERNAME.fullmatch(request.username):
        raise RpcError("USERNAME_INVALID")
    found = call.world.find_username(request.username)
    if found is None:
        raise RpcError("USERNAME_NOT_OCCUPIED")
    if isinstance(found, TelegramUser):
        return types.contacts.ResolvedPeer(types.PeerUser(found.id), [], [call.view.user(found.id)])
    return types.contacts.ResolvedPeer(call.view.peer(found), [call.view.chat(found)], [])


@answers(functions.contacts.GetContactsRequest, bots=False)
def get_contacts(call: Call, request: Any) -> Any:
    users = call.view.users(call.world.contacts.get(call.viewer, ()))
    contacts = [types.Contact(user.id, mutual=bool(user.mutual_contact)) for user in users]
    return types.contacts.Contacts(contacts, saved_count=len(contacts), users=users)


def _user_or_empty(call: Call, peer: Any) -> Any:
    try:
        return call.view.user(call.peers.user_by_id(peer).id)
    except RpcError:
        return types.UserEmpty(getattr(peer, "user_id", 0))
