"""What a renderer gets, and where it writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Protocol

from members.platforms.history import FileKind, MessageKind
from members.platforms.types import GroupKind, Platform


@dataclass(frozen=True, slots=True)
class SaidFile:
    """A file of a message."""

    id: str
    kind: FileKind
    name: str
    mime_type: str
    size: int | None
    sha256: str = ""
    """Of what it holds; "" when that is not part of the export."""
    left_out: str = ""
    """Why not, where there is more to say than that nobody asked for it."""


@dataclass(slots=True)
class Said:
    """One message as it is kept."""

    number: int
    sent_at: datetime
    kind: MessageKind
    text: str
    sender_id: str = ""
    sender_name: str = ""
    """The last name known; the id where none ever was."""
    is_bot: bool = False
    origin: str = ""
    thread: int | None = None
    reply_to: int | None = None
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    files: Sequence[SaidFile] = ()
    replies: Sequence[tuple[str, int]] = ()
    """Who answered in the thread that begins here, and the number of each answer, oldest first."""
    raw_json: str = ""
    """What the platform sent, an object in JSON; "" for renderers that do not look at it."""
    topic: str = ""
    """The name of its forum topic (Telegram)."""

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a Slack thread that another message began."""
        return self.thread is not None and self.thread != self.number and not self.topic

    @property
    def raw(self) -> dict[str, Any]:
        """`raw_json`, read anew with each look."""
        read: dict[str, Any] = json.loads(self.raw_json) if self.raw_json else {}
        return read


@dataclass(frozen=True, slots=True)
class Person:
    """A sender, for formats that list the people first."""

    id: str
    name: str
    username: str
    is_bot: bool


def _nobody(ids: Collection[str]) -> Sequence[Person]:
    return ()


class Content(Protocol):
    """A file that was opened for reading."""

    def read(self, size: int = ..., /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class KeptFile:
    """What a file holds, to be read from its beginning."""

    file: SaidFile
    open: Callable[[], Content]


@dataclass(frozen=True, slots=True)
class Chapter:
    """One group's conversation. `messages` may be walked through once, oldest first, and then `media`."""

    platform: Platform
    id: str
    name: str
    kind: GroupKind
    is_private: bool
    messages: Iterable[Said]
    is_archived: bool = False
    first_at: datetime | None = None
    people: Sequence[Person] = ()
    """Everybody who wrote in it."""
    find_people: Callable[[Collection[str]], Sequence[Person]] = _nobody
    """What is known of others, by id: those of whom its messages speak."""
    media: Iterable[KeptFile] = ()
    """What is kept of the files of its messages; the same content may come more than once."""


class Sink(Protocol):
    """Where an export's files go, one after the other. Names have "/" between folders."""

    def file(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A new file; it is whole when the context ends. One at a time."""


class Renderer(Protocol):
    """One format."""

    threaded: bool
    """Whether the answers in a thread follow its beginning; they come in their own time otherwise."""
    needs_replies: bool
    """Whether it looks at who answered in the threads of messages."""
    needs_raw: bool
    """Whether it looks at what the platform sent."""
    platforms: frozenset[Platform]
    """Whose conversations it can hold."""

    def render(self, chapters: Iterable[Chapter], sink: Sink) -> None:
        """Write all of `chapters`. Memory does not grow with the number of messages."""
