"""Which conversations are kept up to date, and sets of groups that schedules name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from django.db import transaction
from django.utils import timezone

from audits.history.models import Conversation
from members.models import Category, Group
from members.operations import activity
from members.operations.activity import Event

_CATEGORY = "category:"


class WrongSet(Exception):
    """A schedule names no such set of groups: one line that says how to name one."""


@dataclass(frozen=True, slots=True)
class GroupSet:
    """The groups whose conversations are kept up to date, or those of one category that are in scope."""

    category: str = ""
    """Its key; "" for those that are kept."""

    @classmethod
    def named(cls, word: object) -> Self:
        """What `str` of a set gives. Raises WrongSet."""
        if word == "kept":
            return cls()
        if isinstance(word, str) and word.startswith(_CATEGORY):
            key = word.removeprefix(_CATEGORY)
            if Category.objects.filter(key=key).exists():
                return cls(key)
        raise WrongSet(
            f"The schedule names no such groups: {word!r}. Write “kept” or “{_CATEGORY}<its key>”."
        )

    def __str__(self) -> str:
        return f"{_CATEGORY}{self.category}" if self.category else "kept"

    def groups(self) -> list[Group]:
        """Those of now. Archived ones say nothing new, but are there to be exported."""
        if not self.category:
            return list(Group.objects.filter(conversation__kept=True).order_by("platform", "name", "pk"))
        rows = Group.objects.filter(category__key=self.category, in_scope=True)
        return list(rows.order_by("platform", "name", "pk"))


@transaction.atomic
def keep(*, groups: Sequence[Group], kept: bool, actor: str) -> int:
    """Have schedules and live events keep these conversations, or leave them. Returns how many changed."""
    if kept:
        Conversation.objects.bulk_create(
            [Conversation(group=group) for group in groups], ignore_conflicts=True, batch_size=500
        )
    rows = Conversation.objects.filter(group__in=groups, kept=not kept).select_related("group")
    changed = list(rows)
    Conversation.objects.filter(pk__in=[row.pk for row in changed]).update(kept=kept)
    action = "conversation.kept" if kept else "conversation.left"
    activity.record(
        events=[
            Event(
                actor=actor,
                action=action,
                platform=row.group.platform,
                group_id=row.group.external_id,
                group_name=row.group.name,
            )
            for row in changed
        ],
        at=timezone.now(),
    )
    return len(changed)
