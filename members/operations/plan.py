"""What shall be done, before anybody does it: plans, their hash, and the caps. Pure.

A plan is data. Its hash covers every step in its order, so that a confirmation says exactly
what was confirmed; what is skipped is shown, but changes nothing and is not covered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from members.platforms.types import Platform


@dataclass(frozen=True, slots=True)
class Target:
    """One group, and one person in it where the step concerns a person; ids decide, names describe."""

    platform: Platform
    group_id: str
    group_name: str
    subject: str = ""
    """The employee's key, or the platform's user id for strangers; "" for the group itself."""
    subject_name: str = ""
    user_id: str = ""

    @property
    def person(self) -> tuple[str, ...]:
        """Who is meant: an employee is one person on all platforms, a stranger on each another one."""
        if self.subject not in ("", self.user_id):
            return (self.subject,)
        return self.platform, self.user_id

    @property
    def only_a_name(self) -> bool:
        """Whether it is a name that somebody wrote down and that leads to no one group: of no platform."""
        return bool(self.group_name) and not (self.group_id or self.subject)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One write on one target. `arguments` are what the verb needs beyond the target, in JSON types."""

    verb: str
    target: Target
    arguments: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Of a step that was done: how the target was afterwards, where the platform told it. Not planned."""
    connection: str | None = field(default=None, compare=False)
    """Through which of our workspaces or accounts; None for the one through which its group is reached."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was looked at and is not to be done, and why: one sentence."""

    target: Target
    reason: str
    code: str = ""
    """The same for programs, where the planner says so; "" elsewhere."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps that are confirmed together, or not at all."""

    kind: str
    steps: tuple[PlannedStep, ...]
    skipped: tuple[Skipped, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for, in JSON types: enough to plan the same again."""
    reach: int = 0
    """How many targets a plan of this kind could have had at most: what a share is a share of."""

    @property
    def count(self) -> int:
        return len(self.steps)

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms that are written to."""
        touched = {step.target.platform for step in self.steps}
        return tuple(platform for platform in Platform if platform in touched)

    @property
    def hash(self) -> str:
        """Sixteen hex digits that change with the kind and with any step."""
        lines: list[Any] = [self.kind]
        for step in self.steps:
            target = step.target
            lines.append(
                [
                    step.verb,
                    target.platform,
                    target.group_id,
                    target.subject,
                    target.user_id,
                    dict(step.arguments),
                ]
            )
        text = json.dumps(lines, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Unit(StrEnum):
    """What a cap counts."""

    PEOPLE = "people"
    GROUPS = "groups"
    STEPS = "steps"


@dataclass(frozen=True, slots=True)
class Cap:
    """How large a plan of a kind may be without somebody who overrides it; None stands for no limit."""

    unit: Unit = Unit.STEPS
    count: int | None = None
    share: float | None = None
    """Of the targets that such a plan could have had (`Plan.reach`), 0–1."""

    def exceeded_by(self, plan: Plan) -> str:
        """Why `plan` is too large: one sentence; "" when it is not."""
        size = self._size(plan.steps)
        if self.count is not None and size > self.count:
            return f"{size} {self.unit} are more than the {self.count} allowed at once."
        if self.share is not None and plan.reach and size > self.share * plan.reach:
            return f"{size} of {plan.reach} {self.unit} are more than the {self.share:.0%} allowed at once."
        return ""

    def _size(self, steps: Sequence[PlannedStep]) -> int:
        match self.unit:
            case Unit.PEOPLE:
                return len({step.target.person for step in steps})
            case Unit.GROUPS:
                return len({(step.target.platform, step.target.group_id) for step in steps})
            case Unit.STEPS:
                return len(steps)


def batches(steps: Sequence[PlannedStep], size: int) -> list[tuple[PlannedStep, ...]]:
    """Neighbouring steps that one API call can cover: the same verb, group and arguments, at most `size`."""
    grouped: list[list[PlannedStep]] = []
    for step in steps:
        last = grouped[-1] if grouped else None
        if last is not None and len(last) < size and _same_call(last[0], step):
            last.append(step)
        else:
            grouped.append([step])
    return [tuple(group) for group in grouped]


def _same_call(one: PlannedStep, other: PlannedStep) -> bool:
    return (
        one.verb == other.verb
        and one.target.platform is other.target.platform
        and one.target.group_id == other.target.group_id
        and dict(one.arguments) == dict(other.arguments)
    )
