"""Where our account lacks a right, what waits for it, and who could give it.

What the account may do is read by every audit, from the listing of the groups. On Slack there are no such
rights: whoever is in a channel may do what their workspace lets them, and whoever is not may only look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add, or_
from typing import Any

from django.db import models
from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce

from audits.lifecycle import State
from members.dates import day_in_words
from members.models import Group
from members.platforms.types import Platform
from members.policy import FindingKind
from telegram_ops.ownership_models import OPEN, OwnershipRequest, RequestState


@dataclass(frozen=True, slots=True)
class Right:
    """Something that our account may do in a group, or may not."""

    field: str
    """Of `Group`."""
    words: str
    kind: FindingKind
    """The findings that nobody mends without it."""
    one: str
    many: str
    """What waits for it, with the number."""

    def of(self, count: int) -> str:
        """So many findings, in words."""
        return self.one if count == 1 else self.many.format(count)

    @property
    def waiting(self) -> str:
        """The annotation with the number of open findings that wait for it."""
        return f"waiting_{self.field}"

    def lacked(self, prefix: str = "") -> Q:
        """The groups without it, and those that our account does not see at all."""
        return Q(**{f"{prefix}visible": False}) | Q(**{f"{prefix}{self.field}": False})


RIGHTS = (
    Right("may_invite", "add people", FindingKind.MISSING_REQUIRED, "1 person to add", "{:,} people to add"),
    Right(
        "may_remove",
        "remove people",
        FindingKind.DEPARTED_MEMBER_PRESENT,
        "1 person to remove",
        "{:,} people to remove",
    ),
    Right("may_rename", "rename", FindingKind.DEPRECATED_NAME, "a new name", "{:,} new names"),
)


def lacking(group: Group) -> tuple[Right, ...]:
    """The rights that our account lacks there; all of them where it does not see the group."""
    return tuple(right for right in RIGHTS if not (group.visible and getattr(group, right.field)))


def waiting_in(group: Any) -> Iterator[tuple[Right, int]]:
    """What cannot be done there for want of a right: the right, and how many findings wait for it."""
    for right in lacking(group):
        if count := getattr(group, right.waiting):
            yield right, count


def beyond_us() -> Q:
    """The findings that our account cannot mend, for want of a right."""
    return reduce(or_, (Q(kind=right.kind) & right.lacked("group__") for right in RIGHTS))


def mendable() -> Q:
    """The findings of the same kinds that it can mend, as far as the rights tell."""
    return Q(kind__in=[right.kind for right in RIGHTS]) & ~beyond_us()


def why_beyond_us(kind: str, group: Group | None) -> str:
    """Why our account cannot mend a finding of this kind there: one sentence; "" where it can."""
    right = next((right for right in lacking(group) if right.kind == kind), None) if group else None
    if right is None or group is None:
        return ""
    return f"Our account may not {right.words} there." if group.visible else "Our account does not see it."


def way_on(group: Any) -> str:
    """What somebody has to do about it."""
    if not group.visible:
        return "Have our account let in"
    if group.platform == Platform.SLACK:
        if group.joined:
            return "Slack lets nobody out of the workspace's general channel"
        return "Have our account added to the channel"
    if group.asked_state in OPEN:
        return f"Asked on {day_in_words(group.asked_at)}: wait, or remind them"
    if group.asked_state == RequestState.REFUSED:
        return f"Asked on {day_in_words(group.asked_at)}, and refused"
    return "Ask the owner"


class PowerlessGroups(models.Manager[Any]):
    """The groups in scope where our account lacks a right, with what waits for it.

    `blocked` is how many open findings wait for a right that is lacking; `asked_state` and `asked_at` are of
    the ownership request that was written last.
    """

    def get_queryset(self) -> QuerySet[Any]:
        requests = OwnershipRequest.objects.filter(group=OuterRef("pk")).order_by("-requested_at")
        asked = requests.annotate(at=Coalesce("reminded_at", "requested_at"))
        # Counted in an index, group by group: joined, the findings of all groups would be sorted.
        findings = self.model._meta.get_field("findings").related_model._default_manager
        opened = findings.filter(group=OuterRef("pk"), state=State.OPEN).order_by().values("group")
        waiting = {
            right.waiting: Coalesce(
                Subquery(opened.filter(kind=right.kind).annotate(count=Count("pk")).values("count")), 0
            )
            for right in RIGHTS
        }
        blocked = [Case(When(right.lacked(), then=F(right.waiting)), default=0) for right in RIGHTS]
        lacks_something = reduce(or_, (right.lacked() for right in RIGHTS))
        return (
            super()
            .get_queryset()
            .filter(lacks_something, in_scope=True, archived=False)
            .annotate(
                **waiting,
                asked_state=Subquery(asked.values("state")[:1]),
                asked_at=Subquery(asked.values("at")[:1]),
            )
            .annotate(blocked=reduce(add, blocked))
        )
