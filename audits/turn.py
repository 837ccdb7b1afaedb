"""Our turn on an account that only one may use at a time: Telegram ends both of two clients on a session."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from members.operations import lease
from members.operations.lease import Hold
from members.platforms.errors import TryLater
from members.platforms.types import Platform

POLL_SECONDS = 0.1


class TurnLost(Exception):
    """Somebody else uses the account by now: it must not be used any more."""


class Turn:
    """The lease of one account on a platform, for one execution of an audit.

    The thread that holds the database connection calls `keep` about once a second; the event loop
    is inside `taken()` while it uses the account. Raised there: TryLater after `patience` seconds.
    """

    def __init__(self, platform: Platform, account: str = "", *, owner: str, patience: float) -> None:
        self.connection = lease.connection_of(platform, account)
        """The name of the account, or of the one that was in use when the execution began: it stays with
        that one."""
        self._label = platform.label
        self._owner = owner
        self._patience = patience
        self._hold: Hold | None = None
        self._wanted = threading.Event()
        self._ours = threading.Event()
        self._over = threading.Event()
        self.keep()

    @property
    def waiting(self) -> bool:
        """Whether somebody else uses the account, and the event loop waits for it."""
        return self._wanted.is_set() and not (self._ours.is_set() or self._over.is_set())

    def keep(self) -> None:
        """Take the lease when it is free, renew it, and release it when it was used. Raises TurnLost."""
        if self._over.is_set():
            self.release()
        elif self._hold is None:
            self._hold = lease.take(connection=self.connection, owner=self._owner)
            if self._hold is not None:
                self._ours.set()
        elif not lease.renew(self._hold):
            raise TurnLost(
                f"Another process took over the {self._label} account: this one gave no sign of life for "
                f"{lease.TERM.seconds} seconds."
            )

    def release(self) -> None:
        """Let the next one in. Call it when the account is not used any more."""
        if self._hold is not None:
            lease.release(self._hold)
            self._hold = None

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[None, None]:
        """Inside, the account is ours alone."""
        self._wanted.set()
        try:
            until = time.monotonic() + self._patience
            while not self._ours.is_set():
                if time.monotonic() > until:
                    raise TryLater(self._busy(), code="account_busy", seconds=self._patience)
                await asyncio.sleep(POLL_SECONDS)
            yield
        finally:
            self._over.set()

    def _busy(self) -> str:
        return (
            f"{self._label}: an operation uses the account, and took longer than an audit waits: try again."
        )
