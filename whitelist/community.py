"""Who is in the gated community: the snapshot of its member list, and what follows from a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from whitelist import services
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


def present_ids(chat_id: int) -> frozenset[int]:
    """Who is in the community, as far as we know."""
    present = CommunityMember.objects.filter(chat_id=chat_id, left_at=None)
    return frozenset(present.values_list("telegram_id", flat=True))


def departed(chat_id: int, members: Iterable[Member], expected: int | None) -> frozenset[int]:
    """Who seems to have left since the last reading; ask the community about each before `reconcile`."""
    reading = Reading(frozenset(member.telegram_id for member in members), expected)
    return left_unseen(present_ids(chat_id), reading)


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
    before = present_ids(chat_id)
    left = left_unseen(before, reading, removed=removed, still_there=still_there)
    # Burned before it is noted that they are gone: who dies in between finds them again.
    burned = services.burn(telegram_ids=left, cause=Cause.LEFT_UNSEEN, actor=RECONCILIATION, at=at)
    note_left(chat_id=chat_id, telegram_ids=left | (before & (removed - shown.keys())), at=at)
    people, known = list(shown.values()), _known(chat_id)
    for start in range(0, len(people), services.CHUNK):
        _store(chat_id, people[start : start + services.CHUNK], at, known)
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
    _store(chat_id, [member], at, _known(chat_id, telegram_id=member.telegram_id))


def last_reading(chat_id: int) -> CommunityReading | None:
    """The newest reading of the member list."""
    return CommunityReading.objects.filter(chat_id=chat_id).order_by("-read_at", "-id").first()


def _known(chat_id: int, **condition: int) -> dict[int, tuple[Any, ...]]:
    """What is stored of each that a member list would tell, by Telegram id."""
    rows = CommunityMember.objects.filter(chat_id=chat_id, **condition).order_by()
    return {row[0]: row[1:] for row in rows.values_list("telegram_id", *_TOLD)}


@transaction.atomic
def _store(
    chat_id: int, members: Sequence[Member], at: datetime, known: Mapping[int, tuple[Any, ...]]
) -> None:
    """Most of them are as they were: of those only when they were last seen is written."""
    CommunityMember.objects.bulk_create(
        [
            CommunityMember(
                chat_id=chat_id,
                telegram_id=member.telegram_id,
                username=member.username,
                name=member.name,
                role=member.role,
                is_bot=member.is_bot,
                is_our_account=member.is_our_account,
                first_seen_at=at,
                last_seen_at=at,
            )
            for member in members
            if known.get(member.telegram_id) != tuple(getattr(member, name) for name in _TOLD)
        ],
        update_conflicts=True,
        unique_fields=["chat_id", "telegram_id"],
        update_fields=_TOLD,
    )
    if ids := [member.telegram_id for member in members if member.telegram_id in known]:
        rows = CommunityMember.objects.filter(chat_id=chat_id, telegram_id__in=ids)
        rows.update(last_seen_at=at)
        # Not those of whom we were told meanwhile that they left: the list is older than that.
        rows.filter(left_at__lt=at).update(left_at=None)
