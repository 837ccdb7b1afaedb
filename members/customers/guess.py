"""Whose group it is, guessed from its name. A guess is a proposal: a person decides.

"acme-bitsafe" and "Acme <> Example Co" name the customer "Acme", and "acmelabs x us" names "Acme Labs, Inc.":
letters and digits count, whatever stands between them. A longer name that was found hides a shorter one
inside it. Where several customers are named the guess is left open.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

SHORTEST_NAME = 2
"""In letters and digits: one alone stands in too many names."""
_MOST_WORDS = 8
"""How many words of a group's name a customer's name may take up."""
_LEGAL_FORM = re.compile(
    r"ab|ag|aps|as|bv|co|company|corp|corporation|gmbh|inc|incorporated|kg|kk|limited|llc|llp|lp|ltd|nv|oy|oyj"
    r"|plc|pte|pty|sa|sarl|sas|se|spa|srl|ug"
)
_INITIALS = re.compile(r"(?<=\b\w)\.(?=\w\b)")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Match:
    """A customer whose name, or alias, stands in a group's name."""

    customer: int
    name: str
    """As it stands with the customer."""


NameIndex: TypeAlias = Mapping[str, tuple[Match, ...]]
"""The customers by their names, without what stands between letters and digits."""


def index_names(customers: Iterable[tuple[int, Iterable[str]]]) -> NameIndex:
    """What `guess` looks names up in, made of each customer's number, and its name and aliases."""
    index: defaultdict[str, dict[int, Match]] = defaultdict(dict)
    for customer, names in customers:
        for name in names:
            if len(key := "".join(_without_legal_form(words(name)))) >= SHORTEST_NAME:
                index[key].setdefault(customer, Match(customer, name))
    return {key: tuple(found.values()) for key, found in index.items()}


def guess(group_name: str, index: NameIndex) -> tuple[Match, ...]:
    """The customers that the name names: none, one, or several among whom a person has to choose."""
    there = words(group_name)
    found = [
        (span, matches) for span in _spans(len(there)) if (matches := index.get("".join(there[slice(*span)])))
    ]
    longest = (matches for span, matches in found if not any(_lies_inside(span, other) for other, _ in found))
    return tuple({match.customer: match for matches in longest for match in matches}.values())


def words(text: str) -> list[str]:
    """The words of a name without case and accents: "Café B.V." → ["cafe", "bv"]."""
    plain = "".join(
        letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter)
    )
    return _WORD.findall(_INITIALS.sub("", plain).casefold())


def _without_legal_form(name: list[str]) -> list[str]:
    """ "Acme Labs, Inc." is called "Acme Labs"; a name that is nothing else stays."""
    end = len(name)
    while end > 1 and _LEGAL_FORM.fullmatch(name[end - 1]):
        end -= 1
    return name[:end]


def _spans(count: int) -> Iterator[tuple[int, int]]:
    for start in range(count):
        for end in range(start + 1, min(count, start + _MOST_WORDS) + 1):
            yield start, end


def _lies_inside(span: tuple[int, int], other: tuple[int, int]) -> bool:
    return span != other and other[0] <= span[0] and span[1] <= other[1]
