"""Pages that open in any browser, with nothing to load and no script, and that print well."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from html import escape
from itertools import islice
from sys import maxsize
from urllib.parse import quote

from audits.history.renderers.base import Chapter, Said, SaidFile, Sink
from audits.history.renderers.media import MediaWriter, path_of
from audits.history.renderers.names import with_names
from audits.history.renderers.text import visible
from members.platforms.history import MessageKind
from members.platforms.types import Platform

_SHOWN = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""Pictures that can do nothing but be seen: an SVG may hold a script."""

PAGE = 1000
"""Messages on one page, as Telegram Desktop has it."""


class Html:
    """A folder a group: messages.html, messages2.html, … Times are UTC."""

    threaded = True
    needs_replies = False
    needs_raw = False
    platforms = frozenset(Platform)

    def render(self, chapters: Iterable[Chapter], sink: Sink) -> None:
        media = MediaWriter(sink)
        for name, chapter in with_names(chapters):
            messages = iter(chapter.messages)
            page = list(islice(messages, PAGE))
            number = 1
            pages = Pages()
            while page or number == 1:
                following = list(islice(messages, PAGE))
                pages.begin(page, number)
                with sink.file(f"{name}/{_file_name(number)}") as out:
                    out.write("".join(_page(chapter, page, pages, number, last=not following)).encode())
                page = following
                number += 1
            media.write(chapter, partial(_path_below, name))


class Pages:
    """On which page a message stands that another one answers: the numbers with which each page begins.

    Numbers grow with time, apart for what was said before a group became a supergroup.
    """

    def __init__(self) -> None:
        self._begins: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    def begin(self, page: Iterable[Said], number: int) -> None:
        """Note with which messages page `number` begins."""
        for said in page:
            begins = self._begins[said.origin]
            if not begins or begins[-1][1] != number:
                begins.append((said.number, number))

    def address(self, origin: str, number: int) -> str:
        """The link to a message that came before; "" where it is not part of the export."""
        begins = self._begins[origin]
        place = bisect_right(begins, (number, maxsize))
        return f"{_file_name(begins[place - 1][1])}#m{_text(origin)}-{number}" if place else ""


def _path_below(folder: str, file: SaidFile) -> str:
    return f"{folder}/{path_of(file)}"


def _file_name(number: int) -> str:
    return "messages.html" if number == 1 else f"messages{number}.html"


def _page(
    chapter: Chapter, messages: Iterable[Said], pages: Pages, number: int, *, last: bool
) -> Iterator[str]:
    title = _text(chapter.name)
    yield _HEAD.format(title=title, page=f", page {number}" if number > 1 else "", style=_STYLE)
    where = f"{chapter.platform.label} · {_text(chapter.id)} · times are UTC"
    yield f"<header><h1>{title}</h1><p>{where}</p></header>\n<main>\n"
    yield _links(number, last=last)
    day = ""
    for said in messages:
        if (today := f"{said.sent_at:%A, %-d %B %Y}") != day and not said.is_reply:
            day = today
            yield f"<h2>{day}</h2>\n"
        yield from _message(said, pages)
    yield _links(number, last=last)
    yield "</main>\n</html>\n"


def _links(number: int, *, last: bool) -> str:
    earlier = f'<a href="{_file_name(number - 1)}" rel="prev">← Earlier</a>' if number > 1 else ""
    later = "" if last else f'<a href="{_file_name(number + 1)}" rel="next">Later →</a>'
    return f'<nav aria-label="Pages">{earlier}{later}</nav>\n' if earlier or later else ""


def _message(said: Said, pages: Pages) -> Iterator[str]:
    kinds = ["service" if said.kind is MessageKind.SERVICE else "message"]
    kinds += [word for word, holds in (("reply", said.is_reply), ("deleted", said.deleted_at)) if holds]
    stamp = f"{said.sent_at:%Y-%m-%dT%H:%M:%SZ}"
    yield f'<article class="{" ".join(kinds)}" id="m{_text(said.origin)}-{said.number}">'
    yield f'<p class="by"><b dir="auto">{_text(said.sender_name) or "?"}</b> '
    yield f'<time datetime="{stamp}">{said.sent_at:%H:%M:%S}</time>{_notes(said)}</p>'
    if said.reply_to is not None:
        answered = pages.address(said.origin, said.reply_to)
        words = "In reply to an earlier message"
        link = f'<a href="{answered}">{words}</a>' if answered else words
        yield f'<p class="to">{link}</p>'
    if said.text:
        yield f'<p class="text" dir="auto">{_text(said.text)}</p>'
    for file in said.files:
        yield _file(file)
    yield "</article>\n"


def _notes(said: Said) -> str:
    notes = [f"in {_text(said.topic)}"] if said.topic else []
    if said.edited_at is not None:
        notes.append(f"edited {said.edited_at:%Y-%m-%d %H:%M}")
    if said.deleted_at is not None:
        notes.append("deleted since")
    return "".join(f' <span class="note">{note}</span>' for note in notes)


def _file(file: SaidFile) -> str:
    name = _text(file.name) or _text(file.kind)
    if not file.sha256:
        why = _text(file.left_out) or "not part of this export"
        return f'<p class="file">{name} <span class="note">{why}</span></p>'
    address = escape(quote(path_of(file)))
    if file.mime_type in _SHOWN:
        return (
            f'<p class="file"><a href="{address}"><img src="{address}" alt="{name}" loading="lazy"></a></p>'
        )
    return f'<p class="file"><a href="{address}" download>{name}</a></p>'


def _text(text: str) -> str:
    return escape(visible(text))


_HEAD = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'">
<title>{title}{page}</title>
<style>{style}</style>
"""

_STYLE = """
:root { color-scheme: light dark; --line: #8885; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } header p, .note, time, .to { color: GrayText; font-size: .85rem; }
h2 { font-size: .95rem; border-bottom: 1px solid var(--line); margin: 2rem 0 .5rem; padding-bottom: .25rem; }
article { margin: .6rem 0; break-inside: avoid; } article p { margin: 0; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
.reply { margin-left: 1.5rem; padding-left: .75rem; border-left: 3px solid var(--line); }
.service .text { font-style: italic; } .deleted .text { text-decoration: line-through; }
nav { display: flex; justify-content: space-between; gap: 1rem; margin: 1rem 0; } img { max-width: 100%; }
@media print { body { margin: 0; max-width: none; } nav { display: none; } a { color: inherit; } }
"""
