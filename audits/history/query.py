"""What people type to search: words, "phrases", "or" and -exclusions, as databases take them. Pure.

The syntax is that of PostgreSQL's websearch_to_tsquery
(postgresql.org/docs/current/textsearch-controls.html), which takes any text without an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 500
"""Characters of a query that are looked at."""

_PIECE = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


@dataclass(frozen=True, slots=True)
class Term:
    """A word, or words that stand side by side."""

    text: str
    excluded: bool = False
    alternative: bool = False
    """Whether it may stand in place of the term before it."""


def parse(query: str) -> tuple[Term, ...]:
    """The terms of `query`; empty unless one of them says what to look for."""
    terms: list[Term] = []
    alternative = False
    for piece in _PIECE.finditer(plain(query)):
        text = piece["word"] if piece["phrase"] is None else piece["phrase"]
        if piece["phrase"] is None and not piece["minus"] and text.lower() == "or":
            alternative = bool(terms)
        elif any(char.isalnum() for char in text):
            terms.append(Term(text, excluded=bool(piece["minus"]), alternative=alternative))
            alternative = False
    return tuple(terms) if any(not term.excluded for term in terms) else ()


def plain(query: str) -> str:
    """`query` without what no database can store, and not longer than it makes sense."""
    return query.replace("\0", " ")[:LONGEST]


def to_websearch(terms: tuple[Term, ...]) -> str:
    """`terms` for PostgreSQL's websearch_to_tsquery."""
    return " or ".join(
        " ".join(("-" if term.excluded else "") + f'"{term.text}"' for term in part)
        for part in _alternatives(terms)
    )


def to_fts5(terms: tuple[Term, ...]) -> str:
    """`terms` in the language of SQLite's FTS5 (sqlite.org/fts5.html), each quoted: none is syntax."""
    return " OR ".join(map(_conjunction, _alternatives(terms)))


def _alternatives(terms: tuple[Term, ...]) -> list[list[Term]]:
    """ "and" binds closer than "or". One that only excludes is left out: nearly everything would match."""
    parts: list[list[Term]] = [[]]
    for term in terms:
        if term.alternative:
            parts.append([])
        parts[-1].append(term)
    return [part for part in parts if any(not term.excluded for term in part)]


def _conjunction(terms: list[Term]) -> str:
    wanted = " AND ".join(_quoted(term.text) for term in terms if not term.excluded)
    unwanted = " OR ".join(_quoted(term.text) for term in terms if term.excluded)
    return f"(({wanted}) NOT ({unwanted}))" if unwanted else f"({wanted})"


def _quoted(text: str) -> str:
    return f'"{text}"'  # the pattern above lets no quote into a term


def marks(text: str, terms: tuple[Term, ...], *, around: int = 160) -> list[tuple[str, bool]]:
    """The part of `text` in which the terms stand first, in pieces: each with whether it was looked for."""
    words = sorted({word for term in terms if not term.excluded for word in re.findall(r"\w+", term.text)})
    found = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE) if words else None
    first = found.search(text) if found else None
    start = max(0, first.start() - around) if first else 0
    end = start + 3 * around
    pieces = [("…", False)] if start else []
    at = start
    for match in found.finditer(text, start, end) if found else ():
        pieces += [(text[at : match.start()], False), (match[0], True)]
        at = match.end()
    pieces += [(text[at:end], False)] + ([("…", False)] if end < len(text) else [])
    return [piece for piece in pieces if piece[0]]
