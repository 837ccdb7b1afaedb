"""The report of an addition as Markdown: tables that no name can break out of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TextIO

from audits.additions.lines import Line, PersonNamed, count_lines, people_named, read_lines
from audits.additions.summary import facts
from audits.remediation.verification import GroupState, before_and_after
from members.operations.models import Operation
from members.spreadsheet import one_line

_SPECIAL = re.compile(
    r"[\\`*\[\]<>|&~#]|(?<![^\W_])_|_(?![^\W_])|(?<=:)//|(?<=\bwww)\.",
    re.IGNORECASE,
)
"""What begins markup inside a line of CommonMark or of GitHub's flavour: emphasis (no underscore within a
word), code, links, HTML, entities, cells, a heading's end, addresses that become links by themselves."""


def write_markdown(operation: Operation, path: Path) -> None:
    """Write the report of a finished operation to `path`. Streams: memory does not grow with the steps."""
    people = {person.key: person for person in people_named(operation)}
    counts, states = count_lines(operation), before_and_after(operation)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        names = ", ".join(escaped(person.name) for person in people.values() if person.to_be_added)
        _write(file, f"# Members added: {names or 'nobody'}")
        _table(file, ("What", "How it is"), facts(operation, counts, states))
        for key, of_person in groupby(read_lines(operation), key=attrgetter("person")):
            _write(file, f"## {_heading(key, people)}")
            for section, lines in groupby(of_person, key=attrgetter("section")):
                _write(file, f"### {section} ({counts[key, section]})")
                _table(file, _LINE, map(_line, lines))
        _write(file, "## Before and after")
        _table(file, _STATE, map(_state, states))


def escaped(text: str) -> str:
    """The text as plain words inside a line or a table's cell, whatever a name tries to be."""
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", one_line(text))


_LINE = ("Platform", "Group", "Group ID", "Time (UTC)", "Outcome", "Note")
_STATE = ("Platform", "Group", "Group ID", "Before", "After")


def _line(line: Line) -> Sequence[object]:
    group = line.group_name or "All groups"
    return line.platform.label, group, line.group_id, line.at, line.outcome, line.message


def _state(state: GroupState) -> Sequence[object]:
    return state.platform.label, state.name, state.id, state.before, state.after


def _heading(key: str, people: Mapping[str, PersonNamed]) -> str:
    if key not in people:
        return "For everybody"
    person = people[key]
    accounts = "; ".join(
        " ".join(
            [account.platform.label, *([f"@{account.username}"] if account.username else []), account.user_id]
        )
        for account in person.accounts
    )
    return escaped(f"{person.name} ({person.key}{'; ' if accounts else ''}{accounts})")


def _table(file: TextIO, titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    file.writelines(f"{line}\n" for line in lines)
    for row in rows:
        file.write(f"| {' | '.join(map(_cell, row))} |\n")
    file.write("\n")


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else escaped(str(value))


def _write(file: TextIO, line: str) -> None:
    file.write(f"{line}\n\n")
