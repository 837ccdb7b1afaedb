"""What a group shall be called: from its name to the new one, in the spelling of its platform. Pure.

Case never matters in a pattern, as in scope lines and naming rules; the new text is taken as it stands.
"""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

import regex

from members.patterns import PatternTrouble, compiled, too_slow
from members.platforms.slack_names import LONGEST_CHANNEL_NAME, spelt_as_channel
from members.platforms.types import Platform
from members.policy import Naming, outdated_part

LONGEST_TITLE = 128
"""Telegram's own limit in characters, of setChatTitle (core.telegram.org/bots/api#setchattitle)."""
LONGEST_PATTERN = 200
"""In characters, of a pattern and of what replaces it."""
PATIENCE = 1.0
"""Seconds that a regular expression may take for all the names together. Some would take years, and
somebody waits for the page: the engine gives up by itself then, in the middle of a name if need be."""

_WORD = regex.compile(r"[^\W_]{3,}")

Renamer = Callable[[str], str | None]
"""From a name to the new one; None for a name of which it says nothing. May raise PatternTrouble."""


def by_text(pattern: str, replacement: str) -> Renamer:
    """`replacement` in place of every `pattern`, which means nothing but itself. Raises PatternTrouble."""
    _check_lengths(pattern, replacement)

    def rename(name: str) -> str | None:
        return replaced(name, pattern, replacement)

    return rename


def by_rules(rules: Sequence[Naming]) -> Renamer:
    """Each rule in its order; a name with nothing deprecated in it is none of theirs."""

    def rename(name: str) -> str | None:
        if outdated_part(name, rules) is None:
            return None
        for rule in rules:
            name = replaced(name, rule.pattern, rule.replacement) or name
        return name

    return rename


def by_regex(pattern: str, replacement: str, *, patience: float = PATIENCE) -> Renamer:
    r"""`replacement`, in which \1 and \g<name> stand for groups, in place of every match.

    Raises PatternTrouble, also when a name takes too long.
    """
    _check_lengths(pattern, replacement)
    expression = compiled(pattern)
    try:
        expression.sub(replacement, "")
    except (regex.error, IndexError) as error:
        raise PatternTrouble(f"The replacement cannot be filled in: {error}.") from error
    left = patience

    def rename(name: str) -> str | None:
        nonlocal left
        began = time.monotonic()
        try:
            new, count = expression.subn(replacement, name, timeout=max(left, 0.001), concurrent=True)
        except TimeoutError:
            raise too_slow(pattern) from None
        except (regex.error, IndexError) as error:
            raise PatternTrouble(f"The replacement cannot be filled in: {error}.") from error
        left -= time.monotonic() - began
        return new if count else None

    return rename


def replaced(name: str, part: str, replacement: str) -> str | None:
    """`name` with `replacement` wherever `part` stands, as `members.policy.matches` finds it; else None.

    One letter may fold into several ("ß" into "ss"): where a match ends inside such a letter, all of it goes.
    """
    folded = [letter.casefold() for letter in name]
    owner = [at for at, letters in enumerate(folded) for _ in letters]
    text, wanted = "".join(folded), part.casefold()
    pieces, end, found = [], 0, text.find(wanted)
    if not wanted or found < 0:
        return None
    while found >= 0:
        first, last = owner[found], owner[found + len(wanted) - 1]
        if first >= end:
            pieces += [name[end:first], replacement]
            end = last + 1
        found = text.find(wanted, found + len(wanted))
    return "".join([*pieces, name[end:]])


def doubled_words(old: str, new: str) -> tuple[str, ...]:
    """Words that the new name has twice and the old one had not so often: "acme-bitsafe-cbtc-bitsafe".

    Short ones say nothing. The words as they are compared, in the order in which they stand.
    """
    before, after = (Counter(_WORD.findall(name.casefold())) for name in (old, new))
    return tuple(word for word, count in after.items() if count > max(1, before[word]))


def spelt(platform: Platform, name: str) -> str:
    """`name` as the platform would store it, however long: Slack has a spelling of its own, Telegram is
    given single spaces, and none at the ends."""
    match platform:
        case Platform.SLACK:
            return spelt_as_channel(name)
        case Platform.TELEGRAM:
            return " ".join(name.split())


def problem_of(platform: Platform, name: str) -> str:
    """Why the platform does not take `name`, which is `spelt`: one sentence; "" where it does."""
    longest = LONGEST_CHANNEL_NAME if platform is Platform.SLACK else LONGEST_TITLE
    if not any(map(_is_visible, name)):
        return "Nothing would be left of the name."
    if len(name) > longest:
        return f"The new name is too long: {platform.label} takes {longest} characters."
    if any(map(_is_steering, name)):
        return "The new name has invisible control characters in it."
    return ""


def _check_lengths(pattern: str, replacement: str) -> None:
    if not pattern:
        raise PatternTrouble("Say which part of the names shall be replaced.")
    if len(pattern) > LONGEST_PATTERN or len(replacement) > LONGEST_PATTERN:
        raise PatternTrouble(f"At most {LONGEST_PATTERN} characters: shorten it, or use a mapping.")


def _is_visible(letter: str) -> bool:
    return not letter.isspace() and unicodedata.category(letter) not in ("Cc", "Cf", "Cn", "Cs")


def _is_steering(letter: str) -> bool:
    """Control characters, half characters, and what turns the direction of the text around it."""
    return unicodedata.category(letter) in ("Cc", "Cs") or unicodedata.bidirectional(letter) in _TURNING


_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
