"""What to call a Telegram id: the names come from subscribers, and from the member list for all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import QuerySet

from whitelist.models import CommunityMember, Subscriber
from whitelist.record import gated_chat_id
from whitelist.services import CHUNK


@dataclass(frozen=True, slots=True)
class Name:
    """What somebody is called, as far as anybody told."""

    name: str = ""
    username: str = ""

    def __str__(self) -> str:
        handle = f"@{self.username}" if self.username else ""
        return f"{self.name} ({handle})" if self.name and handle else self.name or handle


def names_of(telegram_ids: Iterable[int]) -> dict[int, Name]:
    """The names of these people, in two queries for every thousand; empty ones for whom nobody knows."""
    ids = list(dict.fromkeys(telegram_ids))
    names = dict.fromkeys(ids, Name())
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        members = CommunityMember.objects.filter(chat_id=gated_chat_id(), telegram_id__in=some)
        for telegram_id, name, username in members.values_list("telegram_id", "name", "username"):
            names[telegram_id] = Name(name, username)
        for person in Subscriber.objects.filter(pk__in=some):
            newest = names[person.pk]
            names[person.pk] = Name(newest.name or person.full_name, newest.username or person.username)
    return names


def ids_called(text: str) -> Iterator[QuerySet[CommunityMember, int] | QuerySet[Subscriber, int]]:
    """Subqueries of the ids of those whose username begins with `text`, or whose name holds it."""
    text = text.strip().removeprefix("@")
    members, people = CommunityMember.objects.order_by(), Subscriber.objects.order_by()
    for field in ("username__istartswith", "name__icontains"):
        yield members.filter(chat_id=gated_chat_id(), **{field: text}).values_list("telegram_id", flat=True)
    for field in ("username__istartswith", "first_name__icontains", "last_name__icontains"):
        yield people.filter(**{field: text}).values_list("pk", flat=True)
