"""What somebody typed into the search of a list."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.text import smart_split, unescape_string_literal


def words_of(term: str) -> Iterator[str]:
    """Each word; “"two words"” in quotes are one. As Django's own search of a list takes them."""
    for word in smart_split(term):
        quoted = word[0] in "\"'" and word[0] == word[-1]
        yield unescape_string_literal(word) if quoted else word
