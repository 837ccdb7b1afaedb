"""Whom to ask for which groups, and in which words: one message to each person. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from members.dates import day_in_words
from members.operations.messages import message_step
from members.operations.plan import Plan, PlannedStep, Skipped, Target
from members.platforms.types import Administrator, AdminStatus, Platform, Role
from telegram_ops.ownership_texts import NamedGroup, Template, filled, fits

KIND = "request_ownership"

Pair = tuple[str, str]
"""Group id and user id."""


class WhyNot(StrEnum):
    """Why nobody is written to because of a group, for programs."""

    OURS = "ours"
    UNSEEN = "unseen"
    UNREAD = "unread"
    NOBODY = "nobody"
    """Nobody who could be asked is shown."""
    ASKED = "asked"
    REFUSED = "refused"
    NOT_ASKED = "not_asked"
    """A reminder, of what was never asked."""
    TOO_EARLY = "too_early"
    UNDER_WAY = "under_way"
    FULL = "full"
    NO_SUCH_GROUP = "no_such_group"


@dataclass(frozen=True, slots=True)
class OwnershipSelection:
    """Which groups to ask for, and how. Without any group: all in scope where our account is no admin."""

    groups: tuple[str, ...] = ()
    """Telegram's ids."""
    names: tuple[str, ...] = ()
    """Names or ids, as somebody wrote them down."""
    template: str = ""
    """A template's key; "" for the usual one."""
    remind: bool = False
    """Only those who have been asked before, and long enough ago."""

    def as_parameters(self) -> dict[str, Any]:
        """JSON types; what is empty is left out."""
        values = {
            "groups": list(self.groups),
            "names": list(self.names),
            "template": self.template,
            "remind": self.remind,
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The selection that `as_parameters` was made of."""
        return cls(
            groups=tuple(parameters.get("groups", ())),
            names=tuple(parameters.get("names", ())),
            template=parameters.get("template", ""),
            remind=parameters.get("remind", False),
        )


@dataclass(frozen=True, slots=True)
class GroupToAsk:
    """A group as audits last saw it, and who runs it."""

    id: str
    name: str
    status: AdminStatus
    visible: bool = True
    people: tuple[Administrator, ...] | None = None
    """Who runs it, without ourselves; None where that was not read."""
    trouble: str = ""
    """Why it was not: one sentence."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What has become of a request so far."""

    at: datetime
    """When somebody was last written to."""
    open: bool
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Author:
    """In whose name it is written, with what, and how long we wait for an answer."""

    template: Template
    account: str
    account_name: str
    now: datetime
    remind_after: timedelta


@dataclass(frozen=True, slots=True)
class Topic:
    """A group that a message is about, as its step keeps it."""

    id: str
    name: str
    theirs: bool
    status: AdminStatus
    """What our account was there."""
    asked: str
    """When they had last been asked for it; "" when never."""
    why: str = ""
    """Why not the owner is asked."""

    def as_words(self) -> dict[str, Any]:
        """JSON types; `of` leads back."""
        return {
            "id": self.id,
            "name": self.name,
            "theirs": self.theirs,
            "status": str(self.status),
            "asked": self.asked,
            "why": self.why,
        }


def topics_of(arguments: Mapping[str, Any]) -> list[Topic]:
    """The groups that a step is about."""
    return [Topic(**{**words, "status": AdminStatus(words["status"])}) for words in arguments["groups"]]


def whom_to_ask(people: Sequence[Administrator]) -> tuple[Administrator | None, str]:
    """The owner; where they cannot be reached, the admin of longest standing who may add others.

    And why it is not the owner: one sentence.
    """
    owner = next((each for each in people if each.role is Role.OWNER), None)
    trouble = _out_of_reach(owner)
    if not trouble:
        return owner, ""
    helpers = [each for each in people if each.may_add_admins and each.role is Role.ADMIN]
    reachable = [each for each in helpers if not _out_of_reach(each)]
    if not reachable:
        return None, f"{trouble} No admin is shown there who may add admins: ask in the group itself."
    return min(reachable, key=_seniority), trouble


def draw_up(
    groups: Iterable[GroupToAsk],
    asked: Mapping[Pair, Asked],
    under_way: Mapping[Pair, int],
    author: Author,
    *,
    selection: OwnershipSelection,
    skipped: Iterable[Skipped] = (),
) -> Plan:
    """A message to each person who runs groups that should be ours; of the other groups, the reason.

    `under_way` are the pairs of operations that have begun, with their numbers.
    """
    left_out = list(skipped)
    topics: dict[str, list[Topic]] = defaultdict(list)
    people: dict[str, Administrator] = {}
    chosen = sorted(groups, key=lambda group: (group.name.casefold(), group.id))
    for group in chosen:
        code, reason = _of_group(group)
        person, why = (None, "") if code else whom_to_ask(group.people or ())
        if person is None:
            left_out.append(Skipped(_target(group), reason or why, code or WhyNot.NOBODY))
            continue
        pair = group.id, person.user.id
        code, reason = _of_pair(person, asked.get(pair), under_way.get(pair), author, selection.remind)
        if code:
            left_out.append(Skipped(_target(group, person), reason, code))
            continue
        people[person.user.id] = person
        last = asked.get(pair)
        topics[person.user.id].append(
            Topic(
                group.id,
                group.name,
                person.role is Role.OWNER,
                group.status,
                last.at.isoformat() if last else "",
                why,
            )
        )
    steps = []
    for user_id in sorted(topics, key=lambda key: (people[key].user.name.casefold(), key)):
        step, rest = _letter(people[user_id], topics[user_id], author, remind=selection.remind)
        steps += step
        left_out += rest
    return Plan(KIND, tuple(steps), tuple(left_out), parameters=selection.as_parameters(), reach=len(steps))


def _of_group(group: GroupToAsk) -> tuple[WhyNot | None, str]:
    if group.status is AdminStatus.OWNER:
        return WhyNot.OURS, "Our account owns the group already."
    if not group.visible:
        return WhyNot.UNSEEN, "Our account does not see the group: it has to be let in first."
    if group.people is None:
        return WhyNot.UNREAD, group.trouble or "Nobody has read yet who runs it: look at a new plan."
    return None, ""


def _of_pair(
    person: Administrator, last: Asked | None, operation: int | None, author: Author, remind: bool
) -> tuple[WhyNot | None, str]:
    """Never twice to the same person for the same group, unless it is a reminder that is due."""
    name = called(person)
    if operation is not None:
        return WhyNot.UNDER_WAY, f"Operation {operation} is writing to {name} about it."
    if last is None:
        return (
            (WhyNot.NOT_ASKED, f"{name} was never asked for it: request it first.") if remind else (None, "")
        )
    day = f"{day_in_words(last.at)}"
    if last.refused:
        return WhyNot.REFUSED, f"{name} was asked and refused, as is noted under Ownership requests."
    due = last.at + author.remind_after
    if not last.open:
        return WhyNot.ASKED, f"{name} was asked on {day}, and did it then."
    if due > author.now:
        code = WhyNot.TOO_EARLY if remind else WhyNot.ASKED
        return code, f"{name} was asked on {day}: a reminder is possible from {day_in_words(due)} on."
    if not remind:
        return WhyNot.ASKED, f"{name} was asked on {day}: remind them."
    return None, ""


def _letter(
    person: Administrator, topics: Sequence[Topic], author: Author, *, remind: bool
) -> tuple[list[PlannedStep], list[Skipped]]:
    """One message with as many groups as find room, and what is left of them."""
    inside: list[Topic] = []
    for topic in topics:
        if fits(_text(person, [*inside, topic], author)):
            inside.append(topic)
    full = "There is no room in the message for more groups: plan again when it is sent."
    target = Target(Platform.TELEGRAM, "", "", person.user.id, called(person), person.user.id)
    rest = [
        Skipped(replace(target, group_id=topic.id, group_name=topic.name), full, WhyNot.FULL)
        for topic in topics
        if topic not in inside
    ]
    if not inside:
        return [], rest
    midnight = author.now.replace(hour=0, minute=0, second=0, microsecond=0)
    step = message_step(
        target,
        _text(person, inside, author),
        since=midnight if remind else midnight - author.remind_after,
        groups=[topic.as_words() for topic in inside],
        username=person.user.username or "",
        remind=remind,
    )
    return [step], rest


def _text(person: Administrator, topics: Iterable[Topic], author: Author) -> str:
    return filled(
        author.template,
        owner=person.user.name or called(person),
        groups=[NamedGroup(topic.name, topic.theirs) for topic in topics],
        account=author.account,
        account_name=author.account_name,
    )


def called(person: Administrator) -> str:
    """A name, or what has to do for one."""
    return person.user.name or (f"@{person.user.username}" if person.user.username else person.user.id)


def _target(group: GroupToAsk, person: Administrator | None = None) -> Target:
    if person is None:
        return Target(Platform.TELEGRAM, group.id, group.name)
    return Target(Platform.TELEGRAM, group.id, group.name, person.user.id, called(person), person.user.id)


def _out_of_reach(person: Administrator | None) -> str:
    if person is None:
        return "The group shows no owner: they stay anonymous, or their account is gone."
    if not person.user.active:
        return "The owner's account was deleted."
    if person.user.is_bot:
        return "A bot runs it."
    return ""


def _seniority(person: Administrator) -> tuple[bool, float, str]:
    since = person.since.timestamp() if person.since is not None else 0.0
    return person.since is None, since, person.user.id


_RANKS = {AdminStatus.ADMIN: 1, AdminStatus.ADMIN_CAN_RENAME: 2, AdminStatus.OWNER: 3}


def may_more(now: AdminStatus, before: AdminStatus) -> bool:
    """Whether our account may do more in a group than it could when somebody was asked for it."""
    return _RANKS.get(now, 0) > _RANKS.get(before, 0)
