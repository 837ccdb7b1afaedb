"""What every adapter offers to read a platform, and the meter that counts what it costs.

Lists arrive as pages (`AsyncIterator`), so a caller keeps what was learnt before an error.
Every method may raise the errors of `members.platforms.errors` and no other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

from members.platforms.errors import UNREACHABLE, PlatformError, RateLimited, TryLater
from members.platforms.types import (
    Account,
    CallCount,
    GroupDetails,
    MembersPage,
    Platform,
    PlatformGroup,
    PlatformUser,
    Wanted,
)


class CallMeter:
    """Counts API calls by method and sleeps the waits a platform asks for.

    `patience` is the longest single wait, in seconds, that is slept here; a longer one is
    raised as TryLater, so that the caller decides. `on_wait(method, seconds, error)` tells a person.
    """

    def __init__(
        self,
        *,
        patience: float = 120.0,
        on_wait: Callable[[str, float, TryLater], None] | None = None,
    ) -> None:
        self.patience = patience
        self._on_wait = on_wait
        self._calls: Counter[str] = Counter()
        self._waited = 0.0

    def count(self, method: str) -> None:
        self._calls[method] += 1

    async def wait(self, method: str, seconds: float, error: TryLater) -> None:
        """Sleep `seconds`, or raise `error` when that is longer than our patience."""
        if seconds > self.patience:
            raise error
        if self._on_wait is not None:
            self._on_wait(method, seconds, error)
        self._waited += seconds
        await asyncio.sleep(seconds)

    def snapshot(self) -> CallCount:
        return CallCount(calls=dict(sorted(self._calls.items())), waited_seconds=self._waited)


def why_waiting(method: str, seconds: float, error: TryLater) -> str:
    """What is waited for, as it follows a platform's name: a pause it asked for, or one of our own."""
    pause = f"{max(1, round(seconds))} s"
    if isinstance(error, RateLimited):
        return f"asked to wait {pause} ({method})"
    if error.code == UNREACHABLE:
        return f"cannot be reached: next try in {pause}"
    return f"is out of order: next try in {pause} ({method})"


class PlatformReader(Protocol):
    """The read side of one connection to one platform."""

    platform: Platform
    meter: CallMeter
    lookup_failures: Mapping[str, PlatformError]
    """Why the last `users()` could not look some of the wanted people up, by their key: nobody may
    conclude from their absence that they do not exist."""

    async def account(self) -> Account:
        """Who we are there. The cheapest proof that the credentials work."""

    def groups(self) -> AsyncIterator[Sequence[PlatformGroup]]:
        """Every group that the account can see, archived ones included, page by page."""

    async def group(self, group_id: str) -> PlatformGroup:
        """One group by its id alone, as the listing would show it. Raises Gone for one that we cannot see."""

    async def users(self, wanted: Sequence[Wanted]) -> Sequence[PlatformUser]:
        """Every user who might be one of `wanted`; who is whom is decided by `members.identity`.

        May return many more than asked for (Slack answers with its whole directory).
        May run beside `groups()`, or after: on Telegram a person may have to be looked up in them.
        """

    def groups_of(self, user: PlatformUser) -> AsyncIterator[Sequence[PlatformGroup]]:
        """The groups of `user` that we can see, page by page; cost grows with people, not groups."""

    async def is_member(self, group: PlatformGroup, user: PlatformUser) -> bool:
        """Whether `user` is in `group`, asked of the group itself: the proof for a doubtful pair."""

    def members(self, group: PlatformGroup) -> AsyncIterator[MembersPage]:
        """The ids of everybody in `group`, page by page."""

    async def details(self, group: PlatformGroup) -> GroupDetails:
        """What only a call per group tells. Raises Refused where there is no such thing."""
