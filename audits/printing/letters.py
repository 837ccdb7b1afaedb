"""Any text in a PDF: which font has its letters, and in which order they stand.

Three fonts come along with us, and of each only the letters in use are embedded: DejaVu Sans (Latin, Greek,
Cyrillic, Armenian, Georgian, Hebrew, Arabic, many signs), Droid Sans Fallback (Chinese, Japanese) and Nanum
Square (Korean). REPORT_FONTS names files for more scripts. A character that no font has is written out: its
name for a symbol, its code point for a letter. Nothing vanishes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from django.conf import settings
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from members.spreadsheet import one_line

PLAIN, BOLD = "Plain", "Bold"
_FOLDER = Path(__file__).parent / "fonts"
_OURS = {
    PLAIN: "DejaVuSans.ttf",
    BOLD: "DejaVuSans-Bold.ttf",
    "Chinese": "DroidSansFallbackFull.ttf",
    "Korean": "NanumSquareR.ttf",
}
_SILENT = re.compile("[\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\U000e0100-\U000e01ef\U0001f3fb-\U0001f3ff]")
"""What only changes its neighbours: joiners, selectors, shades of skin."""


class UnreadableFont(Exception):
    """REPORT_FONTS names a file that is no TrueType font."""


def markup(text: str, font: str = PLAIN) -> str:
    """The text on one line as ReportLab's paragraphs take it: escaped, each stretch in a font that has it."""
    pieces = []
    for name, stretch in _stretches(_SILENT.sub("", one_line(text)), font):
        pieces.append(escape(stretch) if name == font else f'<font name="{name}">{escape(stretch)}</font>')
    return "".join(pieces)


def _stretches(text: str, font: str) -> Iterator[tuple[str, str]]:
    """(font, text as it is to be seen from left to right)."""
    fonts = register_fonts()

    def font_of(char: str) -> str:
        """The first font that has the character, "" where none does."""
        return next((name for name in (font, *fonts) if ord(char) in fonts[name].face.charToGlyph), "")

    for name, run in groupby(_as_seen(text), key=font_of):
        stretch = "".join(run)
        yield (name, stretch) if name else (font, "".join(map(_written_out, stretch)))


def _written_out(char: str) -> str:
    symbol = unicodedata.category(char) == "So"
    name = unicodedata.name(char, "").lower() if symbol else ""
    return f"[{name or f'U+{ord(char):04X}'}]"


@lru_cache(maxsize=1)
def register_fonts() -> dict[str, TTFont]:
    """Make the fonts known to ReportLab; by name, in the order in which they stand in for each other.

    Raises UnreadableFont.
    """
    files = {name: str(_FOLDER / file) for name, file in _OURS.items()}
    files |= {f"Added{number}": path for number, path in enumerate(settings.REPORT_FONTS)}
    fonts = {name: _font(name, path) for name, path in files.items()}
    for font in fonts.values():
        pdfmetrics.registerFont(font)
    pdfmetrics.registerFontFamily(PLAIN, normal=PLAIN, bold=BOLD, italic=PLAIN, boldItalic=BOLD)
    return fonts


def _font(name: str, path: str) -> TTFont:
    try:
        return TTFont(name, path)
    except (TTFError, OSError) as error:
        raise UnreadableFont(f"REPORT_FONTS: {path} is no TrueType font that can be read. {error}") from None


# --- From right to left ------------------------------------------------------------------------

_RIGHT_TO_LEFT = ("R", "AL")
_NEUTRAL = ("WS", "ON", "CS", "ES", "ET", "NSM")


def _as_seen(text: str) -> str:
    """The text in the order in which it is seen: Hebrew and Arabic stretches turned round, letters joined.

    The heart of Unicode's bidirectional algorithm (UAX #9) for names: numbers and Latin words inside such a
    stretch keep their direction, because they end it.
    """
    if not any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text):
        return text
    pattern = "".join("R" if _turns(char) else "N" if _is_neutral(char) else "L" for char in text)
    seen = []
    for stretch in re.finditer(r"R(?:N*R)*|[LN]+", pattern):
        part = text[stretch.start() : stretch.end()]
        seen.append(_joined(part)[::-1].translate(_MIRRORED) if stretch.group().startswith("R") else part)
    return "".join(seen)


def _turns(char: str) -> bool:
    return unicodedata.bidirectional(char) in _RIGHT_TO_LEFT


def _is_neutral(char: str) -> bool:
    return unicodedata.bidirectional(char) in _NEUTRAL


_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")


@lru_cache(maxsize=1)
def _forms() -> dict[str, dict[str, str]]:
    """Arabic letter → how it looks where (Unicode's presentation forms): "isolated", "initial" and so on."""
    forms: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFDFC), *range(0xFE80, 0xFEF5)):
        kind, _, letters = unicodedata.decomposition(chr(code)).partition(" ")
        if kind.startswith("<") and len(letters) == 4:
            forms.setdefault(chr(int(letters, 16)), {})[kind.strip("<>")] = chr(code)
    return forms


def _joined(text: str) -> str:
    """Each Arabic letter in the form that its neighbours give it."""
    forms = _forms()
    joined = []
    for place, char in enumerate(text):
        shapes = forms.get(char)
        if shapes is None:
            joined.append(char)
            continue
        before = place > 0 and "initial" in forms.get(text[place - 1], {})
        after = place + 1 < len(text) and "final" in forms.get(text[place + 1], {}) and "initial" in shapes
        form = {(False, False): "isolated", (True, False): "final", (False, True): "initial"}.get(
            (before, after), "medial"
        )
        joined.append(shapes.get(form, char))
    return "".join(joined)
