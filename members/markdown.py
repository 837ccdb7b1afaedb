"""Write Markdown: headings and tables that no name can break out of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TextIO

from members.spreadsheet import one_line

_SPECIAL = re.compile(
    r"[\\`*\[\]<>|&~#]|(?<![^\W_])_|_(?![^\W_])|(?<=:)//|(?<=\bwww)\.",
    re.IGNORECASE,
)
"""What begins markup inside a line of CommonMark or of GitHub's flavour: emphasis (no underscore within a
word), code, links, HTML, entities, cells, a heading's end, addresses that become links by themselves."""


def escaped(text: str) -> str:
    """The text as plain words inside a line or a table's cell, whatever a name tries to be."""
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", one_line(text))


def write_heading(file: TextIO, line: str) -> None:
    """A heading with its "#", whose text is `escaped` already."""
    file.write(f"{line}\n\n")


def write_table(file: TextIO, titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table of texts, numbers and moments, which are written in UTC."""
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    file.writelines(f"{line}\n" for line in lines)
    for row in rows:
        file.write(f"| {' | '.join(map(_cell, row))} |\n")
    file.write("\n")


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else escaped(str(value))
