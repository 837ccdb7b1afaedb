"""What happens in the gated community, as lines of the record of who did what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from members.operations import activity
from members.operations.activity import Event
from members.platforms.types import Platform

_MARK = 10**12
"""Bots write the id of a supergroup as -100 and its ten digits (core.telegram.org/api/bots/ids)."""


def gated_chat_id() -> int:
    """The bare id of the gated community, however the setting writes it; 0 when none is set."""
    number: int = settings.TELEGRAM_GATED_CHAT_ID or 0
    if number >= 0:
        return number
    return -number - _MARK if -number > _MARK else -number


def bot_api_id(chat_id: int) -> int:
    """The id of a supergroup as bots, and most programs, write it."""
    return -_MARK - chat_id


def note(action: str, telegram_ids: Iterable[int], *, actor: str, at: datetime, detail: str = "") -> None:
    """One line for each person, all with the same detail."""
    note_each(action, dict.fromkeys(telegram_ids, detail), actor=actor, at=at)


def note_together(action: str, telegram_ids: Sequence[int], *, actor: str, at: datetime, detail: str) -> None:
    """One line for all of them, which names each: for thousands who had the same thing done at once."""
    ids = ", ".join(map(str, telegram_ids))
    chat = gated_chat_id()
    event = Event(
        actor=actor,
        action=action,
        platform=Platform.TELEGRAM,
        group_id=str(chat) if chat else "",
        detail=f"{len(telegram_ids):,} people ({detail}): {ids}",
    )
    activity.record(events=[event], at=at)


def note_each(action: str, details: Mapping[int, str], *, actor: str, at: datetime) -> None:
    """One line for each person, with the detail that stands beside their id."""
    chat = gated_chat_id()
    activity.record(
        events=[
            Event(
                actor=actor,
                action=action,
                platform=Platform.TELEGRAM,
                group_id=str(chat) if chat else "",
                subject=str(telegram_id),
                detail=detail,
            )
            for telegram_id, detail in details.items()
        ],
        at=at,
    )
