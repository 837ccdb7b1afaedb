"""The requests that the sandbox answers, by topic. Importing this package registers them all."""

from groupadmin.sandbox.telegram.handlers import (
    account,
    auth,
    basic_groups,
    channels,
    common_chats,
    config,
    dialogs,
    files,
    history,
    invites,
    messages,
    participants,
    updates,
    users,
)

__all__ = [
    "account",
    "auth",
    "basic_groups",
    "channels",
    "common_chats",
    "config",
    "dialogs",
    "files",
    "history",
    "invites",
    "messages",
    "participants",
    "updates",
    "users",
]
