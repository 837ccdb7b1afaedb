"""Conversations as they lie in the database, without a platform that they came from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from audits.history.models import Conversation, Message, Sender
from members.models import Group
from members.platforms.history import micros
from members.platforms.types import GroupKind, Platform, Privacy

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""When conversations begin; a minute passes from one message to the next."""


def at(number: int) -> datetime:
    return BEGIN + timedelta(minutes=number)


def talk(name: str = "acme", platform: Platform = Platform.SLACK, **fields: Any) -> Conversation:
    """The conversation of a group that is called so; its id is the name in capitals."""
    now = timezone.now()
    group = Group.objects.create(
        platform=platform,
        external_id=name.upper(),
        name=name,
        kind=GroupKind.CHANNEL if platform is Platform.SLACK else GroupKind.SUPERGROUP,
        privacy=Privacy.PRIVATE,
        in_scope=True,
        first_seen_at=now,
        last_seen_at=now,
        category=fields.pop("category", None),
    )
    return Conversation.objects.create(group=group, read_at=now, **fields)


def say(
    conversation: Conversation, number: int, text: str = "", *, by: str = "Ada Example", **fields: Any
) -> Message:
    """Message `number`, at `at(number)`."""
    sender, _ = Sender.objects.get_or_create(
        platform=conversation.group.platform,
        external_id=by.split()[0].upper(),
        defaults={"name": by, "username": by.split()[0].lower()},
    )
    sent_at = fields.pop("sent_at", at(number))
    message = Message.objects.create(
        conversation=conversation,
        number=micros(sent_at),
        sent_at=sent_at,
        text=text or f"message {number}",
        sender=sender,
        raw={"text": text},
        **fields,
    )
    Conversation.objects.filter(pk=conversation.pk).update(
        message_count=conversation.messages.count(),
        first_message_at=conversation.messages.order_by("sent_at")[0].sent_at,
        last_message_at=conversation.messages.order_by("-sent_at")[0].sent_at,
    )
    return message
