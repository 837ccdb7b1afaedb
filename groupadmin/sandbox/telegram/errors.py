"""The errors that the sandbox's Telegram answers with, and the code that goes with each name."""

from __future__ import annotations

from telethon.errors import rpc_message_to_error
from telethon.tl import types

# Telethon's catalogue knows nearly every code; these differ in core.telegram.org/method/*, or
# (those of an overloaded server) are told in Telethon's own rpc_message_to_error.
DOCUMENTED_CODES = {
    "No workers running": -500,
    "Timeout": -503,
    "CHANNEL_PRIVATE": 406,
    "CHAT_ADMIN_REQUIRED": 403,
    "USER_CHANNELS_TOO_MUCH": 403,
    "USER_NOT_MUTUAL_CONTACT": 403,
}


class RpcError(Exception):
    """Raised by a handler to answer with one of Telegram's named errors."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    @property
    def code(self) -> int:
        """400 for a name that nobody knows."""
        known = rpc_message_to_error(types.RpcError(400, self.name), None)
        return DOCUMENTED_CODES.get(self.name, known.code)

    def to_tl(self) -> types.RpcError:
        return types.RpcError(self.code, self.name)


class Hangup(Exception):
    """Raised instead of an answer: the connection is cut."""
