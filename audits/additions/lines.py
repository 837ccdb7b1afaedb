"""What the report of an addition says, line by line: who was added where, who was there, what went wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from django.db.models import Case, CharField, Count, F, Min, Value, When, Window

from audits.remediation.draft import ALREADY_THERE
from audits.remediation.invitations import links_sent_after
from members.dates import moment_in_words
from members.models import Employee
from members.operations.display import step_label
from members.operations.models import Operation
from members.operations.plan import Skipped
from members.operations.services import skipped_of
from members.operations.states import StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform


class Section(StrEnum):
    """What became of somebody in a group, in the order of the report."""

    ADDED = "Added to"
    ALREADY = "Already in"
    TROUBLE = "Errors and permission issues"
    NOT_TRIED = "Not tried"
    LEFT_OUT = "Left out, and why"


@dataclass(frozen=True, slots=True)
class Line:
    """One person in one group. Without a person it is about everybody; without a group, about all groups."""

    section: Section
    platform: Platform | None
    """None for a name that nobody knows."""
    person: str
    person_name: str
    user_id: str
    group_id: str
    group_name: str
    outcome: str
    """In a few words."""
    message: str
    at: datetime
    """When it was done, or found to be so."""

    @property
    def platform_label(self) -> str:
        return self.platform.label if self.platform is not None else ""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody's account on one platform, as the operation knew it."""

    platform: Platform
    user_id: str
    username: str = ""


@dataclass(frozen=True, slots=True)
class PersonNamed:
    """Somebody whom the plan speaks of."""

    key: str
    name: str
    accounts: tuple[Account, ...]
    to_be_added: bool
    """Whether the plan had a step for them; of the others it says why not."""

    @property
    def username(self) -> str:
        """What people call them: the first username, or the key."""
        return next((account.username for account in self.accounts if account.username), self.key)


_SECTION = Case(
    When(state__in=(StepState.DONE, StepState.APPLIED), then=Value(Section.ADDED)),
    When(state=StepState.SKIPPED, outcome=Outcome.ALREADY_THERE, then=Value(Section.ALREADY)),
    When(state=StepState.SKIPPED, then=Value(Section.LEFT_OUT)),
    When(state=StepState.FAILED, then=Value(Section.TROUBLE)),
    default=Value(Section.NOT_TRIED),
    output_field=CharField(),
)
_SECTION_AT = Case(*(When(section=section, then=Value(at)) for at, section in enumerate(Section)))
_PERSON_AT = Window(Min("position"), partition_by=[F("subject")])


def read_lines(operation: Operation) -> Iterator[Line]:
    """Every step and everything left out: person by person, section by section. One query; it streams."""
    left_out = _skipped_lines(operation)
    for person, steps in groupby(_step_lines(operation), key=lambda line: line.person):
        yield from _in_sections(steps, left_out.pop(person, {}))
    for sections in left_out.values():
        yield from _in_sections((), sections)


def count_lines(operation: Operation) -> Counter[tuple[str, Section]]:
    """How many lines of each person (by key) are in each section."""
    steps = operation.steps.order_by().annotate(section=_SECTION)
    rows = steps.values_list("subject", "section").annotate(Count("pk"))
    counts = Counter({(subject, Section(section)): count for subject, section, count in rows})
    for skipped in skipped_of(operation):
        counts[skipped.target.subject, _section_of(skipped)] += 1
    return counts


def people_named(operation: Operation) -> list[PersonNamed]:
    """Those whom the plan speaks of, in the order of its steps, with their usernames of today."""
    names: dict[str, str] = {}
    accounts: dict[str, dict[Platform, str]] = defaultdict(dict)
    steps = operation.steps.order_by().values("subject", "subject_name", "platform", "user_id")
    for row in steps.annotate(first=Min("position")).order_by("first"):
        names.setdefault(row["subject"], row["subject_name"])
        accounts[row["subject"]][Platform(row["platform"])] = row["user_id"]
    planned = set(names)
    for skipped in skipped_of(operation):
        target = skipped.target
        if target.subject:
            names.setdefault(target.subject, target.subject_name)
            if target.user_id:
                accounts[target.subject].setdefault(target.platform, target.user_id)
    employees = {row.key: row for row in Employee.objects.filter(key__in=names)}
    return [
        PersonNamed(key, name, tuple(_accounts(accounts[key], employees.get(key))), key in planned)
        for key, name in names.items()
    ]


def _accounts(user_ids: Mapping[Platform, str], employee: Employee | None) -> Iterator[Account]:
    for platform in Platform:
        if platform in user_ids:
            known = str(getattr(employee, f"{platform}_user_id", None) or "") == user_ids[platform]
            username = getattr(employee, f"{platform}_username") if known else ""
            yield Account(platform, user_ids[platform], username)


def _step_lines(operation: Operation) -> Iterator[Line]:
    """By person, in the order in which they first occur, then by section and position."""
    links = links_sent_after(operation)
    steps = operation.steps.annotate(section=_SECTION).annotate(section_at=_SECTION_AT, person_at=_PERSON_AT)
    for step in steps.order_by("person_at", "section_at", "position").iterator(chunk_size=1000):
        yield Line(
            section=Section(step.section),
            platform=Platform(step.platform),
            person=step.subject,
            person_name=step.subject_name,
            user_id=step.user_id,
            group_id=step.group_id,
            group_name=step.group_name,
            outcome=step_label(operation.kind, step.state, step.outcome),
            message=_with_link(step.message, links.get((step.platform, step.user_id, step.group_id))),
            at=step.finished_at or operation.finished_at or operation.planned_at,
        )


def _with_link(message: str, sent_at: datetime | None) -> str:
    return message if sent_at is None else f"{message}. Was sent one at {moment_in_words(sent_at)}."


def _skipped_lines(operation: Operation) -> dict[str, dict[Section, list[Line]]]:
    """What the plan left out, by person and section."""
    lines: dict[str, dict[Section, list[Line]]] = {}
    for skipped in skipped_of(operation):
        target, section = skipped.target, _section_of(skipped)
        line = Line(
            section=section,
            platform=None if target.only_a_name else target.platform,
            person=target.subject,
            person_name=target.subject_name,
            user_id=target.user_id,
            group_id=target.group_id,
            group_name=target.group_name,
            outcome="Already there" if section is Section.ALREADY else "Left out",
            message="" if section is Section.ALREADY else skipped.reason,
            at=operation.planned_at,
        )
        lines.setdefault(target.subject, {}).setdefault(section, []).append(line)
    return lines


def _section_of(skipped: Skipped) -> Section:
    return Section.ALREADY if skipped.reason == ALREADY_THERE else Section.LEFT_OUT


def _in_sections(steps: Iterable[Line], left_out: Mapping[Section, list[Line]]) -> Iterator[Line]:
    """Both kinds of lines of one person, merged by section. `steps` are in the sections' order."""
    sections = groupby(steps, key=lambda line: line.section)
    following = next(sections, None)
    for section in Section:
        if following is not None and following[0] is section:
            yield from following[1]
            following = next(sections, None)
        yield from left_out.get(section, ())
