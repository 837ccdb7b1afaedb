"""Marked text as Telegram Desktop writes it: runs of text, each with its type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_TYPES = {
    "MessageEntityMention": "mention",
    "MessageEntityHashtag": "hashtag",
    "MessageEntityBotCommand": "bot_command",
    "MessageEntityUrl": "link",
    "MessageEntityEmail": "email",
    "MessageEntityBold": "bold",
    "MessageEntityItalic": "italic",
    "MessageEntityCode": "code",
    "MessageEntityPre": "pre",
    "MessageEntityTextUrl": "text_link",
    "MessageEntityMentionName": "mention_name",
    "MessageEntityPhone": "phone",
    "MessageEntityCashtag": "cashtag",
    "MessageEntityUnderline": "underline",
    "MessageEntityStrike": "strikethrough",
    "MessageEntityBlockquote": "blockquote",
    "MessageEntityBankCard": "bank_card",
    "MessageEntitySpoiler": "spoiler",
    "MessageEntityCustomEmoji": "custom_emoji",
}
_DETAILS = {
    "text_link": ("href", "url"),
    "pre": ("language", "language"),
    "mention_name": ("user_id", "user_id"),
    "custom_emoji": ("document_id", "document_id"),
}
"""By type: the key that it is written under, and the one that Telegram sent."""

Run = dict[str, Any]


def runs(text: str, entities: Iterable[Mapping[str, Any]]) -> list[Run]:
    """`text` cut at its entities, "plain" in between; [] for no text.

    Offsets count UTF-16 code units. Of overlapping entities the first to begin is taken, as Telegram
    Desktop does; what lies outside the text is left out.
    """
    units = text.encode("utf-16-le")
    found: list[Run] = []
    at = 0
    for entity in sorted(entities, key=lambda entity: int(entity.get("offset", 0))):
        start, length = int(entity.get("offset", 0)), int(entity.get("length", 0))
        end = min(start + length, len(units) // 2)
        if start < at or end <= start:
            continue
        found += _run("plain", units, at, start)
        kind = _TYPES.get(str(entity.get("_")), "unknown")
        marked = _run(kind, units, start, end)
        if kind in _DETAILS and marked:
            key, source = _DETAILS[kind]
            value = entity.get(source, "")
            marked[0][key] = value if key == "user_id" else str(value)
        found += marked
        at = end
    return found + _run("plain", units, at, len(units) // 2)


def mixed(text_runs: Sequence[Run]) -> str | list[str | Run]:
    """The older form of the same: a string where nothing is marked, else strings and marked runs."""
    if all(run["type"] == "plain" for run in text_runs):
        return "".join(run["text"] for run in text_runs)
    return [run["text"] if run["type"] == "plain" else run for run in text_runs]


def _run(kind: str, units: bytes, start: int, end: int) -> list[Run]:
    text = units[2 * start : 2 * end].decode("utf-16-le", "replace")
    return [{"type": kind, "text": text}] if text else []
