"""Regular expressions that people write: searched and replaced within limits of time and memory. Pure.

Python's own engine cannot be stopped inside a match, and some patterns take years on forty letters. The
package `regex` gives up by itself; what costs memory, which no clock limits, is refused beforehand.
"""

from __future__ import annotations

import warnings
from math import prod

import regex

PATIENCE = 0.1
"""Seconds (of computing) that a search in one name may take; an ordinary one takes a few millionths."""
MOST_REPETITIONS = 10_000
"""That a pattern may ask for, nested ones multiplied: each becomes a part of the compiled one."""

_RECURSION = regex.compile(r"(?<!\\)(?:\\\\)*\(\?(?:R|[+-]?[0-9]|&|P>)")
_COUNT = regex.compile(r"\{\s*([0-9]+)")


class PatternTrouble(ValueError):
    """The pattern, or what shall replace it, cannot be used: one line, what is wrong and what to do."""


def compiled(pattern: str) -> regex.Pattern[str]:
    """The pattern, in which case never matters. Raises PatternTrouble.

    What the engine warns about ("[[" will mean something else one day) counts as a mistake.
    """
    if _RECURSION.search(pattern):
        raise PatternTrouble("A regular expression that repeats itself cannot be used here: write it out.")
    if prod(max(1, int(count)) for count in _COUNT.findall(pattern)) > MOST_REPETITIONS:
        raise PatternTrouble("The regular expression repeats its parts too often: names are short.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            return regex.compile(pattern, regex.IGNORECASE)
    except (regex.error, FutureWarning, RecursionError, OverflowError) as error:
        raise PatternTrouble(f"Not a regular expression: {error}.") from error


def occurs_in(pattern: str, name: str, *, patience: float = PATIENCE) -> bool:
    """Whether the pattern is found in `name`. Raises PatternTrouble, also when that takes too long."""
    try:
        return compiled(pattern).search(name, timeout=patience, concurrent=True) is not None
    except TimeoutError:
        raise too_slow(pattern) from None


def too_slow(pattern: str) -> PatternTrouble:
    """What to say of a pattern that a search was given up for."""
    return PatternTrouble(
        f"The regular expression “{pattern}” takes too long: nested repetitions like (a+)+ are the usual "
        "reason."
    )
