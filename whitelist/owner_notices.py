"""Telling the owners of the community what nobody asked for: in the record, in Slack, and through the bot."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from members.operations import notices
from whitelist.models import OwnerNotice


def tell_owners(text: str, *, actor: str, operation_id: int | None = None) -> None:
    """Call it outside a transaction: it may wait for Slack. The bot tells it when it runs next."""
    if settings.TELEGRAM_BOT_TOKEN and settings.TELEGRAM_BOT_OWNERS:
        OwnerNotice.objects.create(text=text)
    notices.notify(text, actor=actor, operation_id=operation_id)


def untold() -> list[OwnerNotice]:
    """What the bot has still to say, the oldest first."""
    return list(OwnerNotice.objects.filter(told_at=None).order_by("pk")[:20])


def note_told(notice: OwnerNotice) -> None:
    """It was said: to whoever has opened the bot."""
    OwnerNotice.objects.filter(pk=notice.pk).update(told_at=timezone.now())
