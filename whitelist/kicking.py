"""The calls of a sweep and of its undo, one person at a time, through the Telegram account.

A kick is a ban and its end, and both times are kept with the step. Whatever comes in between leaves a ban:
it is lifted when the step is read again, or at last by the next execution, before it does anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

from members.operations.kinds import Executor
from members.operations.plan import PlannedStep
from members.platforms.base import CallMeter
from members.platforms.errors import PlatformError, Refused
from members.platforms.outcomes import Outcome, Reply
from members.platforms.types import Platform, PlatformGroup, PlatformUser, Role, Standing, Wanted
from telegram_ops.gateway import Access
from whitelist.reading import find_community

if TYPE_CHECKING:
    from members.platforms.telegram_writer import TelegramWriter

LET_BACK = "let_back"
PERMISSION_SECONDS = 5.0
"""How long after the last look at the switch a ban may go out; later it is looked at again."""

_NOBODY = Reply(
    Outcome.PERSON_NOT_FOUND, "Telegram shows the account no such member: read the members again, then retry."
)


class CommunityConnection:
    """From the account to the executor of sweeps, or of their undo (`back`)."""

    batch_size = 1

    def __init__(
        self,
        chat_id: int,
        connection: str = "",
        *,
        maybe_banned: Set[str] = frozenset(),
        note_lifted: Callable[[Mapping[str, datetime]], None] = lambda times: None,
        back: bool = False,
    ) -> None:
        """`connection` names a further account; `maybe_banned` are the ids of those of whose kick a ban may
        be left; `note_lifted` is told, at the end, whose was lifted when."""
        self._access = Access(connection)
        self._chat_id = chat_id
        self._maybe_banned = maybe_banned
        self._note_lifted = note_lifted
        self._lifted: dict[str, datetime] = {}
        self._back = back

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[Executor]:
        return self._opened(meter)

    def keep_books(self) -> None:
        self._access.keep_books()
        self._note_lifted(self._lifted)

    @asynccontextmanager
    async def _opened(self, meter: CallMeter) -> AsyncGenerator[Executor, None]:
        async with self._access.writer(meter) as writer:
            group = await find_community(writer, self._chat_id)
            if not group.may_remove:
                raise Refused(
                    f"The Telegram account may not ban anybody from {group.name}: make it an admin there "
                    "with the right to ban users.",
                    code="ban_right_needed",
                )
            if self._maybe_banned:
                for user_id in self._maybe_banned & await writer.banned_from(group):
                    if (await writer.unban(group, PlatformUser(Platform.TELEGRAM, user_id))).success:
                        self._lifted[user_id] = timezone.now()
            yield ReturnExecutor(writer, group) if self._back else KickExecutor(writer, group, self._lifted)


class _Community:
    """The community, and whom of it the account has met on this connection."""

    def __init__(self, writer: TelegramWriter, group: PlatformGroup) -> None:
        self._writer = writer
        self._group = group
        self._met: dict[str, PlatformUser] = {}

    async def _standing(self, step: PlannedStep) -> tuple[PlatformUser, Standing] | None:
        """Who is meant, and what they are there by the community's own word; None when nobody can tell."""
        if step.target.group_id != self._group.id:
            return None
        user = await self._meet(step)
        if user is None:
            return None
        return user, await self._writer.standing(self._group, user)

    async def _meet(self, step: PlannedStep) -> PlatformUser | None:
        wanted = step.target.user_id
        for text in _names(step):
            if wanted not in self._met:
                shown = await self._writer.search_members(self._group, text)
                self._met |= {line.user.id: line.user for line in shown if line.user.id == wanted}
        if wanted not in self._met:
            found = await self._writer.people([Wanted(wanted, step.target.subject_name, id=wanted)])
            self._met |= {user.id: user for user in found if user.id == wanted}
        return self._met.get(wanted)


class KickExecutor(_Community):
    def __init__(
        self,
        writer: TelegramWriter,
        group: PlatformGroup,
        lifted: dict[str, datetime],
    ) -> None:
        """`lifted` takes up whose ban was lifted late, and when."""
        super().__init__(writer, group)
        self._lifted = lifted

    async def fulfilled(self, steps: Sequence[PlannedStep], *, thorough: bool) -> Sequence[bool | None]:
        return [await self._is_gone(step, was_tried=thorough) for step in steps]

    async def apply(self, batch: Sequence[PlannedStep]) -> Sequence[Reply]:
        not_after = asyncio.get_running_loop().time() + PERMISSION_SECONDS
        return [await self._kick(step, not_after) for step in batch]

    async def _is_gone(self, step: PlannedStep, *, was_tried: bool) -> bool | None:
        """Whether they are not there; of whom we tried to kick, what is left of the ban is lifted."""
        try:
            known = await self._standing(step)
        except Refused:
            return None
        if known is None:
            return None
        user, standing = known
        ours = was_tried and standing.role is Role.BANNED
        if ours and (await self._writer.unban(self._group, user)).success:
            self._lifted[user.id] = timezone.now()
        return not standing.present

    async def _kick(self, step: PlannedStep, not_after: float) -> Reply:
        known = await self._standing(step)
        if known is None:
            return _NOBODY
        user, standing = known
        if not standing.present:
            return Reply(Outcome.ALREADY_GONE)
        if why := await self._untouchable(user, standing):
            return Reply(Outcome.CHANGED_MEANWHILE, why)
        times = {"banned_at": timezone.now().isoformat()}
        try:
            reply = await self._writer.kick(self._group, user, not_after=not_after)
        except PlatformError as error:
            error.settled = {who: replace(each, after=times) for who, each in error.settled.items()}
            raise
        if not reply.success:
            return reply
        if not reply.message:  # else the ban could not be lifted, which the message tells
            times["unbanned_at"] = timezone.now().isoformat()
        return replace(reply, after=times)

    async def _untouchable(self, user: PlatformUser, standing: Standing) -> str:
        """Why somebody is never kicked, as the community says right now; "" for a plain member."""
        if user.id == (await self._writer.account()).id:
            return "Kept: this is our own account."
        if user.is_bot:
            return "Kept: this is a bot."
        if standing.role is not Role.MEMBER:
            return f"Kept: they are {'the owner' if standing.role is Role.OWNER else 'an admin'} there."
        return ""


class ReturnExecutor(_Community):
    """Lifts what may be left of a ban and makes an invite link for each person."""

    async def fulfilled(self, steps: Sequence[PlannedStep], *, thorough: bool) -> Sequence[bool | None]:
        """Before the call: whether they are back. After it: whether nothing keeps them out."""
        answers: list[bool | None] = []
        for step in steps:
            try:
                known = await self._standing(step)
            except Refused:
                known = None
            if known is None:
                answers.append(None)
            else:
                answers.append(known[1].role is not Role.BANNED if thorough else known[1].present)
        return answers

    async def apply(self, batch: Sequence[PlannedStep]) -> Sequence[Reply]:
        return [await self._let_back(step) for step in batch]

    async def _let_back(self, step: PlannedStep) -> Reply:
        user = await self._meet(step)
        if user is not None:
            freed = await self._writer.unban(self._group, user)
            if not freed.success:
                return freed
        reply, link = await self._writer.invite_link(self._group)
        if not reply.success:
            return reply
        return Reply(Outcome.DONE, f"Send them this link, good for a week and one person: {link}")


def _names(step: PlannedStep) -> list[str]:
    """What to search the member list for: the username, then the name, as the plan has them."""
    name, _, handle = step.target.subject_name.rpartition("@")
    texts = (handle.removesuffix(")") if _ else "", name.removesuffix("(").strip() if _ else handle)
    return [text for text in texts if text and text != step.target.user_id]
