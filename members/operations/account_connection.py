"""From an account to what does an operation's steps through it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from members.operations.connections import Account
from members.operations.kinds import Executor
from members.operations.people import PeopleBook
from members.platforms.base import CallMeter
from members.platforms.types import PlatformGroup
from members.platforms.writing import PlatformWriter

MakeExecutor = Callable[[PlatformWriter, Mapping[str, PlatformGroup], PeopleBook], Executor]
"""From a writer, the groups that its account sees (by id), and the people of the steps."""


class AccountConnection:
    """Opens the account, reads its groups, and makes the executor of them.

    The groups are read also for whom they do not matter: on Telegram their list tells the ways to people.
    """

    def __init__(
        self,
        account: Account,
        executor: MakeExecutor,
        *,
        batch_size: int = 1,
        usernames: Mapping[str, str] | None = None,
    ) -> None:
        """`usernames` are those known of people, by their id: a way to whom the account never met."""
        self.batch_size = batch_size
        self._account = account
        self._executor = executor
        self._usernames = usernames or {}

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[Executor]:
        return self._opened(meter)

    def keep_books(self) -> None:
        self._account.keep_books()

    @asynccontextmanager
    async def _opened(self, meter: CallMeter) -> AsyncGenerator[Executor, None]:
        async with self._account.open(meter) as writer:
            groups = {group.id: group async for page in writer.groups() for group in page}
            yield self._executor(writer, groups, PeopleBook(writer, self._usernames))
