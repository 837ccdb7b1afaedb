"""Renaming groups: the executor, the same on both platforms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from members.operations.membership import BECAME_SUPERGROUP, NO_GROUP
from members.operations.plan import PlannedStep
from members.platforms.errors import Gone, Refused
from members.platforms.outcomes import Outcome, Reply
from members.platforms.types import PlatformGroup
from members.platforms.writing import PlatformWriter
from telegram_ops.rename_plans import NEW, OLD


class RenameExecutor:
    """Reads names from the list of all groups; the group itself is asked right before its renaming, and
    where the list does not show the new name afterwards."""

    def __init__(self, writer: PlatformWriter, groups: Mapping[str, PlatformGroup]) -> None:
        self._writer = writer
        self._groups = groups
        self._stored: dict[str, str] = {}
        """The names that the platform made of what it was told, by group."""

    async def fulfilled(self, steps: Sequence[PlannedStep], *, thorough: bool) -> Sequence[bool | None]:
        if thorough:
            self._groups = {group.id: group async for page in self._writer.groups() for group in page}
        shown = [self._has_its_name(step, self._groups.get(step.target.group_id)) for step in steps]
        if thorough:
            doubtful = [at for at, is_so in enumerate(shown) if not is_so]
            asked = await asyncio.gather(*(self._ask(steps[at]) for at in doubtful))
            for at, answer in zip(doubtful, asked, strict=True):
                shown[at] = answer
        return shown

    async def apply(self, batch: Sequence[PlannedStep]) -> Sequence[Reply]:
        (step,) = batch
        return [await self._rename(step)]

    async def _rename(self, step: PlannedStep) -> Reply:
        old, new = step.arguments[OLD], step.arguments[NEW]
        known = self._groups.get(step.target.group_id)
        if known is None:
            return NO_GROUP
        try:
            group = await self._writer.group_now(known)
        except Gone:
            return NO_GROUP
        if group.superseded_by is not None:
            return BECAME_SUPERGROUP
        if group.name == new:
            return Reply(Outcome.ALREADY_THERE, "The group has this name already.")
        if group.name != old:
            why = f"Changed meanwhile: it is called “{group.name}” by now. Look at a new plan."
            return Reply(Outcome.CHANGED_MEANWHILE, why)
        reply, stored = await self._writer.rename(group, new)
        if reply.outcome is not Outcome.DONE:
            return reply
        self._stored[group.id] = stored
        note = reply.message or ("" if stored == new else f"It was stored as “{stored}”.")
        return Reply(reply.outcome, note, before={"name": group.name}, after={"name": stored})

    async def _ask(self, step: PlannedStep) -> bool | None:
        """By the group's own word; None when it cannot be asked."""
        known = self._groups.get(step.target.group_id)
        if known is None:
            return None
        try:
            return self._has_its_name(step, await self._writer.group_now(known))
        except Refused:
            return None

    def _has_its_name(self, step: PlannedStep, group: PlatformGroup | None) -> bool | None:
        if group is None:
            return None
        given = step.after.get("name") or self._stored.get(group.id)
        return group.name in (step.arguments[NEW], given)
