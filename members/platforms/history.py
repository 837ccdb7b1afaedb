"""What is said in groups, as plain frozen data, and what an adapter offers to read it.

A message has a number that is unique in its group and grows with time: Slack's `ts` in microseconds
(docs.slack.dev/messaging/retrieving-messages: the `ts` is the message's id in its channel), or
Telegram's message id. On Telegram a supergroup that was a basic group once has the older messages
under the numbers of that group: `origin` keeps them apart.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from members.platforms.base import PlatformReader
from members.platforms.errors import Refused
from members.platforms.types import Platform, PlatformGroup

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """An aware moment as microseconds since 1970, exactly: a float would lose the last digits."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    """The reverse of `micros`, in UTC."""
    return _EPOCH + micros * _MICROSECOND


class MessageKind(StrEnum):
    MESSAGE = "message"
    SERVICE = "service"
    """The platform's own line: somebody joined, the name changed, a message was pinned."""


class FileKind(StrEnum):
    PHOTO = "photo"
    VIDEO = "video"
    ANIMATION = "animation"
    VIDEO_MESSAGE = "video_message"
    VOICE = "voice"
    AUDIO = "audio"
    STICKER = "sticker"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, as known when it was read: a person, a bot, or a channel that speaks as itself."""

    id: str
    """The platform's user id; "channel123" for a Telegram channel; Slack's bot id for integrations."""
    name: str = ""
    """"" when the platform does not tell it any more."""
    username: str = ""
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that belongs to a message; what it holds is fetched separately, if at all."""

    id: str
    """The platform's own id of the file."""
    kind: FileKind = FileKind.FILE
    name: str = ""
    """As its sender called it: never to be trusted as a path."""
    mime_type: str = ""
    size: int | None = None
    """In bytes; None when the platform does not tell it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it is now."""

    number: int
    sent_at: datetime
    sender: Sender | None = None
    kind: MessageKind = MessageKind.MESSAGE
    text: str = ""
    """For people and for searching: names instead of ids, no markup."""
    origin: str = ""
    """The id of the basic group in which it was written, where that is not the group itself."""
    thread: int | None = None
    """The number of the message that its thread, or forum topic, begins with; its own for that one."""
    reply_to: int | None = None
    """The message that it answers, where the platform says so (Telegram)."""
    edited_at: datetime | None = None
    reply_count: int = 0
    """How many replies its thread has, told with the message that began it (Slack)."""
    latest_reply: int | None = None
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[Sender, ...] = ()
    """Others whom it speaks of by id, as far as the platform tells their names."""
    gone: bool = False
    """It was deleted, and this is only the mark that the platform left in its place."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """What the platform sent, in JSON types."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a listener learnt of one group's messages."""

    platform: Platform
    group_id: str
    message: Message | None = None
    """One that is new, or was edited, as it is now."""
    deleted: tuple[int, ...] = ()
    """The numbers of those that are gone."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Messages that follow one another, newest first, with none left out between them.

    `complete_from` is the moment from which on this page, with those before it, has everything up to
    where reading began; None when that is all there is, or all that was asked for.
    """

    messages: Sequence[Message]
    complete_from: datetime | None
    limited: bool = False
    """The platform keeps older messages from us (Slack's free plan)."""


@dataclass(frozen=True, slots=True)
class RepliesPage:
    """Replies in one thread that follow one another, oldest first, with none left out between them."""

    messages: Sequence[Message]
    is_last: bool


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a file is found: which one of which message."""

    number: int
    file_id: str
    origin: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What the platform sent of the message."""


Chunks = Callable[[], AsyncGenerator[bytes, None]]
"""Begins to read a file from its first byte. Raises Refused where it is not to be had."""


class HistoryReader(PlatformReader, Protocol):
    """A reader that can also read what is said. Groups come from the same connection's reads."""

    def history(
        self, group: PlatformGroup, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncGenerator[HistoryPage, None]:
        """The messages of `group` sent in [since, until), newest first, replies in Slack threads left out."""

    def replies(
        self, group: PlatformGroup, thread: int, *, after: int | None = None
    ) -> AsyncGenerator[RepliesPage, None]:
        """The replies in a Slack thread, oldest first, those after the reply numbered `after` alone."""

    async def locate(self, group: PlatformGroup, places: Sequence[FilePlace]) -> Sequence[Chunks | Refused]:
        """The ways to files of `group`, in the order of `places`; a refusal says why there is none."""
