"""Texts from the wire, fit for every database: SQLite keeps anything, PostgreSQL does not."""

from __future__ import annotations

LONGEST_GROUP_NAME = 255
"""In characters; the platforms' own limits are lower (Slack 80, Telegram 128)."""

LONGEST_ID = 32
"""In characters; Slack's have about eleven, and Telegram's numbers at most nineteen."""


def storable(text: str) -> str:
    """Verbatim, but for what a wire can carry and no database keeps: NUL and half surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def platform_id(text: str) -> str:
    """An id as the wire has it; "" for what no id can be."""
    return text if 0 < len(text) <= LONGEST_ID and text.isascii() and text.isprintable() else ""


def group_name(text: str) -> str:
    """A group's name, `storable`, and cut where no platform's own name would be."""
    return storable(text)[:LONGEST_GROUP_NAME]
