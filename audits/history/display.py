"""Words for what the pages and commands show of conversations."""

from __future__ import annotations

from members.ui import DASH, NBSP


def counted(count: int, noun: str) -> str:
    """ "1 message", "1,204 messages"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size_in_words(size: int) -> str:
    """A number of bytes for people: "1.2 MB"."""
    if not size:
        return "0 KB"
    for unit in ("KB", "MB"):
        size_in_unit = size / 1_000 if unit == "KB" else size / 1_000_000
        if size_in_unit < 999.5:
            return f"{size_in_unit:,.1f} {unit}" if size_in_unit < 100 else f"{size_in_unit:,.0f} {unit}"
    return f"{size / 1_000_000_000:,.1f} GB"


def days_in_words(days: int | None) -> str:
    """How long nobody has written: "12 days"."""
    if days is None:
        return DASH
    return f"{days:,}{NBSP}{'day' if days == 1 else 'days'}" if days else "today"
