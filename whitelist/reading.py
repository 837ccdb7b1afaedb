"""Reading the gated community's members through the Telegram account. Nothing is stored here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Set
from concurrent.futures import wait
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from members.clock import shared_now
from members.operations import lease
from members.operations.lease import Hold
from members.operations.loop import BackgroundLoop
from members.operations.owner import new_owner
from members.platforms.base import CallMeter
from members.platforms.errors import NotConfigured, Refused, TryLater
from members.platforms.types import GroupKind, Platform, PlatformGroup
from members.platforms.types import Role as Standing
from telegram_ops.gateway import Access, own_ids
from whitelist.burning import Reading, left_unseen
from whitelist.community import Member, present_ids
from whitelist.decision import Role
from whitelist.names import Name, names_of
from whitelist.record import bot_api_id, gated_chat_id

if TYPE_CHECKING:
    from members.platforms.telegram import TelegramReader
    from members.platforms.telegram_roster import RosterLine

HEARTBEAT_SECONDS = 1.0
TURN_PATIENCE = 30.0
"""Seconds to wait while an audit or an operation uses the account."""
ROLES = {Standing.OWNER: Role.OWNER, Standing.ADMIN: Role.ADMIN}

Show = Callable[[int, int | None], None]
"""Told how many members were read, and of how many, about once a second."""


@dataclass(slots=True)
class Roster:
    """The members of the community as they were when the reading began."""

    chat_id: int
    read_at: datetime
    name: str = ""
    members: dict[int, Member] = field(default_factory=dict)
    expected: int | None = None
    removed: set[int] = field(default_factory=set)
    """Of those who were there before: who is banned, and hence did not leave by themselves."""
    still_there: set[int] = field(default_factory=set)
    """Of those who were there before and are not on the list: who is in it by the community's own word."""

    @property
    def missing(self) -> int:
        """How many people Telegram counts and does not show."""
        return Reading(self.members.keys(), self.expected).missing or 0


def read_community(*, show: Show = lambda done, total: None, patience: float = TURN_PATIENCE) -> Roster:
    """Read everybody in the gated community, and ask it about each who seems to have left.

    Raises PlatformError: what is not configured, who is not let in, or that somebody else uses the account.
    """
    chat_id = gated_chat_id()
    if not chat_id:
        raise NotConfigured(
            "There is no gated community: set TELEGRAM_GATED_CHAT_ID", code="TELEGRAM_GATED_CHAT_ID"
        )
    roster = Roster(chat_id, shared_now())
    before, ours = names_of(present_ids(chat_id)), own_ids()
    with _account(patience) as hold, BackgroundLoop("members") as loop:
        access = Access()
        reading = loop.submit(_read(access.reader(CallMeter()), roster, before, ours))
        try:
            while not wait([reading], timeout=HEARTBEAT_SECONDS).done:
                if not lease.renew(hold):
                    raise TryLater(
                        "Another process took over the Telegram account: try again.",
                        code="account_lost",
                        seconds=60,
                    )
                show(len(roster.members), roster.expected)
            reading.result()
        finally:
            reading.cancel()
            access.keep_books()
    show(len(roster.members), roster.expected)
    return roster


async def _read(reader: TelegramReader, roster: Roster, before: Mapping[int, Name], ours: Set[int]) -> None:
    async with reader:
        ours = ours | {int((await reader.account()).id)}
        group = await find_community(reader, roster.chat_id)
        roster.name = group.name
        async with aclosing(reader.roster(group)) as pages:
            async for page in pages:
                roster.expected = page.expected
                for line in page.lines:
                    roster.members[int(line.user.id)] = _member(line, ours)
        gone = left_unseen(before.keys(), Reading(roster.members.keys(), roster.expected))
        if gone:
            await _ask_about(reader, group, {who: before[who] for who in gone}, roster)


async def find_community(reader: TelegramReader, chat_id: int) -> PlatformGroup:
    """The gated community among the groups of the account. Raises Refused where it is not.

    Basic groups and supergroups are numbered apart: one of each may have the same id.
    """
    basic: PlatformGroup | None = None
    async with aclosing(reader.groups()) as pages:
        async for page in pages:
            for group in page:
                if group.id == str(chat_id) and group.kind is GroupKind.SUPERGROUP:
                    return group
                basic = group if group.id == str(chat_id) else basic
    if basic is None:
        raise Refused(
            f"The Telegram account is not in the gated community {chat_id}: let it join, or correct "
            "TELEGRAM_GATED_CHAT_ID",
            code="not_in_community",
        )
    if basic.superseded_by is None:
        raise Refused(
            "The gated community is a basic group: turn it into a supergroup first", code="basic_group"
        )
    raise Refused(
        "The gated community became a supergroup: set TELEGRAM_GATED_CHAT_ID to "
        f"{bot_api_id(int(basic.superseded_by))}",
        code="migrated",
    )


async def _ask_about(
    reader: TelegramReader, group: PlatformGroup, gone: Mapping[int, Name], roster: Roster
) -> None:
    """The list does not show them: were they thrown out, and does a search for them find them after all?

    Who has no name to search for is taken for gone, but nobody says that they left by themselves.
    """
    with suppress(Refused):  # only admins see who was thrown out
        roster.removed |= set(map(int, await reader.banned_from(group))) & gone.keys()
    for telegram_id, name in gone.items():
        if text := name.username or name.name:
            shown = await reader.search_members(group, text)
            roster.still_there |= {telegram_id} & {int(line.user.id) for line in shown}
        else:
            roster.removed.add(telegram_id)


def _member(line: RosterLine, ours: Set[int]) -> Member:
    return Member(
        telegram_id=int(line.user.id),
        username=(line.user.username or "")[:32],
        name=line.user.name[:129],
        role=ROLES.get(line.role, Role.MEMBER),
        is_bot=line.user.is_bot,
        is_our_account=int(line.user.id) in ours,
    )


@contextmanager
def _account(patience: float) -> Iterator[Hold]:
    """The Telegram account is ours alone inside. Raises TryLater when somebody else does not let it go."""
    owner, until = new_owner(), time.monotonic() + patience
    while (hold := lease.take_account(Platform.TELEGRAM, owner=owner)) is None:
        if time.monotonic() > until:
            raise TryLater(
                "Telegram: an audit or an operation uses the account now: try again in a minute.",
                code="account_busy",
                seconds=60,
            )
        time.sleep(0.1)
    try:
        yield hold
    finally:
        lease.release(hold)
