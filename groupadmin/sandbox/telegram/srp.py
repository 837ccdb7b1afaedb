"""Two-step passwords: the server's side of SRP, https://core.telegram.org/api/srp"""

from __future__ import annotations

import hmac
import os
import secrets
from hashlib import sha256
from typing import Any

from telethon import password as telethon_password
from telethon.tl import types

from groupadmin.sandbox.telegram.wire.dh_group import GENERATOR, PRIME, PRIME_BYTES, SIZE


def new_algorithm() -> Any:
    """The parameters for one password, with fresh salts."""
    return types.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow(
        salt1=os.urandom(40), salt2=os.urandom(16), g=GENERATOR, p=PRIME_BYTES
    )


class Verifier:
    """What the server keeps instead of a password."""

    def __init__(self, password: str) -> None:
        self.algorithm = new_algorithm()
        self.value = int.from_bytes(telethon_password.compute_digest(self.algorithm, password), "big")


class PasswordCheck:
    """One attempt: `id` and `public` go to the client, its proof comes back."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._secret = int.from_bytes(os.urandom(SIZE), "big")
        self.id = secrets.randbits(63)
        multiplier = int.from_bytes(_hash(PRIME_BYTES, _padded(GENERATOR)), "big")
        public = (multiplier * verifier.value + pow(GENERATOR, self._secret, PRIME)) % PRIME
        self.public = _padded(public)
        """The `srp_B` of account.password."""

    @property
    def algorithm(self) -> Any:
        return self._verifier.algorithm

    def accepts(self, client_public: bytes, proof: bytes) -> bool:
        """Whether `proof` (M1), given with `client_public` (A), was made from the right password."""
        scrambling = int.from_bytes(_hash(client_public, self.public), "big")
        base = int.from_bytes(client_public, "big") * pow(self._verifier.value, scrambling, PRIME)
        shared = pow(base % PRIME, self._secret, PRIME)
        expected = _hash(
            telethon_password.xor(_hash(PRIME_BYTES), _hash(_padded(GENERATOR))),
            _hash(self.algorithm.salt1),
            _hash(self.algorithm.salt2),
            client_public,
            self.public,
            _hash(_padded(shared)),
        )
        return hmac.compare_digest(expected, proof)


def _hash(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def _padded(number: int) -> bytes:
    return number.to_bytes(SIZE, "big")
