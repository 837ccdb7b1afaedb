"""What Slack makes of a wish for a channel's name. Pure."""

from __future__ import annotations

import re
import unicodedata

LONGEST_CHANNEL_NAME = 80


def channel_name(wish: str) -> str:
    """`wish` as a name that Slack takes, so that a plan can show beforehand what will stand there.

    Lower case, letters and digits of any script, hyphens, underscores, at most 80 characters
    (docs.slack.dev/reference/methods/conversations.rename#naming); whatever else there is, spaces
    included, becomes one hyphen. "" when nothing is left to name a channel with.
    """
    return _named(spelt_as_channel(wish)[:LONGEST_CHANNEL_NAME])


def spelt_as_channel(wish: str) -> str:
    """The same, however long: to tell whether something would be cut off."""
    letters = unicodedata.normalize("NFC", wish).lower()
    allowed = "".join(letter if _is_allowed(letter) else " " for letter in letters)
    return _named(re.sub(r"[ -]* [ -]*", "-", allowed.strip(" ")))


def _named(name: str) -> str:
    name = name.strip("-")
    return name if any(letter.isalnum() for letter in name) else ""


def _is_allowed(letter: str) -> bool:
    """Marks count as letters: many scripts cannot be written without them."""
    return letter in "-_" or letter.isalnum() or unicodedata.category(letter).startswith("M")
