"""Slack's messages as our own: pure functions over what conversations.history and .replies send.

Like `slack_parse`, a missing or oddly typed field counts as not told, and an entry without a
`ts` is left out. Shapes: docs.slack.dev/reference/events/message and its subtypes, and for the text
docs.slack.dev/messaging/formatting-message-text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from members.platforms.history import Attachment, FileKind, Message, MessageKind, Sender, moment
from members.platforms.text import platform_id, storable
from members.platforms.types import PlatformUser

Known = Callable[[str], PlatformUser | None]
"""From a user's id to what the directory tells of them; None when it tells nothing."""

TOMBSTONE = "tombstone"
"""The subtype of what stands in the place of a deleted message that has replies."""

_TS = re.compile(r"(\d{1,11})\.(\d{6})\Z", re.ASCII)
_MENTION = re.compile(r"<@([A-Z0-9]{2,20})[|>]", re.ASCII)
_BRACKETS = re.compile(r"<([^<>\n]*)>")
_MOST_REPLIES = 2**31 - 1
_LARGEST_FILE = 2**63 - 1
_SPOKEN = frozenset(
    {"bot_message", "me_message", "file_share", "file_comment", "file_mention", "thread_broadcast",
     "reply_broadcast", "slackbot_response", "bot_reply", "assistant_app_thread", TOMBSTONE}
)  # fmt: skip
"""The subtypes of what somebody said; every other one is a line of Slack's own."""


def number_of(ts: object) -> int | None:
    """A `ts` ("1700000000.000100") as microseconds since 1970; None for anything else."""
    match = _TS.match(ts) if isinstance(ts, str) else None
    return int(match[1]) * 1_000_000 + int(match[2]) if match else None


def ts_of(number: int) -> str:
    """The reverse of `number_of`."""
    return f"{number // 1_000_000}.{number % 1_000_000:06d}"


def mentioned(entries: Sequence[Any]) -> set[str]:
    """The ids of the users who wrote these messages without being named there, or are mentioned in them."""
    found: set[str] = set()
    for entry in entries:
        if isinstance(entry, Mapping):
            found |= set(_MENTION.findall(_text(entry, "text")))
            found |= set() if _said_name(entry) else {_id(entry, "user")}
    return found - {""}


def parse_messages(entries: Sequence[Any], known: Known) -> list[Message]:
    """Those that have a `ts`, in the order they came."""
    parsed = (parse_message(entry, known) for entry in entries if isinstance(entry, Mapping))
    return [message for message in parsed if message is not None]


def parse_message(entry: Mapping[str, Any], known: Known) -> Message | None:
    number = number_of(entry.get("ts"))
    if number is None:
        return None
    subtype = _text(entry, "subtype")
    edited = number_of(_object(entry, "edited").get("ts"))
    return Message(
        number=number,
        sent_at=moment(number),
        sender=_sender(entry, known),
        kind=MessageKind.MESSAGE if subtype in ("", *_SPOKEN) else MessageKind.SERVICE,
        text=readable(_body(entry), known),
        thread=number_of(entry.get("thread_ts")),
        edited_at=None if edited is None else moment(edited),
        reply_count=_count(entry, "reply_count", most=_MOST_REPLIES) or 0,
        latest_reply=number_of(entry.get("latest_reply")),
        attachments=tuple(_attachments(entry)),
        mentions=tuple(_mentions(entry, known)),
        gone=subtype == TOMBSTONE,
        raw=_raw(entry),
    )


def readable(text: str, known: Known) -> str:
    """Slack's mrkdwn as people see it: names for ids, addresses without brackets, no entities."""

    def written_out(match: re.Match[str]) -> str:
        target, _, label = match[1].partition("|")
        match target[:1]:
            case "@":
                person = known(target[1:])
                return "@" + (person.name if person else label.removeprefix("@") or target[1:])
            case "#":
                return "#" + (label or target[1:])
            case "!":
                return label or "@" + target[1:].partition("^")[0]
        return f"{label} ({target})" if label and label not in target else target

    plain = _BRACKETS.sub(written_out, text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _body(entry: Mapping[str, Any]) -> str:
    """What the message says; an app may say it in attachments or blocks alone."""
    if text := _text(entry, "text"):
        return text
    attached = (line for line in _list(entry, "attachments") if isinstance(line, Mapping))
    fallbacks = (_text(line, "fallback") or _text(line, "text") for line in attached)
    blocks = (line for line in _list(entry, "blocks") if isinstance(line, Mapping))
    sections = (_text(_object(line, "text"), "text") for line in blocks)
    return "\n".join(filter(None, (*fallbacks, *sections)))


def _sender(entry: Mapping[str, Any], known: Known) -> Sender | None:
    """Apps write as their bot, or as the person who let them: then the message has both a user and a bot."""
    profile, bot = _object(entry, "user_profile"), _object(entry, "bot_profile")
    if user_id := _id(entry, "user"):
        person = known(user_id)
        if person is None:
            is_bot = bool(_text(entry, "bot_id"))
            return Sender(user_id, _said_name(entry), _text(profile, "name"), is_bot)
        name = person.name if person.name != user_id else _said_name(entry)
        return Sender(user_id, name, person.username or "", person.is_bot)
    if bot_id := _id(entry, "bot_id"):
        return Sender(bot_id, _text(entry, "username") or _text(bot, "name"), "", is_bot=True)
    return None


def _mentions(entry: Mapping[str, Any], known: Known) -> Iterator[Sender]:
    for user_id in sorted(set(_MENTION.findall(_text(entry, "text")))):
        if (person := known(user_id)) is not None:
            yield Sender(user_id, person.name, person.username or "", person.is_bot)


def _said_name(entry: Mapping[str, Any]) -> str:
    """The name that a message itself tells of its user."""
    profile = _object(entry, "user_profile")
    return _text(profile, "display_name") or _text(profile, "real_name") or _text(entry, "username")


def _attachments(entry: Mapping[str, Any]) -> Iterator[Attachment]:
    for file in _list(entry, "files"):
        if not isinstance(file, Mapping) or not (file_id := _text(file, "id")):
            continue
        yield Attachment(
            id=file_id,
            kind=_kind(_text(file, "mimetype"), _text(file, "subtype")),
            name=_text(file, "name") or _text(file, "title"),
            mime_type=_text(file, "mimetype"),
            size=_count(file, "size", most=_LARGEST_FILE),
        )


def _kind(mime_type: str, subtype: str) -> FileKind:
    """`subtype` tells clips, which people record in Slack, from files."""
    if subtype == "slack_audio":
        return FileKind.VOICE
    match mime_type.partition("/")[0]:
        case "image":
            return FileKind.PHOTO
        case "video":
            return FileKind.VIDEO
        case "audio":
            return FileKind.AUDIO
    return FileKind.FILE


def _raw(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent; of what is nested deeper than anybody can read, what every format asks for."""
    try:
        kept: dict[str, Any] = _storable(entry)
    except RecursionError:
        return {key: _text(entry, key) for key in ("type", "ts", "user", "text") if key in entry}
    return kept


def _storable(value: Any) -> Any:
    """JSON that every database keeps. Raises RecursionError."""
    match value:
        case str():
            return storable(value)
        case Mapping():
            return {storable(str(key)): _storable(item) for key, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case float() if not isfinite(value):
            return None
    return value


def _text(source: Mapping[str, Any], key: str) -> str:
    value = source.get(key)
    return storable(value) if isinstance(value, str) else ""


def _id(source: Mapping[str, Any], key: str) -> str:
    return platform_id(_text(source, key))


def _count(source: Mapping[str, Any], key: str, *, most: int) -> int | None:
    """A number that counts something, as far as it is one that databases keep."""
    value = source.get(key)
    return value if type(value) is int and 0 <= value <= most else None


def _object(source: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = source.get(key)
    return value if isinstance(value, Mapping) else {}


def _list(source: Mapping[str, Any], key: str) -> list[Any]:
    value = source.get(key)
    return value if isinstance(value, list) else []
