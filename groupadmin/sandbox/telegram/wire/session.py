"""The encrypted session on one connection: https://core.telegram.org/mtproto/description"""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass
from hashlib import sha256

from telethon.crypto import AES, AuthKey

_HEADER = struct.Struct("<qqqii")  # salt, session id, message id, sequence number, length of the body
_FROM_CLIENT, _FROM_SERVER = 0, 8  # the "x" of the key derivation


class BadMessage(Exception):
    """A message that was not encrypted with the key it names."""


@dataclass(frozen=True)
class Incoming:
    salt: int
    session_id: int
    msg_id: int
    seq_no: int
    body: bytes


def decrypt(auth_key: AuthKey, packet: bytes) -> Incoming:
    """Open a client's packet (key id, message key, ciphertext). Raises BadMessage."""
    msg_key = packet[8:24]
    plain = AES.decrypt_ige(packet[24:], *_aes_key_and_iv(auth_key.key, msg_key, _FROM_CLIENT))
    if msg_key != _msg_key(auth_key.key, plain, _FROM_CLIENT):
        raise BadMessage("wrong message key")
    salt, session_id, msg_id, seq_no, length = _HEADER.unpack_from(plain)
    return Incoming(salt, session_id, msg_id, seq_no, plain[_HEADER.size : _HEADER.size + length])


class Session:
    """The server's half of one session: numbers and encrypts what goes out."""

    def __init__(self, auth_key: AuthKey, session_id: int, salt: int) -> None:
        self._auth_key = auth_key
        self._salt = salt
        self.id = session_id
        self.announced = False
        """Whether the client was told about this session."""
        self._last_msg_id = 0
        self._content_sent = 0

    def encrypt(self, body: bytes, *, reply: bool, content: bool = True) -> bytes:
        """A packet with `body`; `content` is False for what needs no acknowledgement."""
        header = _HEADER.pack(
            self._salt, self.id, self._next_msg_id(reply), self._next_seq_no(content), len(body)
        )
        plain = header + body
        plain += os.urandom(-(len(plain) + 12) % 16 + 12)
        key = self._auth_key.key
        msg_key = _msg_key(key, plain, _FROM_SERVER)
        cipher = AES.encrypt_ige(plain, *_aes_key_and_iv(key, msg_key, _FROM_SERVER))
        return struct.pack("<Q", self._auth_key.key_id) + msg_key + bytes(cipher)

    def _next_msg_id(self, reply: bool) -> int:
        """Unix time in 1/2^32 s, always growing; modulo 4 it is 1 for replies and 3 for the rest."""
        now = int(time.time() * 2**32) & ~3
        self._last_msg_id = max(now, self._last_msg_id + 4)
        return self._last_msg_id | (1 if reply else 3)

    def _next_seq_no(self, content: bool) -> int:
        number = 2 * self._content_sent + content
        self._content_sent += content
        return number


def unencrypted(body: bytes) -> bytes:
    """A packet of the handshake: key id 0, message id, length, body."""
    msg_id = int(time.time() * 2**32) & ~3 | 1
    return struct.pack("<qqi", 0, msg_id, len(body)) + body


def _msg_key(auth_key: bytes, plain: bytes, x: int) -> bytes:
    return sha256(auth_key[88 + x : 120 + x] + plain).digest()[8:24]


def _aes_key_and_iv(auth_key: bytes, msg_key: bytes, x: int) -> tuple[bytes, bytes]:
    a = sha256(msg_key + auth_key[x : x + 36]).digest()
    b = sha256(auth_key[x + 40 : x + 76] + msg_key).digest()
    return a[:8] + b[8:24] + a[24:32], b[:8] + a[8:24] + b[24:32]
