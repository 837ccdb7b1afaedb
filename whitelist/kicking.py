"""The calls of a sweep and of its undo, one person at a time, through the Telegram account.

A kick is a ban and its end, and both times are kept with the step. Whoever dies in between leaves a ban;
the next execution lifts it before it does anything else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence, Set
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from django.utils import timezone

from members.operations.kinds import Executor
from members.operations.plan import PlannedStep
from members.platforms.base import CallMeter
from members.platforms.errors import Refused
from members.platforms.outcomes import Outcome, Reply
from members.platforms.telegram_writer import TelegramWriter
from members.platforms.types import Platform, PlatformGroup, PlatformUser, Role, Standing, Wanted
from telegram_ops.gateway import Access
from whitelist.reading import find_community

LET_BACK = "let_back"

_NOBODY = Reply(
    Outcome.PERSON_NOT_FOUND, "Telegram shows the account no such member: read the members again, then retry."
)


class CommunityConnection:
    """From the account to the executor of sweeps, or of their undo (`back`)."""

    batch_size = 1

    def __init__(self, chat_id: int, *, in_doubt: Set[str] = frozenset(), back: bool = False) -> None:
        """`in_doubt` are the ids of those whose kick was under way when a process died."""
        self._access = Access()
        self._chat_id = chat_id
        self._in_doubt = in_doubt
        self._back = back

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[Executor]:
        return self._opened(meter)

    def keep_books(self) -> None:
        self._access.keep_books()

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
            if self._in_doubt:
                for user_id in self._in_doubt & await writer.banned_from(group):
                    await writer.unban(group, PlatformUser(Platform.TELEGRAM, user_id))
            yield ReturnExecutor(writer, group) if self._back else KickExecutor(writer, group)


class _Community:
    """The community, and whom of it the account has met on this connection."""

    def __init__(self, writer: TelegramWriter, group: PlatformGroup) -> None:
        self._writer = writer
        self._group = group
        self._met: dict[str, PlatformUser] = {}

    async def _standing(self, step: PlannedStep) -> tuple[PlatformUser, Standing] | None:
        """Who is meant, and what they are there by the community's own word; None when nobody can tell."""
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
    async def fulfilled(self, steps: Sequence[PlannedStep], *, thorough: bool) -> Sequence[bool | None]:
        return [await self._is_gone(step) for step in steps]

    async def apply(self, batch: Sequence[PlannedStep]) -> Sequence[Reply]:
        return [await self._kick(step) for step in batch]

    async def _is_gone(self, step: PlannedStep) -> bool | None:
        try:
            known = await self._standing(step)
        except Refused:
            return None
        return None if known is None else not known[1].present

    async def _kick(self, step: PlannedStep) -> Reply:
        known = await self._standing(step)
        if known is None:
            return _NOBODY
        user, standing = known
        if not standing.present:
            return Reply(Outcome.ALREADY_GONE)
        if why := await self._untouchable(user, standing):
            return Reply(Outcome.CHANGED_MEANWHILE, why)
        banned_at = timezone.now()
        reply = await self._writer.kick(self._group, user)
        if not reply.success:
            return reply
        times = {"banned_at": banned_at.isoformat()}
        if not reply.message:  # else the ban could not be lifted, which the message tells
            times["unbanned_at"] = timezone.now().isoformat()
        return Reply(reply.outcome, reply.message, after=times)

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
