"""Adding people to groups and taking them out: the engine's first executor, the same on both platforms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from members.operations.people import NO_PERSON, PeopleBook
from members.operations.plan import PlannedStep
from members.platforms.errors import Refused
from members.platforms.outcomes import Outcome
from members.platforms.types import PlatformGroup
from members.platforms.writing import PlatformWriter, Reply

ADD = "add"
REMOVE = "remove"

NO_GROUP = Reply(
    Outcome.GROUP_NOT_FOUND, "The account does not see this group any more: look whether it still exists."
)
BECAME_SUPERGROUP = Reply(
    Outcome.GROUP_NOT_FOUND, "The group has become a supergroup: run an audit, then plan again."
)


class MembershipExecutor:
    """Reads by person, as an audit does: the cost grows with people, not with groups."""

    def __init__(
        self, writer: PlatformWriter, groups: Mapping[str, PlatformGroup], people: PeopleBook
    ) -> None:
        self._writer = writer
        self._groups = groups
        self._people = people

    async def fulfilled(self, steps: Sequence[PlannedStep], *, thorough: bool) -> Sequence[bool | None]:
        await self._people.find(steps)
        groups_of = await self._people.groups_of_all(steps)
        present: list[bool | None] = []
        for step in steps:
            known = groups_of[step.target.user_id]
            present.append(None if known is None else step.target.group_id in known)
        ask_twice = thorough or any(step.verb == REMOVE for step in steps)
        doubtful = [
            at for at, is_there in enumerate(present) if not is_there and (ask_twice or is_there is None)
        ]
        asked = await asyncio.gather(*(self._ask_group(steps[at]) for at in doubtful))
        for at, answer in zip(doubtful, asked, strict=True):
            present[at] = answer
        return [
            is_there if is_there is None or step.verb == ADD else not is_there
            for step, is_there in zip(steps, present, strict=True)
        ]

    async def apply(self, batch: Sequence[PlannedStep]) -> Sequence[Reply]:
        await self._people.find(batch)
        group = self._groups.get(batch[0].target.group_id)
        if group is None:
            return [NO_GROUP] * len(batch)
        if group.superseded_by is not None:
            return [BECAME_SUPERGROUP] * len(batch)
        users = [user for step in batch if (user := self._people.get(step.target.user_id)) is not None]
        if not users:
            return [NO_PERSON] * len(batch)
        if batch[0].verb == REMOVE:
            return [await self._writer.remove(group, users[0])]
        replies = await self._writer.invite(group, users)
        return [replies.get(step.target.user_id, NO_PERSON) for step in batch]

    async def _ask_group(self, step: PlannedStep) -> bool | None:
        """Whether the person is in it by the group's own word; None when that cannot be asked."""
        group, user = self._groups.get(step.target.group_id), self._people.get(step.target.user_id)
        if group is None or user is None:
            return None
        try:
            return await self._writer.is_member(group, user)
        except Refused:
            return None
