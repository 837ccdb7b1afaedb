"""Message rows of the sandbox's Telegram: what was said and what happened, with nothing of the protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

EntityKind = Literal[
    "bold",
    "italic",
    "underline",
    "strike",
    "spoiler",
    "blockquote",
    "code",
    "pre",
    "url",
    "text_url",
    "email",
    "phone",
    "mention",
    "mention_name",
    "hashtag",
    "bot_command",
]

ActionKind = Literal[
    "create",
    "rename",
    "add",
    "remove",
    "join_by_link",
    "join_by_request",
    "migrate_to",
    "migrate_from",
    "pin",
    "contact_sign_up",
    "open_topic",
    "rename_topic",
]

FileKind = Literal["photo", "document", "video", "video_message", "voice", "audio", "animation"]


@dataclass(frozen=True)
class TextEntity:
    """A marked part of a text. Offset and length count UTF-16 code units, as Telegram does."""

    kind: EntityKind
    offset: int
    length: int
    detail: str | int = ""
    """The address of a text_url, the language of a pre, the user id of a mention_name."""


@dataclass(frozen=True)
class Action:
    """What a service message tells."""

    kind: ActionKind
    title: str = ""
    """The title given by create, rename and migrate_from, and that of a topic."""
    users: tuple[int, ...] = ()
    """Who was added or removed, or who was there when a basic group was created."""
    chat_id: int = 0
    """The other half of a migration."""


@dataclass
class TelegramFile:
    """A photo or document, which messages may carry."""

    id: int
    content: bytes
    kind: FileKind = "document"
    name: str = ""
    mime_type: str = "application/octet-stream"
    date: int = 1_700_000_000
    dc_id: int = 2
    """The data centre that has it."""
    references: int = 1
    """How many ways to it were given out; only the last one leads there."""


@dataclass
class TelegramMessage:
    id: int
    """Unique in its supergroup or channel; elsewhere in the whole world, for requests there name no chat."""
    date: int
    """Unix time."""
    sender: int | None
    """None: the chat itself speaks (broadcast channels)."""
    text: str = ""
    entities: list[TextEntity] = field(default_factory=list)
    reply_to: int | None = None
    edited: int | None = None
    action: Action | None = None
    """Set for service messages, which have no text."""
    topic: int | None = None
    """The message that opened its topic; None in the general one, and where there are no topics."""
    file: TelegramFile | None = None


@dataclass
class Conversation:
    """The private chat of two people, or of one person with themselves (Saved Messages)."""

    users: tuple[int, int]
    messages: list[TelegramMessage] = field(default_factory=list)
    is_channel: ClassVar[bool] = False

    def partner_of(self, user_id: int) -> int:
        """Who `user_id` talks to here."""
        first, second = self.users
        return second if user_id == first else first
