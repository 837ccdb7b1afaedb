"""The messages to owners as pages show them: an example of a template, and what to send by hand."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from members.models import Group
from members.operations.models import Operation, Step
from members.operations.states import OperationState, StepState
from members.platforms.types import Administrator
from telegram_ops.administrators import people_of
from telegram_ops.ownership import author_of, groups_without_rights
from telegram_ops.ownership_models import GroupAdministrators
from telegram_ops.ownership_plans import Topic, called, topics_of, whom_to_ask
from telegram_ops.ownership_requests import asked_before
from telegram_ops.ownership_texts import NamedGroup, Template, filled

MOST_GROUPS = 5
"""Of an example."""
NOBODY = "Olga Example"
"""Who an example is written to while nobody has read who runs the groups."""


@dataclass(frozen=True, slots=True)
class Example:
    """A template, filled in with what we know."""

    text: str
    person: str
    """Whom it would be written to; "" where that is invented."""


@dataclass(frozen=True, slots=True)
class Message:
    """A planned message, and whether somebody may say that they have sent it."""

    step: Step
    topics: tuple[Topic, ...]
    noted: bool
    """Whether all its groups are in the tracker."""
    sendable: bool

    @property
    def text(self) -> str:
        text: str = self.step.arguments["text"]
        return text

    @property
    def username(self) -> str:
        username: str = self.step.arguments["username"]
        return username


def example_of(template: Template) -> Example:
    """The message to whoever runs most of the groups in which we are no admin. Three queries."""
    author = author_of(template)
    people: dict[str, Administrator] = {}
    groups: dict[str, list[NamedGroup]] = {}
    rows = GroupAdministrators.objects.filter(group__in=groups_without_rights()).select_related("group")
    for row in rows.order_by("group__name"):
        person, why = whom_to_ask(people_of(row))
        if person is not None:
            people[person.user.id] = person
            groups.setdefault(person.user.id, []).append(NamedGroup(row.group.name, not why))
    if groups:
        key = max(groups, key=lambda user_id: len(groups[user_id]))
        name, named = called(people[key]), groups[key]
    else:
        name, named = "", [NamedGroup(group.name, True) for group in _some_groups()]
    text = filled(
        template,
        owner=name or NOBODY,
        groups=named[:MOST_GROUPS],
        account=author.account,
        account_name=author.account_name,
    )
    return Example(text, name)


def messages_of(operation: Operation) -> list[Message]:
    """What an operation writes, in its order. Two queries."""
    asked = asked_before()
    over = OperationState(operation.state).finished or operation.state == OperationState.PLANNED
    found = []
    for step in sorted(operation.steps.all(), key=attrgetter("position")):
        topics = tuple(topics_of(step.arguments))
        last = (asked.get((topic.id, step.user_id)) for topic in topics)
        noted = all(
            each is not None and each.at.isoformat() != topic.asked
            for each, topic in zip(last, topics, strict=True)
        )
        found.append(Message(step, topics, noted, over and not noted and step.state != StepState.DONE))
    return found


def _some_groups() -> list[Group]:
    return list(groups_without_rights().order_by("name")[:MOST_GROUPS])
