"""Who runs the Telegram groups: read with one call a group, and kept for a day.

What was read is kept, whatever ends the reading: the next one goes on where this one stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from members.models import Group
from members.operations.loop import BackgroundLoop
from members.platforms import adapters
from members.platforms.base import CallMeter
from members.platforms.errors import NO_GROUP_ACCESS_HASH, PlatformError, Refused
from members.platforms.types import (
    Account,
    Administrator,
    Platform,
    PlatformUser,
    Role,
)
from members.services import platform_group
from telegram_ops.gateway import Access
from telegram_ops.ownership_models import GroupAdministrators
from telegram_ops.turn import turn

if TYPE_CHECKING:
    from members.platforms.telegram import TelegramReader

FRESH = timedelta(days=1)
IN_A_PAGE = 20.0
"""Seconds that a page may take to read; shorter than the term of a lease, which nobody renews meanwhile."""
TURN_PATIENCE = 3.0
"""Seconds to wait for the account when a page asks, and ..."""
LONGEST_PAUSE = 5.0
"""... the longest pause that Telegram may ask for, before what was read has to do."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a reading came."""

    left: int = 0
    """How many of the groups are not read yet."""
    error: PlatformError | None = None
    """What ended it, if anything did but the time."""


def read_administrators(
    groups: Sequence[Group], *, seconds: float = IN_A_PAGE, turn_patience: float = TURN_PATIENCE
) -> Reading:
    """Read who runs those of `groups` of which we do not know it since a day; others cost nothing.

    Takes about `seconds` at most, and never raises what Telegram refuses.
    """
    stale = stale_of(groups)
    if not stale:
        return Reading()
    look, error = _Look(stale), None
    try:
        with turn(turn_patience):
            access = Access()
            reader = access.reader(CallMeter(patience=LONGEST_PAUSE))
            try:
                with BackgroundLoop("administrators") as loop:
                    loop.submit(look.run(reader, seconds)).result()
            finally:
                access.keep_books()
    except PlatformError as refusal:
        error = refusal
    finally:
        _store(look)
    return Reading(len(stale) - len(look.people) - len(look.troubles), error)


def stale_of(groups: Iterable[Group]) -> list[Group]:
    """Those of which nobody has read lately who runs them."""
    ids = [group.pk for group in groups]
    recent = GroupAdministrators.objects.filter(group__in=ids, read_at__gt=timezone.now() - FRESH)
    fresh = set(recent.values_list("group_id", flat=True))
    return [group for group in groups if group.pk not in fresh]


def people_of(row: GroupAdministrators) -> tuple[Administrator, ...]:
    """Who runs the group, without ourselves."""
    return tuple(map(_from_words, row.people))


class _Look:
    """One connection's look at some groups."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self.account: Account | None = None
        self.people: dict[int, Sequence[Administrator]] = {}
        self.troubles: dict[int, str] = {}
        """Why nobody can tell, by the group's primary key."""

    async def run(self, reader: TelegramReader, seconds: float) -> None:
        """Raises PlatformError."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), reader:
                self.account = await reader.account()
                unknown = await self._ask(reader, self._groups)
                if unknown:  # their ways are told by the list of all groups
                    async for _ in reader.groups():
                        pass
                    for group in await self._ask(reader, unknown):
                        self.troubles[group.pk] = "Our account does not see the group any more."

    async def _ask(self, reader: TelegramReader, groups: Sequence[Group]) -> list[Group]:
        """Those to which we know no way."""
        lost = await adapters.telegram_transport.together(self._ask_one(reader, group) for group in groups)
        return [group for group, is_lost in zip(groups, lost, strict=True) if is_lost]

    async def _ask_one(self, reader: TelegramReader, group: Group) -> bool:
        try:
            self.people[group.pk] = await reader.administrators(platform_group(group))
        except Refused as error:
            if error.code == NO_GROUP_ACCESS_HASH:
                return True
            self.troubles[group.pk] = str(error)
        return False


def _store(look: _Look) -> None:
    account, now = look.account, timezone.now()
    if account is None:
        return
    rows = [
        GroupAdministrators(
            group_id=key,
            people=[_as_words(each) for each in look.people.get(key, ()) if each.user.id != account.id],
            trouble=look.troubles.get(key, ""),
            account=f"@{account.username}" if account.username else account.name,
            account_name=account.name,
            read_at=now,
        )
        for key in (*look.people, *look.troubles)
    ]
    GroupAdministrators.objects.bulk_create(
        rows,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["group"],
        update_fields=["people", "trouble", "account", "account_name", "read_at"],
    )


def _as_words(each: Administrator) -> dict[str, Any]:
    """In JSON types; `_from_words` leads back."""
    return {
        "id": each.user.id,
        "name": each.user.name,
        "usernames": list(each.user.usernames),
        "active": each.user.active,
        "is_bot": each.user.is_bot,
        "role": str(each.role),
        "since": each.since.isoformat() if each.since is not None else None,
        "may_add_admins": each.may_add_admins,
        "anonymous": each.anonymous,
    }


def _from_words(words: Mapping[str, Any]) -> Administrator:
    user = PlatformUser(
        Platform.TELEGRAM,
        words["id"],
        tuple(words["usernames"]),
        words["name"],
        active=words["active"],
        is_bot=words["is_bot"],
    )
    return Administrator(
        user=user,
        role=Role(words["role"]),
        since=datetime.fromisoformat(words["since"]) if words["since"] else None,
        may_add_admins=words["may_add_admins"],
        anonymous=words["anonymous"],
    )
