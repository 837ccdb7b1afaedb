"""The read side of Slack: `PlatformReader` over the Web API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from members.platforms.base import CallMeter
from members.platforms.configs import SlackConfig
from members.platforms.errors import PlatformError, Refused, TryLater
from members.platforms.slack_parse import (
    Workspace,
    parse_account,
    parse_channel_info,
    parse_channels,
    parse_member_ids,
    parse_user_info,
    parse_users,
    parse_workspace,
)
from members.platforms.slack_transport import Retry, SlackTransport
from members.platforms.types import (
    Account,
    GroupDetails,
    MembersPage,
    Platform,
    PlatformGroup,
    PlatformUser,
    Wanted,
)

__all__ = ["Retry", "SlackReader"]

CHANNEL_TYPES = "public_channel,private_channel"
"""Slack's own default leaves private channels out. Archived channels come by default."""


class SlackReader:
    """Reads one Slack workspace with the eyes of one token. Use it in an `async with` block.

    Raises NotConfigured at once when there is no token. Calls may overlap: at most
    `concurrency` requests are under way at a time.
    """

    platform: Platform = Platform.SLACK

    def __init__(
        self,
        config: SlackConfig,
        *,
        meter: CallMeter | None = None,
        concurrency: int = 8,
        retry: Retry | None = None,
    ) -> None:
        self.meter = meter or CallMeter()
        self.lookup_failures: Mapping[str, PlatformError] = {}
        self._web = SlackTransport(config, meter=self.meter, concurrency=concurrency, retry=retry)
        self._auth: dict[str, Any] | None = None
        self._auth_lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._web.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._web.__aexit__(kind, error, trace)

    async def account(self) -> Account:
        """auth.test, asked once per reader."""
        return parse_account(await self._auth_test())

    async def scopes(self) -> frozenset[str]:
        """What the token may do. Slack says so with every answer (header X-OAuth-Scopes; auth.test)."""
        await self._auth_test()
        return self._web.scopes

    async def groups(self) -> AsyncGenerator[Sequence[PlatformGroup], None]:
        """conversations.list: all public channels, and the private ones that the token's user is in."""
        seen: set[str] = set()
        arguments = await self._in_workspace(types=CHANNEL_TYPES)
        async for answer in self._web.pages("conversations.list", **arguments):
            yield _unseen(parse_channels(answer), seen)

    async def group(self, group_id: str) -> PlatformGroup:
        """conversations.info."""
        answer = await self._web.call("conversations.info", channel=group_id, include_num_members="true")
        return parse_channel_info(answer)

    async def users(self, wanted: Sequence[Wanted]) -> Sequence[PlatformUser]:
        """The whole directory (users.list), and wanted ids that it lacks one by one (users.info).

        People of other workspaces (Slack Connect) are often missing from users.list. An id that
        Slack does not know is simply absent; one that could not be asked for, or is hidden from
        this token, is in `lookup_failures`.
        """
        home = await self._workspace()
        arguments = await self._in_workspace()
        found: dict[str, PlatformUser] = {}
        failures: dict[str, PlatformError] = {}
        async for answer in self._web.pages("users.list", **arguments):
            found |= {user.id: user for user in parse_users(answer, home)}
        for person in wanted:
            if not person.id or person.id in found:
                continue
            try:
                user = parse_user_info(await self._web.call("users.info", user=person.id), home)
                found[user.id] = user
            except (Refused, TryLater) as error:
                if error.code != "user_not_found":
                    failures[person.key] = error
        self.lookup_failures = failures
        return _seen_from_home(found, (await self.account()).id)

    async def user_with(self, user_id: str) -> PlatformUser | None:
        """users.info: somebody by their id alone, with one call; None whom Slack does not know."""
        try:
            answer = await self._web.call("users.info", user=user_id)
        except Refused as error:
            if error.code == "user_not_found":
                return None
            raise
        return parse_user_info(answer, await self._workspace())

    async def groups_of(self, user: PlatformUser) -> AsyncGenerator[Sequence[PlatformGroup], None]:
        """users.conversations: the user's public channels, and the private ones shared with us.

        Slack tells neither `is_member` nor `num_members` here, so `total_members` is None and
        `joined` is only known to be true for private channels: merge with `groups()`.
        """
        seen: set[str] = set()
        arguments = await self._in_workspace(types=CHANNEL_TYPES, user=user.id)
        async for answer in self._web.pages("users.conversations", **arguments):
            yield _unseen(parse_channels(answer), seen)

    async def is_member(self, group: PlatformGroup, user: PlatformUser) -> bool:
        async with aclosing(self.members(group)) as pages:
            async for page in pages:
                if user.id in page.ids:
                    return True
        return False

    async def members(self, group: PlatformGroup) -> AsyncGenerator[MembersPage, None]:
        """conversations.members; it does not tell how many there are."""
        async for answer in self._web.pages("conversations.members", channel=group.id):
            yield MembersPage(ids=parse_member_ids(answer))

    async def details(self, group: PlatformGroup) -> GroupDetails:
        raise Refused("A Slack channel has no history setting to ask for", code="not_applicable")

    async def _auth_test(self) -> dict[str, Any]:
        async with self._auth_lock:
            if self._auth is None:
                self._auth = await self._web.call("auth.test")
            return self._auth

    async def _workspace(self) -> Workspace:
        return parse_workspace(await self._auth_test())

    async def _in_workspace(self, **arguments: str) -> dict[str, str]:
        """`arguments`, and the team_id, which a token for an Enterprise organization has to name."""
        home = await self._workspace()
        return arguments | ({"team_id": home.team_id} if home.team_id else {})


def _seen_from_home(users: Mapping[str, PlatformUser], own_id: str) -> list[PlatformUser]:
    """`users`; none who shares a workspace with the token's own user is external.

    auth.test of an organization's token may name another home than the people's own.
    """
    own = users.get(own_id)
    if own is None or not own.external:
        return list(users.values())
    return [
        replace(user, external=user.external and user.workspace_id != own.workspace_id)
        for user in users.values()
    ]


def _unseen(groups: Sequence[PlatformGroup], seen: set[str]) -> list[PlatformGroup]:
    """`groups` without the repeats of a list that shifted while it was paged; adds to `seen`."""
    fresh = {group.id: group for group in groups if group.id not in seen}
    seen.update(fresh)
    return list(fresh.values())
