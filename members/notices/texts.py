"""From notices to the message that people read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from members.notices.kinds import NoticeKind

MOST_LINES = 20
"""A digest names so many; the rest is a number and a link."""
LONGEST_SUBJECT = 120
LONGEST_TEXT = 3500
"""In characters. Slack advises 4,000 for a message, Telegram takes 4,096."""


@dataclass(frozen=True, slots=True)
class Item:
    """One notice: what happened and what to do, in plain lines; `url` is "" where nobody set SITE_URL."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in the default storage, and what it is called where it arrives."""

    stored: str
    name: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message, ready to be sent: of one notice, or a digest of several."""

    number: int
    subject: str
    text: str
    created_at: datetime
    attachments: tuple[Attachment, ...] = ()
    doubtful: bool = False
    """An earlier attempt may have got through."""

    @property
    def mark(self) -> str:
        """The message's last line, by which it is known again."""
        return mark_of(self.number)


def mark_of(number: int) -> str:
    return f"Group Admin, message {number}"


def subject_of(kind: NoticeKind, items: Sequence[Item]) -> str:
    """One line."""
    if len(items) == 1:
        line = " ".join(items[0].text.partition("\n")[0].split())
        return line if len(line) <= LONGEST_SUBJECT else f"{line[: LONGEST_SUBJECT - 1]}…"
    return f"{kind.label}: {len(items)} notices"


def text_of(kind: NoticeKind, items: Sequence[Item], *, number: int, list_url: str = "") -> str:
    """All of it, the mark included. `list_url` leads to the notices that a digest leaves out."""
    body = _single(items[0]) if len(items) == 1 else _digest(kind, items, list_url)
    return f"{body}\n\n{mark_of(number)}"


def _single(item: Item) -> str:
    text = item.text if len(item.text) <= LONGEST_TEXT else f"{item.text[: LONGEST_TEXT - 1]}…"
    return f"{text}\n{item.url}" if item.url else text


def _digest(kind: NoticeKind, items: Sequence[Item], list_url: str) -> str:
    lines = [f"{kind.label}: {len(items)} notices."]
    length = len(lines[0])
    for item in items[:MOST_LINES]:
        line = "\n  ".join(filter(None, (f"• {item.text.partition(chr(10))[0][:300]}", item.url)))
        if (length := length + len(line)) > LONGEST_TEXT:
            break
        lines.append(line)
    if left := len(items) - (len(lines) - 1):
        lines.append(f"And {left} more{f': {list_url}' if list_url else '.'}")
    return "\n".join(lines)
