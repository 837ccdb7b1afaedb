"""Which notices have been told long enough ago to be forgotten. Reads, and changes nothing."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from members.notices.models import Delivery, Message, MessageState, Notice

_UNDER_WAY = (MessageState.WAITING, MessageState.SENDING)


def due_notices(before: datetime) -> QuerySet[Notice]:
    """Those written before, except what still waits to go out on some way."""
    mine = Delivery.objects.filter(notice=OuterRef("pk"))
    waiting = mine.filter(Q(message=None) | Q(message__state__in=_UNDER_WAY))
    return Notice.objects.filter(~Exists(waiting), created_at__lt=before).order_by("pk")


def due_messages(before: datetime) -> QuerySet[Message]:
    """The messages of before that carry no notice any more."""
    carried = Delivery.objects.filter(message=OuterRef("pk"))
    rows = Message.objects.filter(~Exists(carried), created_at__lt=before)
    return rows.exclude(state__in=_UNDER_WAY).order_by("pk")
