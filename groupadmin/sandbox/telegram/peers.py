"""What a request points at: TL input peers → world rows, with the checks that Telegram makes on the way."""

from __future__ import annotations

from typing import Any

from telethon.tl import types

from groupadmin.sandbox.telegram.build.view import access_hash
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.messages import Conversation
from groupadmin.sandbox.telegram.world import Place, TelegramChat, TelegramUser, TelegramWorld

_SELF = (types.InputUserSelf, types.InputPeerSelf)
_USER = (types.InputUser, types.InputPeerUser)
_CHANNEL = (types.InputChannel, types.InputPeerChannel)


class Peers:
    """Reads the peers in the requests of `viewer`. Every method may raise RpcError."""

    def __init__(self, world: TelegramWorld, viewer: int) -> None:
        self._world = world
        self._viewer = viewer

    def user(self, peer: Any) -> TelegramUser:
        """The user behind an InputUser… or InputPeer…; USER_ID_INVALID without the right access hash."""
        if isinstance(peer, _SELF):
            return self._world.users[self._viewer]
        if not isinstance(peer, _USER):
            raise RpcError("USER_ID_INVALID")
        user = self._world.users.get(peer.user_id)
        if user is None or peer.access_hash != access_hash(self._viewer, "user", user.id):
            raise RpcError("USER_ID_INVALID")
        return user

    def user_by_id(self, peer: Any) -> TelegramUser:
        """Like `user`, but a bot may leave the hash of somebody out who has written to it.

        Only users.getUsers is so generous (Telethon's get_input_entity relies on it).
        """
        has_no_hash = isinstance(peer, types.InputUser) and peer.access_hash == 0
        if has_no_hash and self._is_bot and self._pair(peer.user_id) in self._world.conversations:
            return self._world.users[peer.user_id]
        return self.user(peer)

    def any_channel(self, peer: Any) -> TelegramChat:
        """The channel behind an InputChannel or InputPeerChannel, whether or not one may look inside."""
        if not isinstance(peer, _CHANNEL):
            raise RpcError("CHANNEL_INVALID")
        chat = self._world.chats.get(peer.channel_id)
        if chat is None or not chat.is_channel:
            raise RpcError("CHANNEL_INVALID")
        if peer.access_hash == 0 and self._is_bot and self._viewer in chat.members:
            return chat  # bots are excused (Telethon's get_input_entity relies on it)
        if peer.access_hash != access_hash(self._viewer, "channel", chat.id):
            raise RpcError("CHANNEL_INVALID")
        return chat

    def channel(self, peer: Any) -> TelegramChat:
        """A channel that the viewer may look into: as a member, or because it is public."""
        chat = self.any_channel(peer)
        is_outsider = self._viewer not in chat.members
        if is_outsider and (not chat.usernames or self._viewer in chat.banned):
            raise RpcError("CHANNEL_PRIVATE")
        return chat

    def joined_channel(self, peer: Any) -> TelegramChat:
        """A channel in which the viewer is a member."""
        chat = self.channel(peer)
        if self._viewer not in chat.members:
            raise RpcError("CHANNEL_PRIVATE")
        return chat

    def known_basic_group(self, chat_id: int) -> TelegramChat:
        """A basic group in which the viewer is or was. Basic groups have no access hash."""
        chat = self._world.chats.get(chat_id)
        if chat is None or chat.is_channel:
            raise RpcError("CHAT_ID_INVALID")
        if self._viewer not in chat.members.keys() | chat.banned | chat.left:
            raise RpcError("CHAT_ID_INVALID")
        return chat

    def live_basic_group(self, chat_id: int) -> TelegramChat:
        """A basic group in which the viewer is a member and which has not become a supergroup."""
        chat = self.known_basic_group(chat_id)
        if self._viewer not in chat.members or chat.migrated_to is not None:
            raise RpcError("PEER_ID_INVALID")
        return chat

    def place(self, peer: Any) -> Place:
        """Where messages can be read: a chat one may look into, or a private conversation."""
        if isinstance(peer, _CHANNEL):
            return self.channel(peer)
        if isinstance(peer, types.InputPeerChat):
            chat = self.known_basic_group(peer.chat_id)
            if self._viewer not in chat.members:
                raise RpcError("CHAT_FORBIDDEN")
            return chat
        if isinstance(peer, _SELF + _USER):
            pair = self._pair(self.user(peer).id)
            return self._world.conversations.get(pair) or Conversation(pair)
        raise RpcError("PEER_ID_INVALID")

    def writable(self, peer: Any) -> Place:
        """Where the viewer may write; a conversation begins here if there was none."""
        place = self.place(peer)
        if isinstance(place, Conversation):
            if self._is_bot and place.users not in self._world.conversations:
                raise RpcError("PEER_ID_INVALID")  # a bot never speaks first
            return self._world.converse(*place.users)
        may_write = self._viewer in place.members and self._viewer not in place.restricted
        if place.kind == "broadcast":
            may_write = place.rights_of(self._viewer) is not None
        if not may_write or place.migrated_to is not None:
            raise RpcError("CHAT_WRITE_FORBIDDEN")
        return place

    def named_by(self, request: Any) -> str:
        """The id of the chat or person that `request` is directed to, known or not; "" without one."""
        peer = getattr(request, "channel", None) or getattr(request, "peer", None)
        return str(getattr(request, "chat_id", None) or self.id_in(peer) or "")

    def id_in(self, peer: Any) -> int | None:
        """The id that a peer in a request carries."""
        if isinstance(peer, _SELF):
            return self._viewer
        ids = (getattr(peer, name, None) for name in ("user_id", "chat_id", "channel_id"))
        return next((number for number in ids if number is not None), None)

    @property
    def _is_bot(self) -> bool:
        return self._world.users[self._viewer].is_bot

    def _pair(self, partner: int) -> tuple[int, int]:
        return min(partner, self._viewer), max(partner, self._viewer)
