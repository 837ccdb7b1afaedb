"""What every adapter offers to change a platform.

A write is sent once. A rate limit says that nothing was done, so it is waited for and the call
repeated like any other; but after an outage nobody knows, and InDoubt is raised: read the truth
before anything is repeated. What stops the whole account is raised as AccountTrouble; what
concerns one person or group is an answer, not an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from members.platforms.base import PlatformReader
from members.platforms.errors import TryLater
from members.platforms.outcomes import Reply
from members.platforms.types import PlatformGroup, PlatformUser, Wanted

__all__ = ["InDoubt", "PlatformWriter", "Reply"]


class InDoubt(TryLater):
    """The call went out and no answer to it came back: it may have been done, wholly or in part."""


class PlatformWriter(PlatformReader, Protocol):
    """A reader that may also write. Groups and users come from the same connection's reads, or are
    known to it from earlier ones."""

    largest_invitation: int
    """How many people one invitation may hold."""

    async def people(self, wanted: Sequence[Wanted]) -> Sequence[PlatformUser]:
        """Those of `wanted`, known by id, whom the other methods can be told; with as few calls as may be."""

    async def invite(self, group: PlatformGroup, users: Sequence[PlatformUser]) -> Mapping[str, Reply]:
        """Add `users` (at most `largest_invitation`) to `group`: one reply for each, by the user's id.

        May take several calls. An error that ends it half-way has the replies until then in `settled`.
        """

    async def remove(self, group: PlatformGroup, user: PlatformUser) -> Reply:
        """Take `user` out of `group`; whoever was removed may come back.

        May take several calls. An error after the one that removed them has the reply in `settled`.
        """

    async def group_now(self, group: PlatformGroup) -> PlatformGroup:
        """`group` as it is at this moment, with one call. Raises Refused where we do not see it any more."""

    async def rename(self, group: PlatformGroup, name: str) -> tuple[Reply, str]:
        """Give `group` another name; with the name that it has now, as the platform stored it."""

    async def send(self, target: PlatformUser | PlatformGroup, text: str, *, once: str = "") -> Reply:
        """Write plain text to a person, or into a group.

        `once` names the message: where the platform knows such names, a second one under it is not
        delivered.
        """

    async def sent_to(self, user: PlatformUser, *, since: datetime) -> Sequence[str]:
        """The texts of what this account wrote to `user` after `since`. Raises Refused where they cannot
        be read."""

    async def invite_link(self, group: PlatformGroup) -> tuple[Reply, str]:
        """A link by which one person can join `group`; "" when there is none."""

    async def revoke_link(self, group: PlatformGroup, link: str) -> Reply:
        """Make a link of `invite_link` worthless."""
