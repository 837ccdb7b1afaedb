"""Adding people to groups and taking them out: the engine's first executor, the same on both platforms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from members.operations.connections import Account
from members.operations.kinds import Executor
from members.operations.people import NO_PERSON, PeopleBook
from members.operations.plan import PlannedStep
from members.platforms.base import CallMeter
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


class MembershipConnection:
    """From an account to the executor; one invitation covers as many people as the platform allows."""

    def __init__(
        self, account: Account, *, batch_size: int, usernames: Mapping[str, str] | None = None
    ) -> None:
        """`usernames` are those known of people, by their id: a way to whom the account never met."""
        self.batch_size = batch_size
        self._account = account
        self._usernames = usernames or {}

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[Executor]:
        return self._opened(meter)

    def keep_books(self) -> None:
        self._account.keep_books()

    @asynccontextmanager
    async def _opened(self, meter: CallMeter) -> AsyncGenerator[Executor, None]:
        async with self._account.open(meter) as writer:
            groups = {group.id: group async for page in writer.groups() for group in page}
            yield MembershipExecutor(writer, groups, PeopleBook(writer, self._usernames))


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
        user_ids = list(dict.fromkeys(step.target.user_id for step in steps))
        lists = await asyncio.gather(*(self._groups_of(user_id) for user_id in user_ids))
        groups_of = dict(zip(user_ids, lists, strict=True))
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

    async def _groups_of(self, user_id: str) -> set[str] | None:
        """The groups that the person's own list shows; None when it cannot be read."""
        user = self._people.get(user_id)
        if user is None:
            return None
        try:
            return {group.id async for page in self._writer.groups_of(user) for group in page}
        except Refused:
            return None

    async def _ask_group(self, step: PlannedStep) -> bool | None:
        """Whether the person is in it by the group's own word; None when that cannot be asked."""
        group, user = self._groups.get(step.target.group_id), self._people.get(step.target.user_id)
        if group is None or user is None:
            return None
        try:
            return await self._writer.is_member(group, user)
        except Refused:
            return None
