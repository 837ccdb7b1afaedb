"""Writing into the outbox: in the transaction of what is told, so that both are there or neither."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db import transaction

from members.notices.kinds import Channel, NoticeKind
from members.notices.models import Delivery, Notice, NoticeSettings
from members.notices.texts import Attachment


@transaction.atomic
def write(
    *,
    kind: NoticeKind,
    text: str,
    path: str = "",
    once: str = "",
    attachments: Sequence[Attachment] = (),
    channels: frozenset[Channel] | None = None,
) -> Notice | None:
    """Tell people, soon and on the ways that they chose. Speaks to nobody itself, so it cannot wait.

    `text` is plain: what happened in the first line, then what to do. `path` is the admin's page about it.
    `once` names what is told: a second notice under the same name is none, and None is returned. `channels`
    are other ways than those chosen for the kind. Call it in the transaction of the cause.
    """
    values = {
        "kind": kind,
        "text": text,
        "path": path,
        "attachments": [[item.stored, item.name] for item in attachments],
    }
    if once:
        notice, is_new = Notice.objects.get_or_create(once=once[:200], defaults=values)
        if not is_new:
            return None
    else:
        notice = Notice.objects.create(**values)
    stored = NoticeSettings.current()
    wanted = stored.channels_of(kind) if channels is None else channels
    Delivery.objects.bulk_create(
        Delivery(notice=notice, channel=channel) for channel in Channel if channel in wanted & usable(stored)
    )
    return notice


def usable(stored: NoticeSettings) -> frozenset[Channel]:
    """The ways that are set up."""
    ready = {
        Channel.SLACK: bool(settings.SLACK_NOTIFY_CHANNEL),
        Channel.EMAIL: bool(settings.EMAIL_CONFIGURED and stored.addresses),
        Channel.BOT: bool(settings.TELEGRAM_BOT_TOKEN and settings.TELEGRAM_BOT_OWNERS),
    }
    return frozenset(channel for channel, is_ready in ready.items() if is_ready)


def url_of(path: str) -> str:
    """The address of a page for somebody outside; "" where nobody said where we are (SITE_URL)."""
    return f"{settings.SITE_URL.rstrip('/')}{path}" if settings.SITE_URL and path else ""
