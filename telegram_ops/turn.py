"""The Telegram account, for as long as a short look takes: it is used by one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from members.operations import lease
from members.operations.owner import new_owner
from members.platforms.errors import TryLater
from members.platforms.types import Platform

BUSY = "Telegram: an audit or an operation uses the account now: try again in a minute."
POLL_SECONDS = 0.1


@contextmanager
def turn(patience: float, account: str = "") -> Iterator[None]:
    """The Telegram account is ours alone inside: for less than a lease's term, which nobody renews.

    It is the one in use, or a further `account`.

    Raises TryLater when somebody else does not let it go within `patience` seconds.
    """
    owner, until = new_owner(), time.monotonic() + patience
    while (hold := lease.take_account(Platform.TELEGRAM, account, owner=owner)) is None:
        if time.monotonic() > until:
            raise TryLater(BUSY, code="account_busy", seconds=patience)
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lease.release(hold)
