"""The state behind all connections of one sandbox server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from telethon.crypto import AuthKey

from groupadmin.sandbox.control import CallLog, Script, WriteLog
from groupadmin.sandbox.telegram import dispatch, handlers  # noqa: F401  (handlers register themselves)
from groupadmin.sandbox.telegram.actions import Actions
from groupadmin.sandbox.telegram.authorizations import Authorizations
from groupadmin.sandbox.telegram.build.view import View
from groupadmin.sandbox.telegram.dialogs import DialogLists
from groupadmin.sandbox.telegram.dispatch import Call
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.memo import Memo
from groupadmin.sandbox.telegram.srp import Verifier
from groupadmin.sandbox.telegram.updates import UpdateCenter
from groupadmin.sandbox.telegram.wire.connection import Connection
from groupadmin.sandbox.telegram.wire.rsa_key import process_key
from groupadmin.sandbox.telegram.world import TelegramWorld

HOST = "127.0.0.1"
DC_ID = 2
OTHER_DC_ID = 4
"""Where some files lie; it listens on a port of its own."""


class Backend:
    """An `Endpoint` for the wire layer, and what the handlers share."""

    def __init__(self, world: TelegramWorld, latency: float, writes: WriteLog) -> None:
        self.world = world
        self.latency = latency
        self.address = (HOST, 0)
        """Where the server listens; port 0 until it does."""
        self.addresses: dict[int, tuple[str, int]] = {}
        """Where each data centre listens."""
        self.exported: dict[bytes, int] = {}
        """The accounts that are on their way to another data centre, by what they show there."""
        self.script = Script()
        self.calls = CallLog()
        self.chatter = CallLog()
        self.writes = writes
        self.bugs: list[Exception] = []
        self.rsa_key = process_key()
        self.salt = secrets.randbits(62)
        self.connections: set[Connection] = set()
        self.authorizations = Authorizations()
        self.updates = UpdateCenter(world, self.view_of, self._listeners)
        self.actions = Actions(world, self.updates)
        self.memo = Memo(world)
        self.dialogs = DialogLists(world, self.memo)
        self.sent_random_ids: set[tuple[int, int]] = set()
        self._verifiers: dict[tuple[int, str], Verifier] = {}

    def view_of(self, user_id: int) -> View:
        return View(self.world, user_id)

    def verifier_of(self, user_id: int) -> Verifier | None:
        """The SRP verifier of the user's two-step password, if there is one."""
        password = self.world.users[user_id].password
        if password is None:
            return None
        if (user_id, password) not in self._verifiers:
            self._verifiers[user_id, password] = Verifier(password)
        return self._verifiers[user_id, password]

    def auth_key(self, key_id: int) -> AuthKey | None:
        authorization = self.authorizations.get(key_id)
        return authorization.key if authorization else None

    def add_auth_key(self, key: AuthKey) -> None:
        self.authorizations.add(key)

    async def answer(self, connection: Connection, request: Any) -> bytes:
        authorization = connection.auth_key and self.authorizations.get(connection.auth_key.key_id)
        if authorization is None:
            raise RpcError("AUTH_KEY_UNREGISTERED")
        return await dispatch.answer(Call(self, connection, authorization, request))

    def close_connections(self) -> None:
        for connection in list(self.connections):
            connection.close()

    def _listeners(self) -> Iterator[tuple[Connection, int]]:
        for connection in list(self.connections):
            key = connection.auth_key
            authorization = self.authorizations.get(key.key_id) if key else None
            if connection.receives_updates and authorization and authorization.user_id is not None:
                yield connection, authorization.user_id
