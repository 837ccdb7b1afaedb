"""Taking people out of Telegram groups, and letting them back in: each looked at right before the call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from members.operations.membership import ADD, BECAME_SUPERGROUP, NO_GROUP
from members.operations.people import NO_PERSON, PeopleBook
from members.operations.plan import PlannedStep
from members.platforms import adapters
from members.platforms.errors import Refused
from members.platforms.outcomes import Outcome, Reply
from members.platforms.telegram_outcomes import reply_to
from members.platforms.types import GroupKind, PlatformGroup, PlatformUser, Role, Standing
from members.platforms.writing import PlatformWriter
from telegram_ops.removal_plans import BAN, UNBAN

HAD_LEFT = "had_left"
"""In the `after` of a ban: they had left by themselves, so that nobody invites them when it is lifted."""

_GONE = Reply(Outcome.ALREADY_GONE)
_BANNED = Reply(Outcome.DONE, "Banned: nobody can add them before the ban is lifted.")
_BANNED_LATER = Reply(
    Outcome.DONE,
    "Banned, though they had left: nobody can add them before the ban is lifted.",
    after={HAD_LEFT: "yes"},
)
_NOT_BANNED = Reply(
    Outcome.REFUSED,
    "Telegram bans nobody there who is not in the group: ban them in the Telegram app, or try again later.",
)
_NOW_OWNER = Reply(Outcome.CHANGED_MEANWHILE, "They own the group by now, and nobody can remove an owner.")
_NOW_ADMIN = Reply(
    Outcome.CHANGED_MEANWHILE,
    "Is an admin there, which the plan did not speak of: plan again, and say that admins are meant too.",
)


class RemovalExecutor:
    """Removes, bans, and lets back in. Reads by person, and asks the group where their list shows no sign."""

    def __init__(
        self, writer: PlatformWriter, groups: Mapping[str, PlatformGroup], people: PeopleBook
    ) -> None:
        if not isinstance(writer, adapters.telegram_writer.TelegramWriter):
            raise TypeError("Only Telegram knows bans.")
        self._writer = writer
        self._groups = groups
        self._people = people

    async def fulfilled(self, steps: Sequence[PlannedStep], *, thorough: bool) -> Sequence[bool | None]:
        """A ban is fulfilled when the group says so; being gone is not enough."""
        await self._people.find(steps)
        groups_of = await self._people.groups_of_all(steps)
        listed = [step.target.group_id in (groups_of[step.target.user_id] or ()) for step in steps]
        return await asyncio.gather(*map(self._is_so, steps, listed))

    async def apply(self, batch: Sequence[PlannedStep]) -> Sequence[Reply]:
        (step,) = batch
        await self._people.find(batch)
        group, user = self._groups.get(step.target.group_id), self._people.get(step.target.user_id)
        if group is None:
            return [NO_GROUP]
        if group.superseded_by is not None:
            return [BECAME_SUPERGROUP]
        if user is None:
            return [NO_PERSON]
        try:
            standing = await self._writer.standing(group, user)
        except Refused as error:
            return [reply_to(error)]
        if step.verb == ADD:
            return [await self._let_back(group, user, standing)]
        if step.verb == UNBAN:
            return [await self._unban(group, user, standing)]
        return [_why_not_now(step, standing) or await self._take_out(step, group, user, standing)]

    async def _take_out(
        self, step: PlannedStep, group: PlatformGroup, user: PlatformUser, standing: Standing
    ) -> Reply:
        if step.verb != BAN:
            return await self._writer.kick(group, user) if standing.present else _GONE
        if standing.role is Role.BANNED:
            return _GONE
        banned = await self._writer.ban(group, user)
        if banned.outcome is Outcome.ALREADY_GONE:
            return _NOT_BANNED
        if banned.outcome is not Outcome.DONE:
            return banned
        return _BANNED if standing.present else _BANNED_LATER

    async def _unban(self, group: PlatformGroup, user: PlatformUser, standing: Standing) -> Reply:
        if standing.role is not Role.BANNED:
            return Reply(Outcome.ALREADY_THERE)
        return await self._writer.unban(group, user)

    async def _let_back(self, group: PlatformGroup, user: PlatformUser, standing: Standing) -> Reply:
        """Who is banned cannot be invited."""
        if standing.present:
            return Reply(Outcome.ALREADY_THERE)
        if group.kind is GroupKind.SUPERGROUP and standing.role is Role.BANNED:
            freed = await self._writer.unban(group, user)
            if not freed.success:
                return freed
        replies = await self._writer.invite(group, [user])
        return replies.get(user.id, NO_PERSON)

    async def _is_so(self, step: PlannedStep, listed: bool) -> bool | None:
        """Whether it is as the step wants it; None when nobody can tell."""
        if listed:
            return step.verb in (ADD, UNBAN)
        group, user = self._groups.get(step.target.group_id), self._people.get(step.target.user_id)
        if group is None or user is None:
            return None
        try:
            standing = await self._writer.standing(group, user)
        except Refused:
            return None
        if step.verb in (BAN, UNBAN):
            return (standing.role is Role.BANNED) == (step.verb == BAN)
        return standing.present == (step.verb == ADD)


def _why_not_now(step: PlannedStep, standing: Standing) -> Reply | None:
    """What became of them since the plan was made, and speaks against it."""
    if standing.role is Role.OWNER:
        return _NOW_OWNER
    if standing.role is Role.ADMIN and not step.arguments.get("include_admins"):
        return _NOW_ADMIN
    return None
