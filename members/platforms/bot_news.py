"""What a bot hears, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from members.platforms.types import PlatformUser, Role


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a bot has read: the numbers of Telegram's sequences. https://core.telegram.org/api/updates"""

    pts: int
    """Of messages."""
    qts: int
    """Of what only bots are told."""
    at: datetime


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """Somebody wrote to the bot, in the private chat of the two."""

    number: int
    """Grows with every message that the bot gets or sends in private."""
    sender: PlatformUser
    text: str
    sent_at: datetime
    """In whole seconds, like every time here."""
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class JoinAsked:
    """Somebody asks to be let in."""

    group_id: str
    user: PlatformUser
    at: datetime


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """Somebody came, left, was removed, banned, freed, or got another role."""

    group_id: str
    user: PlatformUser
    actor_id: str
    """Who did it; the same as the user's id when they acted themselves."""
    was_present: bool
    is_present: bool
    role: Role
    at: datetime


Item = PrivateMessage | JoinAsked | MemberChanged


@dataclass(frozen=True, slots=True)
class News:
    """What happened after a cursor, each sequence in its order, and where to read on.

    A message is told once. Joins and leaves may be told again: Telegram does not always count them.
    """

    items: tuple[Item, ...]
    cursor: Cursor
    whole: bool = True
    """False where Telegram does not tell any more what happened: look who is there."""
    more: bool = False
    """Whether there is more to read at once."""
