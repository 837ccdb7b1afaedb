"""One holder per connection, in the database: a lease that is renewed, and dies with its holder.

A connection is one account on one platform. Which account is in use is told by who keeps the accounts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from django.db.models import F, QuerySet
from django.utils import timezone

from members.operations.models import Lease
from members.operations.owner import is_dead
from members.platforms.types import Platform

TERM = timedelta(seconds=45)
"""How long a lease outlives the last sign of life of a holder whose process cannot be looked at."""


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


def take_account(platform: Platform, *, owner: str) -> Hold | None:
    """The lease of the account in use, or None while somebody else holds it.

    Whoever makes another account the one in use holds the lease of the old one meanwhile: so it stays
    the same for as long as the lease is held.
    """
    connection = connection_of(platform)
    hold = take(connection=connection, owner=owner)
    if hold is not None and connection_of(platform) != connection:
        release(hold)
        return None
    return hold


def take(*, connection: str, owner: str) -> Hold | None:
    """The lease, or None while somebody else holds it."""
    now = timezone.now()
    row, _ = Lease.objects.get_or_create(connection=connection, defaults={"expires_at": now})
    if row.owner not in ("", owner) and row.expires_at > now and not is_dead(row.owner):
        return None
    unchanged = Lease.objects.filter(pk=row.pk, owner=row.owner, token=row.token)
    if not unchanged.update(owner=owner, token=F("token") + 1, expires_at=now + TERM):
        return None
    return Hold(connection, owner, row.token + 1)


def renew(hold: Hold) -> bool:
    """Whether it is still ours; then it is for another term."""
    return bool(_held(hold).update(expires_at=timezone.now() + TERM))


def release(hold: Hold) -> None:
    """Let the next one in. Nothing happens when the lease is not ours any more."""
    _held(hold).update(owner="", expires_at=timezone.now())


@lru_cache(maxsize=16)
def _held(hold: Hold) -> QuerySet[Lease]:
    """Kept, because it is asked for with every call to a platform."""
    return Lease.objects.filter(connection=hold.connection, owner=hold.owner, token=hold.token)
