"""Making an authorization key with a new client: https://core.telegram.org/mtproto/auth_key

The client's side is Telethon's: it uses the older RSA scheme (one zero byte, SHA-1, data, padding).
"""

from __future__ import annotations

import os
import time
from hashlib import sha1
from typing import Any

from telethon.crypto import AES, AuthKey
from telethon.extensions import BinaryReader
from telethon.helpers import generate_key_data_from_nonce
from telethon.tl import functions, types

from groupadmin.sandbox.telegram.wire.dh_group import GENERATOR, PRIME, PRIME_BYTES, SIZE
from groupadmin.sandbox.telegram.wire.rsa_key import RsaKey

# The factors of Telegram's own documented example; finding them is the client's proof of work.
P, Q = 1_229_739_323, 1_402_015_859

_SHA1_SIZE = 20


class HandshakeError(Exception):
    """The client's answer does not fit: the connection is not worth keeping."""


class Handshake:
    """The three questions and answers that end in a shared key."""

    def __init__(self, rsa_key: RsaKey) -> None:
        self._rsa_key = rsa_key
        self.auth_key: AuthKey | None = None
        """The agreed key, once there is one."""

    def answer(self, request: Any) -> Any:
        """The TL object to send back. Raises HandshakeError."""
        if isinstance(request, functions.ReqPqMultiRequest):
            return self._start(request)
        if isinstance(request, functions.ReqDHParamsRequest):
            return self._offer(request)
        if isinstance(request, functions.SetClientDHParamsRequest):
            return self._finish(request)
        raise HandshakeError(f"{type(request).__name__} is no part of a handshake")

    def _start(self, request: Any) -> Any:
        self._nonce = request.nonce
        self._server_nonce = int.from_bytes(os.urandom(16), "little", signed=True)
        return types.ResPQ(
            nonce=self._nonce,
            server_nonce=self._server_nonce,
            pq=(P * Q).to_bytes(8, "big"),
            server_public_key_fingerprints=[self._rsa_key.fingerprint],
        )

    def _offer(self, request: Any) -> Any:
        self._check_nonces(request)
        plain = self._rsa_key.decrypt(request.encrypted_data)
        inner = _read_hashed(plain[1:])
        self._check_nonces(inner)
        if {inner.p, inner.q} != {n.to_bytes(4, "big") for n in (P, Q)}:
            raise HandshakeError("wrong factors")
        self._new_nonce = inner.new_nonce
        self._aes = generate_key_data_from_nonce(self._server_nonce, self._new_nonce)
        self._secret = int.from_bytes(os.urandom(SIZE), "big")
        offer = types.ServerDHInnerData(
            nonce=self._nonce,
            server_nonce=self._server_nonce,
            g=GENERATOR,
            dh_prime=PRIME_BYTES,
            g_a=pow(GENERATOR, self._secret, PRIME).to_bytes(SIZE, "big"),
            server_time=int(time.time()),
        )
        body = offer._bytes()
        body = sha1(body, usedforsecurity=False).digest() + body
        body += os.urandom(-len(body) % 16)
        return types.ServerDHParamsOk(self._nonce, self._server_nonce, AES.encrypt_ige(body, *self._aes))

    def _finish(self, request: Any) -> Any:
        self._check_nonces(request)
        inner = _read_hashed(AES.decrypt_ige(request.encrypted_data, *self._aes))
        self._check_nonces(inner)
        shared = pow(int.from_bytes(inner.g_b, "big"), self._secret, PRIME)
        key = AuthKey(shared.to_bytes((shared.bit_length() + 7) // 8, "big"))
        if len(key.key) < SIZE:  # one in 256: Telethon does not pad keys, so they would not agree
            return types.DhGenRetry(
                self._nonce, self._server_nonce, key.calc_new_nonce_hash(self._new_nonce, 2)
            )
        self.auth_key = key
        return types.DhGenOk(self._nonce, self._server_nonce, key.calc_new_nonce_hash(self._new_nonce, 1))

    def _check_nonces(self, message: Any) -> None:
        try:
            agree = (message.nonce, message.server_nonce) == (self._nonce, self._server_nonce)
        except AttributeError:
            agree = False
        if not agree:
            raise HandshakeError("wrong nonce")


def _read_hashed(data: bytes) -> Any:
    """The TL object in `sha1(object) + object + padding`. Raises HandshakeError."""
    reader = BinaryReader(data[_SHA1_SIZE:])
    message = reader.tgread_object()
    body = data[_SHA1_SIZE : _SHA1_SIZE + reader.tell_position()]
    if sha1(body, usedforsecurity=False).digest() != data[:_SHA1_SIZE]:
        raise HandshakeError("wrong hash")
    return message
