"""One holder per connection, in the database: a lease that is renewed, and dies with its holder.

A connection is one account on one platform. Which account is in use is told by who keeps the accounts.
Whoever only listens holds the lease as one that gives way: they let go as soon as somebody else wants it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from django.db import connection as database
from django.db.models import F, QuerySet

from members.clock import SharedNow, shared_now
from members.operations.models import Lease
from members.operations.owner import is_dead
from members.platforms.types import Platform

TERM = timedelta(seconds=45)
"""How long a lease outlives the last sign of life of a holder whose process cannot be looked at."""
GIVING_WAY_SECONDS = 10.0
"""For so long a holder who gives way is waited for: they hang up first, which takes a moment."""
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Hold:
    """A lease that was taken. `token` fences off whoever held it before."""

    connection: str
    owner: str
    token: int


_accounts_in_use: dict[Platform, Callable[[], str]] = {}


def name_account(platform: Platform, account_in_use: Callable[[], str]) -> None:
    """Say how to learn which of several accounts on `platform` is in use: up to 30 characters."""
    _accounts_in_use[platform] = account_in_use


def connection_of(platform: Platform, account: str = "") -> str:
    """The name of `account` on `platform`, or of the account that is in use there now."""
    if not account:
        account = _accounts_in_use[platform]() if platform in _accounts_in_use else "default"
    return f"{platform}:{account}"


def take_account(
    platform: Platform, account: str = "", *, owner: str, gives_way: bool = False
) -> Hold | None:
    """The lease of `account`, or of the one in use, or None while somebody else holds it; see `take`.

    Whoever makes another account the one in use holds the lease of the old one meanwhile: so it stays
    the same for as long as the lease is held.
    """
    connection = connection_of(platform, account)
    hold = take(connection=connection, owner=owner, gives_way=gives_way)
    if hold is not None and connection_of(platform, account) != connection:
        release(hold)
        return None
    return hold


def take(*, connection: str, owner: str, gives_way: bool = False) -> Hold | None:
    """The lease, or None while somebody else holds it.

    With `gives_way` it is let go when `is_wanted`; whoever holds it so is asked to here, and waited for.
    Inside a transaction nobody is: the holder's answer could not be seen there.
    """
    until = time.monotonic() + GIVING_WAY_SECONDS
    while (hold := _take(connection, owner, gives_way=gives_way)) is None:
        if gives_way or not _asked_for(connection) or database.in_atomic_block or time.monotonic() > until:
            return None
        time.sleep(_LOOK_SECONDS)
    return hold


def _take(connection: str, owner: str, *, gives_way: bool) -> Hold | None:
    now = shared_now()
    row, _ = Lease.objects.get_or_create(connection=connection, defaults={"expires_at": now})
    if row.owner not in ("", owner) and row.expires_at > now and not is_dead(row.owner):
        return None
    unchanged = Lease.objects.filter(pk=row.pk, owner=row.owner, token=row.token)
    if not unchanged.update(
        owner=owner, token=F("token") + 1, expires_at=now + TERM, gives_way=gives_way, wanted=False
    ):
        return None
    return Hold(connection, owner, row.token + 1)


def _asked_for(connection: str) -> bool:
    """Ask its holder to let go; False where they are none who give way."""
    return bool(Lease.objects.filter(connection=connection, gives_way=True).update(wanted=True))


def is_wanted(hold: Hold) -> bool:
    """Whether somebody else wants it: whoever gives way lets go now."""
    return _held(hold).filter(wanted=True).exists()


def renew(hold: Hold) -> bool:
    """Whether it is still ours; then it is for another term."""
    return bool(_held(hold).update(expires_at=SharedNow() + TERM))


def release(hold: Hold) -> None:
    """Let the next one in. Nothing happens when the lease is not ours any more."""
    _held(hold).update(owner="", expires_at=SharedNow())


@lru_cache(maxsize=16)
def _held(hold: Hold) -> QuerySet[Lease]:
    """Kept, because it is asked for with every call to a platform."""
    return Lease.objects.filter(connection=hold.connection, owner=hold.owner, token=hold.token)
