"""Access hashes: what an account needs, besides an id, to speak of a user or a supergroup.

Telegram tells them with every answer that mentions the peer; they differ from account to account,
and a saved session holds none. https://core.telegram.org/api/peers#access-hash
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from telethon.tl import types as tl

from members.platforms.configs import AccessHashes
from members.platforms.errors import NO_ACCESS_HASH, NO_GROUP_ACCESS_HASH, Refused


class AddressBook:
    """The access hashes that one connection knows: `known` before it, and what the answers tell."""

    def __init__(self, own_id: int, known: AccessHashes | None = None) -> None:
        self._own_id = own_id
        self._users = dict(known.users) if known else {}
        self._channels = dict(known.channels) if known else {}

    def learn(self, answer: Any) -> None:
        """Keep the access hashes in an answer.

        Those of `min` objects are worthless elsewhere: https://core.telegram.org/api/min
        """
        self.learn_users(getattr(answer, "users", ()))
        for chat in getattr(answer, "chats", ()):
            if isinstance(chat, tl.Channel) and chat.access_hash is not None and not chat.min:
                self._channels[chat.id] = chat.access_hash

    def learn_users(self, users: Iterable[Any]) -> None:
        """The same for the people in an answer that is nothing but a list of them."""
        for user in users:
            if isinstance(user, tl.User) and user.access_hash is not None and not user.min:
                self._users[user.id] = user.access_hash

    def knows_user(self, user_id: int) -> bool:
        return user_id == self._own_id or user_id in self._users

    def knows_channel(self, channel_id: int) -> bool:
        return channel_id in self._channels

    def forget_user(self, user_id: int) -> None:
        self._users.pop(user_id, None)

    def input_user(self, user_id: int) -> tl.InputUser | tl.InputUserSelf:
        """How to speak of a user. Raises Refused when nothing has told their access hash."""
        if user_id == self._own_id:
            return tl.InputUserSelf()
        return tl.InputUser(user_id, _hash(self._users, user_id, "person", code=NO_ACCESS_HASH))

    def input_channel(self, channel_id: int) -> tl.InputChannel:
        """How to speak of a supergroup. Raises Refused when nothing has told its access hash."""
        return tl.InputChannel(
            channel_id, _hash(self._channels, channel_id, "group", code=NO_GROUP_ACCESS_HASH)
        )

    def hashes_of(self, users: Iterable[int], channels: Iterable[int]) -> AccessHashes:
        return AccessHashes(
            users={user: self._users[user] for user in users if user in self._users},
            channels={channel: self._channels[channel] for channel in channels if channel in self._channels},
        )


def _hash(hashes: Mapping[int, int], peer_id: int, what: str, *, code: str) -> int:
    if peer_id not in hashes:
        raise no_way_to(peer_id, what, code=code)
    return hashes[peer_id]


def no_way_to(peer_id: int, what: str, *, code: str) -> Refused:
    return Refused(
        f"Telegram {what} {peer_id} is known by number only: no answer has told the way there yet", code=code
    )
