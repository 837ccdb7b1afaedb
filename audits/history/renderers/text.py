"""Plain text: time, sender, and what was said; answers in a thread are indented below its beginning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO

from audits.history.renderers.base import Chapter, Said, SaidFile, Sink
from audits.history.renderers.media import MediaWriter, path_of
from audits.history.renderers.names import with_names
from members.platforms.history import MessageKind
from members.platforms.types import Platform

INDENT = "    "

Place = Callable[[SaidFile], str]


class PlainText:
    """A file a group, in UTC."""

    threaded = True
    needs_replies = False
    needs_raw = False
    platforms = frozenset(Platform)

    def render(self, chapters: Iterable[Chapter], sink: Sink) -> None:
        media = MediaWriter(sink)
        for name, chapter in with_names(chapters):
            place = partial(path_beside, name)
            with sink.file(f"{name}.txt") as out:
                _write(chapter, out, place)
            media.write(chapter, place)


def path_beside(name: str, file: SaidFile) -> str:
    """Where a file lies in formats that have one document for a group: in a folder next to it."""
    return f"{name} files/{path_of(file)}"


def _write(chapter: Chapter, out: BinaryIO, place: Place) -> None:
    out.write(f"{visible(chapter.name)} ({chapter.platform.label}, {chapter.id}). Times are UTC.\n".encode())
    day = ""
    for said in chapter.messages:
        if (today := f"{said.sent_at:%A, %-d %B %Y}") != day and not said.is_reply:
            day = today
            out.write(f"\n--- {day} ---\n".encode())
        out.write("".join(_lines(said, place)).encode())


def _lines(said: Said, place: Place) -> Iterator[str]:
    indent = INDENT if said.is_reply else ""
    stamp = f"{said.sent_at:%Y-%m-%d %H:%M:%S}"
    name = visible(said.sender_name) or "?"
    notes = [f"in {visible(said.topic)}"] if said.topic else []
    notes += [note for note, holds in (("edited", said.edited_at), ("deleted", said.deleted_at)) if holds]
    mark = f" ({', '.join(notes)})" if notes else ""
    first, *rest = visible(said.text).split("\n")
    if said.kind is MessageKind.SERVICE:
        yield f"{indent}[{stamp}] * {name} {first}{mark}\n"
    else:
        yield f"{indent}[{stamp}] {name}: {first}{mark}\n"
    for line in rest:
        yield f"{indent}{INDENT}{line}\n"
    for file in said.files:
        where = f" -> {place(file)}" if file.sha256 else ""
        yield f"{indent}{INDENT}[{file.kind}: {visible(file.name) or file.id}{where}]\n"


def visible(text: str) -> str:
    """`text` without what would take over a terminal or turn the direction of what follows."""
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char in "\n\t":
        return char
    if (char < " " or "\x7f" <= char <= "\x9f") or char in _DIRECTIONS:
        return "\N{REPLACEMENT CHARACTER}"
    return "\n" if char in "\u2028\u2029" else char


_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates; plain right-to-left letters are left as they are."""
