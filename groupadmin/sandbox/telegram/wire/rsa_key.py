"""The server's RSA key: how a client knows whom it is speaking to."""

from __future__ import annotations

import functools
import struct
from hashlib import sha1

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from telethon.tl import TLObject

BITS = 2048


class RsaKey:
    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        numbers = private.private_numbers()
        self._modulus = numbers.public_numbers.n
        self._exponent = numbers.d
        self.fingerprint = _fingerprint(numbers.public_numbers)
        pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        self.public_pem = pem.decode("ascii")
        """PKCS#1, as `telethon.crypto.rsa.add_key` wants it."""

    def decrypt(self, data: bytes) -> bytes:
        """The raw RSA operation: 256 bytes in, 256 bytes out."""
        number = pow(int.from_bytes(data, "big"), self._exponent, self._modulus)
        return number.to_bytes(BITS // 8, "big")


@functools.cache
def process_key() -> RsaKey:
    """One key for the whole process: making one takes long enough to slow tests down."""
    return RsaKey(rsa.generate_private_key(public_exponent=65537, key_size=BITS))


def _fingerprint(public: rsa.RSAPublicNumbers) -> int:
    """The last 64 bits of the SHA-1 of the TL-serialised key (core.telegram.org/mtproto/auth_key)."""
    parts = (n.to_bytes((n.bit_length() + 7) // 8, "big") for n in (public.n, public.e))
    digest = sha1(b"".join(map(TLObject.serialize_bytes, parts)), usedforsecurity=False).digest()
    (fingerprint,) = struct.unpack("<q", digest[-8:])
    return int(fingerprint)
