"""Who holds which authorization key, and how far their sign-in has come."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field

from telethon.crypto import AuthKey

from groupadmin.sandbox.telegram.srp import PasswordCheck


@dataclass
class Authorization:
    """One key: signed in as `user_id`, or on the way there."""

    key: AuthKey
    user_id: int | None = None
    awaiting_password: int | None = None
    """The user whose code was right and whose two-step password is still to come."""
    codes: dict[str, str] = field(default_factory=dict)
    """Phone code hash → phone number. Only the key that asked for a code may use it."""
    resent: set[str] = field(default_factory=set)
    """Hashes of the codes that went out on their second way already."""
    password_check: PasswordCheck | None = None

    def send_code(self, phone: str) -> str:
        """Send a login code to `phone`; returns the hash that the sign-in must name."""
        phone_code_hash = secrets.token_hex(9)
        self.codes[phone_code_hash] = phone
        return phone_code_hash

    def sign_in(self, user_id: int) -> None:
        self.user_id = user_id
        self.awaiting_password = self.password_check = None
        self.codes.clear()

    def sign_out(self) -> None:
        self.user_id = self.awaiting_password = self.password_check = None


class Authorizations:
    """Every key that this server knows."""

    def __init__(self) -> None:
        self._by_key_id: dict[int, Authorization] = {}

    def get(self, key_id: int) -> Authorization | None:
        return self._by_key_id.get(key_id)

    def add(self, key: AuthKey) -> Authorization:
        authorization = self._by_key_id[key.key_id] = Authorization(key)
        return authorization

    def mint(self, user_id: int) -> AuthKey:
        """A fresh key that is already signed in as `user_id`."""
        authorization = self.add(AuthKey(os.urandom(256)))
        authorization.sign_in(user_id)
        return authorization.key

    def sign_out(self, user_id: int) -> None:
        """End every session of `user_id`, as "terminate all sessions" does."""
        for authorization in self._by_key_id.values():
            if user_id in (authorization.user_id, authorization.awaiting_password):
                authorization.sign_out()

    def expire_codes(self) -> None:
        for authorization in self._by_key_id.values():
            authorization.codes.clear()
