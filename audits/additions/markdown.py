"""The report of an addition as Markdown: tables that no name can break out of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from audits.additions.lines import Line, PersonNamed, count_lines, people_named, read_lines
from audits.additions.summary import facts
from audits.remediation.verification import GroupState, before_and_after
from members.markdown import escaped, write_heading, write_table
from members.operations.models import Operation


def write_markdown(operation: Operation, path: Path) -> None:
    """Write the report of a finished operation to `path`. Streams: memory does not grow with the steps."""
    people = {person.key: person for person in people_named(operation)}
    counts, states = count_lines(operation), before_and_after(operation)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        names = ", ".join(escaped(person.name) for person in people.values() if person.to_be_added)
        write_heading(file, f"# Members added: {names or 'nobody'}")
        write_table(file, ("What", "How it is"), facts(operation, counts, states))
        for key, of_person in groupby(read_lines(operation), key=attrgetter("person")):
            write_heading(file, f"## {_heading(key, people)}")
            for section, lines in groupby(of_person, key=attrgetter("section")):
                write_heading(file, f"### {section} ({counts[key, section]})")
                write_table(file, _LINE, map(_line, lines))
        write_heading(file, "## Before and after")
        write_table(file, _STATE, map(_state, states))


_LINE = ("Platform", "Group", "Group ID", "Time (UTC)", "Outcome", "Note")
_STATE = ("Platform", "Group", "Group ID", "Before", "After")


def _line(line: Line) -> Sequence[object]:
    group = line.group_name or "All groups"
    return line.platform_label, group, line.group_id, line.at, line.outcome, line.message


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
