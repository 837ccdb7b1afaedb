"""Who is in the gated community: the snapshot of its member list, and what follows from a new one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from whitelist import bulk, services
from whitelist.burning import Cause, Reading, left_unseen
from whitelist.decision import Role
from whitelist.models import CommunityMember, CommunityReading

RECONCILIATION = "reconciliation"
"""Who acts when a new member list shows that somebody has left."""
_TOLD = ("username", "name", "role", "is_bot", "is_our_account")
"""What a member list tells of each, as `Member` and `CommunityMember` call it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One line of a member list."""

    telegram_id: int
    username: str = ""
    name: str = ""
    role: Role = Role.MEMBER
    is_bot: bool = False
    is_our_account: bool = False


def present_ids(chat_id: int, *, since: datetime | None = None) -> frozenset[int]:
    """Who is in the community, as far as we know; with `since`, who has not been seen after it."""
    present = CommunityMember.objects.filter(chat_id=chat_id, left_at=None)
    if since is not None:
        present = present.filter(last_seen_at__lte=since)
    return frozenset(present.values_list("telegram_id", flat=True))


def reconcile(
    *,
    chat_id: int,
    members: Sequence[Member],
    expected: int | None,
    at: datetime,
    removed: Set[int] = frozenset(),
    still_there: Set[int] = frozenset(),
) -> CommunityReading:
    """Keep a member list that was begun to be read at `at`, and burn those who left while nobody listened.

    A list that shows fewer people than Telegram counts (`expected`) adds whom it shows, and takes nobody
    away. `removed` were taken out by us or an admin: gone, but not burned. `still_there` are those of whom
    the community itself says that they are in it. Done twice it changes nothing.
    """
    shown = {member.telegram_id: member for member in members}
    reading = Reading(shown.keys(), expected)
    before = present_ids(chat_id, since=at)  # not who came while it was read, and is on none of its pages
    left = left_unseen(before, reading, removed=removed, still_there=still_there)
    # Burned before it is noted that they are gone: who dies in between finds them again.
    burned = services.burn(telegram_ids=left, cause=Cause.LEFT_UNSEEN, actor=RECONCILIATION, at=at)
    note_left(chat_id=chat_id, telegram_ids=left | (before & (removed - shown.keys())), at=at)
    people = list(shown.values())
    for start in range(0, len(people), services.CHUNK):
        _store(chat_id, people[start : start + services.CHUNK], at)
    return CommunityReading.objects.create(
        chat_id=chat_id,
        read_at=at,
        seen=len(reading.present),
        expected=expected,
        whole=reading.whole,
        burned=len(burned),
    )


def note_left(*, chat_id: int, telegram_ids: Iterable[int], at: datetime) -> None:
    """Keep that these people are not in the community any more, however they went.

    Told of our own kicks too: so no later reading takes them for somebody who left.
    """
    ids = list(telegram_ids)
    for start in range(0, len(ids), services.CHUNK):
        CommunityMember.objects.filter(
            chat_id=chat_id,
            telegram_id__in=ids[start : start + services.CHUNK],
            left_at=None,
            last_seen_at__lte=at,
        ).update(left_at=at)


def note_joined(*, chat_id: int, member: Member, at: datetime) -> None:
    """Keep that somebody is in the community now."""
    _store(chat_id, [member], at)


def last_reading(chat_id: int) -> CommunityReading | None:
    """The newest reading of the member list."""
    return CommunityReading.objects.filter(chat_id=chat_id).order_by("-read_at", "-id").first()


@transaction.atomic
def _store(chat_id: int, members: Sequence[Member], at: datetime) -> None:
    """Keep them as they were at `at`. Of whom something newer is known, that stays."""
    bulk.insert(
        CommunityMember,
        ("telegram_id", *_TOLD),
        [[getattr(member, name) for name in ("telegram_id", *_TOLD)] for member in members],
        same={"chat_id": chat_id, "first_seen_at": at, "last_seen_at": at},
        conflict=_AS_SEEN_LAST,
    )


def _as_seen_last() -> str:
    """For who has a row: what the list tells; and they are back, unless they left since it was begun."""
    row = CommunityMember._meta.db_table
    told = ", ".join(f"{name} = excluded.{name}" for name in (*_TOLD, "last_seen_at"))
    back = f"CASE WHEN {row}.left_at >= excluded.last_seen_at THEN {row}.left_at END"
    return (
        f"ON CONFLICT (chat_id, telegram_id) DO UPDATE SET {told}, left_at = {back} "
        f"WHERE {row}.last_seen_at <= excluded.last_seen_at"
    )


_AS_SEEN_LAST = _as_seen_last()
