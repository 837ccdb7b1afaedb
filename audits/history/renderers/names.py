"""File names out of what people called things."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator

from audits.history.renderers.base import Chapter

LONGEST = 80
_UNSAFE = re.compile(r"[^\w.\- ]+")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|\Z)", re.IGNORECASE)
"""Names that Windows keeps for itself, with any extension."""


def safe_name(text: str, *, fallback: str, taken: Collection[str] = ()) -> str:
    """`text` as one file or folder name on every system, another one than those `taken` in any case.

    No separators, control characters, leading dots or trailing dots and blanks, nothing invisible, and
    at most `LONGEST` characters; `fallback` where nothing is left.
    """
    plain = unicodedata.normalize("NFC", text)
    plain = "".join(char for char in plain if unicodedata.category(char)[0] != "C")
    plain = _UNSAFE.sub("_", plain).strip(" ._")[:LONGEST].rstrip(" ._")
    if not plain or _DEVICES.match(plain):
        plain = fallback
    lowered = {name.casefold() for name in taken}
    name, number = plain, 1
    while name.casefold() in lowered:
        number += 1
        name = f"{plain} {number}"
    return name


def with_names(chapters: Iterable[Chapter]) -> Iterator[tuple[str, Chapter]]:
    """Each chapter after a safe name of its own."""
    taken: list[str] = []
    for chapter in chapters:
        taken.append(safe_name(chapter.name, fallback=chapter.id, taken=taken))
        yield taken[-1], chapter
