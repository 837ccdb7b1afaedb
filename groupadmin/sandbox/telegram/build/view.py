"""The world as one account sees it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal

from telethon.tl import types

from groupadmin.sandbox.telegram.build import messages, participants, rights
from groupadmin.sandbox.telegram.messages import TelegramMessage
from groupadmin.sandbox.telegram.world import Place, Standing, TelegramChat, TelegramWorld


def access_hash(viewer: int, kind: Literal["user", "channel"], peer_id: int) -> int:
    """The number under which `viewer`, and nobody else, may name a user or channel.

    The same after a restart of the server: clients may keep access hashes as long as they like.
    """
    digest = blake2b(f"{viewer}:{kind}:{peer_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


class View:
    """TL objects for `viewer`: the same user or chat looks different to somebody else."""

    def __init__(self, world: TelegramWorld, viewer: int) -> None:
        self._world = world
        self.viewer = viewer

    @cached_property
    def _contacts(self) -> set[int]:
        return self._world.contacts.get(self.viewer, set())

    def user(self, user_id: int) -> types.User:
        row = self._world.users[user_id]
        own_hash = access_hash(self.viewer, "user", user_id)
        if row.deleted:
            return types.User(user_id, deleted=True, access_hash=own_hash)
        is_self, is_contact = user_id == self.viewer, user_id in self._contacts
        username, usernames = _usernames(row.usernames)
        return types.User(
            user_id,
            is_self=is_self,
            contact=is_contact,
            mutual_contact=is_contact and self.viewer in self._world.contacts.get(user_id, ()),
            bot=row.is_bot,
            bot_info_version=1 if row.is_bot else None,
            access_hash=own_hash,
            first_name=row.first_name,
            last_name=row.last_name or None,
            username=username,
            usernames=usernames,
            phone=row.phone.lstrip("+") if row.phone and (is_self or is_contact) else None,
            status=types.UserStatusEmpty(),
        )

    def users(self, user_ids: Iterable[int]) -> list[types.User]:
        return [self.user(user_id) for user_id in sorted(set(user_ids))]

    def chat(self, chat: TelegramChat) -> Any:
        """Chat or Channel, or the Forbidden one for an account that was thrown out."""
        return self._channel(chat) if chat.is_channel else self._basic_group(chat)

    def chats(self, places: Iterable[Place]) -> list[Any]:
        """The chats among `places`, each once."""
        found = {place.id: place for place in places if isinstance(place, TelegramChat)}
        return [self.chat(chat) for chat in found.values()]

    def peer(self, place: Place) -> Any:
        return messages.peer_of(place, self.viewer)

    def message(self, place: Place, row: TelegramMessage) -> Any:
        return messages.message(place, row, self.viewer)

    def participant(self, chat: TelegramChat, standing: Standing) -> Any:
        """ChannelParticipant… or ChatParticipant…; None for somebody who is not there."""
        if chat.is_channel:
            return participants.channel_participant(chat, standing, self.viewer)
        return participants.chat_participant(chat, standing)

    def updates(self, updates: Iterable[Any], people: Iterable[int], places: Iterable[Place]) -> Any:
        """An Updates with everybody and everything that `updates` name."""
        return types.Updates(
            updates=list(updates),
            users=self.users(people),
            chats=self.chats(places),
            date=int(time.time()),
            seq=0,
        )

    def input_channel(self, channel_id: int) -> types.InputChannel:
        return types.InputChannel(channel_id, access_hash(self.viewer, "channel", channel_id))

    def _channel(self, chat: TelegramChat) -> Any:
        own_hash = access_hash(self.viewer, "channel", chat.id)
        kind = {"broadcast": chat.kind == "broadcast", "megagroup": chat.kind == "supergroup"}
        if self.viewer in chat.banned:
            return types.ChannelForbidden(chat.id, own_hash, chat.title, **kind)
        username, usernames = _usernames(chat.usernames)
        return types.Channel(
            chat.id,
            chat.title,
            types.ChatPhotoEmpty(),
            date=chat.members.get(self.viewer, chat.created),
            left=self.viewer not in chat.members,
            forum=chat.forum,
            access_hash=own_hash,
            username=username,
            usernames=usernames,
            participants_count=None if chat.count_hidden else len(chat.members),
            **kind,
            **self._own_rights(chat),
        )

    def _basic_group(self, chat: TelegramChat) -> Any:
        if self.viewer in chat.banned:
            return types.ChatForbidden(chat.id, chat.title)
        migrated_to = chat.migrated_to
        return types.Chat(
            chat.id,
            chat.title,
            types.ChatPhotoEmpty(),
            participants_count=len(chat.members),
            date=chat.members.get(self.viewer, chat.created),
            version=1,
            left=self.viewer not in chat.members,
            deactivated=migrated_to is not None,
            migrated_to=None if migrated_to is None else self.input_channel(migrated_to),
            **self._own_rights(chat),
        )

    def _own_rights(self, chat: TelegramChat) -> dict[str, Any]:
        own = chat.rights_of(self.viewer)
        return {
            "creator": self.viewer == chat.creator,
            "admin_rights": None if own is None else rights.admin_rights(own),
            "default_banned_rights": rights.default_banned_rights(chat),
        }


def _usernames(active: list[str]) -> tuple[str | None, list[types.Username] | None]:
    """The fields `username` and `usernames`: the first is filled for one name, the second for several."""
    if len(active) < 2:
        return (active[0] if active else None), None
    return None, [types.Username(name, editable=n == 0, active=True) for n, name in enumerate(active)]
