"""One TCP connection: the handshake, then encrypted requests, answered side by side."""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import Any, Protocol

from telethon.crypto import AuthKey
from telethon.errors import TypeNotFoundError
from telethon.tl import functions, types
from telethon.tl.core import GzipPacked, MessageContainer

from groupadmin.sandbox.telegram.errors import Hangup, RpcError
from groupadmin.sandbox.telegram.wire import session as mtproto
from groupadmin.sandbox.telegram.wire import tl
from groupadmin.sandbox.telegram.wire.handshake import Handshake, HandshakeError
from groupadmin.sandbox.telegram.wire.packets import BadPacket, PacketStream
from groupadmin.sandbox.telegram.wire.rsa_key import RsaKey

logger = logging.getLogger(__name__)

_UNKNOWN_KEY = struct.pack("<i", -404)
_WRONG_SALT = 48
_SHORTEST = 24
_PINGS = (functions.PingRequest, functions.PingDelayDisconnectRequest)
_ACKNOWLEDGEMENTS = (types.MsgsAck, types.MsgsStateInfo, types.MsgsStateReq, types.MsgResendReq)


class Endpoint(Protocol):
    """What a connection needs from the server it belongs to."""

    rsa_key: RsaKey
    salt: int
    connections: set[Connection]

    def auth_key(self, key_id: int) -> AuthKey | None: ...

    def add_auth_key(self, key: AuthKey) -> None: ...

    async def answer(self, connection: Connection, request: Any) -> bytes:
        """The serialised answer to one API request. Raises RpcError or Hangup, and no other error."""


class Connection:
    def __init__(self, endpoint: Endpoint, packets: PacketStream, dc_id: int) -> None:
        self._endpoint = endpoint
        self.dc_id = dc_id
        self._packets = packets
        self._handshake = Handshake(endpoint.rsa_key)
        self._session: mtproto.Session | None = None
        self._answering: dict[int, asyncio.Task[None]] = {}
        self.auth_key: AuthKey | None = None
        self.receives_updates = False

    async def serve(self) -> None:
        """Speak until the other side leaves, breaks the protocol, or `close` is called."""
        self._endpoint.connections.add(self)
        try:
            while True:
                self._receive(await self._packets.receive())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (BadPacket, HandshakeError, TypeNotFoundError, mtproto.BadMessage) as error:
            logger.warning("Sandbox Telegram hung up: %s", error)
        finally:
            self._endpoint.connections.discard(self)
            for task in self._answering.values():
                task.cancel()
            self._packets.close()
            await self._packets.closed()

    def close(self) -> None:
        self._packets.close()

    def push(self, updates: Any) -> None:
        """Send what nobody asked for; nothing happens before the session has begun."""
        if self._session is not None:
            self._packets.send(self._session.encrypt(tl.write(updates), reply=False))

    def _receive(self, packet: bytes) -> None:
        if len(packet) < _SHORTEST:
            raise BadPacket(f"only {len(packet)} bytes")
        (key_id,) = struct.unpack_from("<Q", packet)
        if key_id == 0:
            self._shake_hands(packet)
            return
        auth_key = self._endpoint.auth_key(key_id)
        if auth_key is None:
            self._packets.send(_UNKNOWN_KEY)
            return
        self.auth_key = auth_key
        self._receive_encrypted(auth_key, mtproto.decrypt(auth_key, packet))

    def _shake_hands(self, packet: bytes) -> None:
        answer = self._handshake.answer(tl.read(packet[20:]))
        if self._handshake.auth_key is not None:
            self._endpoint.add_auth_key(self._handshake.auth_key)
            self._handshake = Handshake(self._endpoint.rsa_key)
        self._packets.send(mtproto.unencrypted(tl.write(answer)))

    def _receive_encrypted(self, auth_key: AuthKey, message: mtproto.Incoming) -> None:
        salt = self._endpoint.salt
        if self._session is None or self._session.id != message.session_id:
            self._session = mtproto.Session(auth_key, message.session_id, salt)
        if message.salt != salt:  # clients start with 0, and repeat themselves when they are told better
            refusal = types.BadServerSalt(message.msg_id, message.seq_no, _WRONG_SALT, salt)
            self._reply(tl.write(refusal), content=False)
            return
        if not self._session.announced:
            self._session.announced = True
            self._reply(tl.write(types.NewSessionCreated(message.msg_id, self._session.id, salt)))
        try:
            self._dispatch(message.msg_id, tl.read(message.body))
        except TypeNotFoundError as error:
            unknown = RpcError(f"INPUT_METHOD_INVALID_{error.invalid_constructor_id}")
            self._reply(tl.rpc_result(message.msg_id, tl.write(unknown.to_tl())))

    def _dispatch(self, msg_id: int, message: Any) -> None:
        if isinstance(message, MessageContainer):
            for inner in message.messages:
                self._dispatch(inner.msg_id, inner.obj)
        elif isinstance(message, GzipPacked):
            self._dispatch(msg_id, tl.read(message.data))
        elif isinstance(message, _PINGS):
            self._reply(tl.write(types.Pong(msg_id, message.ping_id)), content=False)
        elif not isinstance(message, _ACKNOWLEDGEMENTS):
            task = asyncio.get_running_loop().create_task(self._answer(msg_id, tl.unwrap(message)))
            self._answering[msg_id] = task
            task.add_done_callback(lambda _: self._answering.pop(msg_id, None))

    async def _answer(self, msg_id: int, query: tl.Query) -> None:
        self.receives_updates = self.receives_updates or query.wants_updates
        predecessor = self._answering.get(query.after or 0)
        if predecessor is not None:
            await asyncio.wait([predecessor])
        try:
            answer = await self._endpoint.answer(self, query.request)
        except RpcError as error:
            answer = tl.write(error.to_tl())
        except Hangup:
            self.close()
            return
        self._reply(tl.rpc_result(msg_id, answer))

    def _reply(self, body: bytes, *, content: bool = True) -> None:
        if self._session is not None:
            self._packets.send(self._session.encrypt(body, reply=True, content=content))
