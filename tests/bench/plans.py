"""Other ways to learn who is where, to measure ours against; through the same adapters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from django.conf import settings

from members.identity import Resolved, resolve_all
from members.platforms.base import CallMeter, PlatformReader
from members.platforms.configs import SlackConfig
from members.platforms.errors import Refused
from members.platforms.slack import SlackReader
from members.platforms.telegram import TelegramReader
from members.platforms.types import GroupKind, PlatformGroup, PlatformUser, Wanted
from members.policy import Handle, Policy, concerns
from telegram_ops.gateway import known_hashes, telegram_config


def minimal_plan(policy: Policy) -> dict[str, int]:
    """The least that tells the memberships: list the groups, find the people, ask for each one's groups.

    Nothing is judged, stored or reported. Returns the number of calls per platform.
    """

    async def look(reader: PlatformReader) -> None:
        account = await reader.account()
        async for _ in reader.groups():
            pass
        people = await _find(reader, policy)
        others = [user for user in people if user.id != account.id]
        await asyncio.gather(*(_read_groups_of(reader, user) for user in others))

    return _on_both(look, side_by_side=True)


def one_call_per_group(policy: Policy) -> dict[str, int]:
    """The obvious way: list the groups, then read each one's members (on Telegram also its settings and
    our own rights), one after the other. Returns the number of calls per platform."""

    async def look(reader: PlatformReader) -> None:
        account = await reader.account()
        groups: list[PlatformGroup] = [group async for page in reader.groups() for group in page]
        await _find(reader, policy)
        me = PlatformUser(account.platform, account.id)
        for group in groups:
            if group.archived or not group.joined or group.superseded_by:
                continue
            with suppress(Refused):  # a group that hides its members
                async for _ in reader.members(group):
                    pass
            if group.kind is GroupKind.SUPERGROUP:
                await reader.details(group)
                await reader.is_member(group, me)

    return _on_both(look, side_by_side=False)


async def _find(reader: PlatformReader, policy: Policy) -> Sequence[PlatformUser]:
    wanted = []
    for person in policy.people:
        if concerns(person, reader.platform, policy):
            handle = person.handles.get(reader.platform, Handle())
            wanted.append(Wanted(person.key, person.name, handle.id, handle.username, person.email))
    found = resolve_all(wanted, await reader.users(wanted))
    return [resolution.user for resolution in found if isinstance(resolution, Resolved)]


async def _read_groups_of(reader: PlatformReader, user: PlatformUser) -> None:
    async for _ in reader.groups_of(user):
        pass


def _on_both(look: Callable[[PlatformReader], Awaitable[None]], *, side_by_side: bool) -> dict[str, int]:
    meters = {"slack": CallMeter(patience=3600), "telegram": CallMeter(patience=3600)}
    slack_config = SlackConfig(token=settings.SLACK_USER_TOKEN, api_url=settings.SLACK_API_URL)
    telegram_settings, hashes = telegram_config(), known_hashes()

    async def slack() -> None:
        async with SlackReader(slack_config, meter=meters["slack"]) as reader:
            await look(reader)

    async def telegram() -> None:
        async with TelegramReader(telegram_settings, meter=meters["telegram"], known_hashes=hashes) as reader:
            await look(reader)

    async def both() -> None:
        if side_by_side:
            await asyncio.gather(slack(), telegram())
        else:
            await slack()
            await telegram()

    asyncio.run(both())
    return {name: meter.snapshot().total for name, meter in meters.items()}
