"""From the outbox to people: collect what may go, claim it, send it, write down what came of it.

At least once: a message whose sender died, or whose answer was lost, is sent again, after a look whether it
is there already (`members.notices.senders`). Several processes may deliver at a time: each claim is a
conditional update.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from members.clock import SharedNow, shared_now
from members.notices.kinds import Channel, NoticeKind
from members.notices.models import Delivery, Message, MessageState, NoticeSettings
from members.notices.senders import Undelivered, send_by_email, send_to_slack
from members.notices.services import url_of
from members.notices.texts import Attachment, Envelope, Item, subject_of, text_of
from members.notices.timing import MAX_ATTEMPTS, may_go, pause_after

AT_ONCE = 10
"""So many messages go out on one way in one go; the others follow with the next."""
PACE_SECONDS = 1.0
"""Between two messages on one way: Slack takes one a second for a channel."""
LOST_AFTER = timedelta(minutes=5)
"""A message that somebody began to send so long ago has lost its sender."""

log = structlog.get_logger(__name__)

Sender = Callable[[Envelope], None]
SENDERS: Mapping[Channel, Sender] = {Channel.SLACK: send_to_slack, Channel.EMAIL: send_by_email}
"""The bot sends for itself: it holds the only connection (`whitelist.owner_notices`)."""


def deliver() -> int:
    """Send what is due. Returns how many messages got through; trouble is written down, never raised."""
    take_back_lost()
    collect(SENDERS)
    return sum(_send_due(channel) for channel in SENDERS)


def collect(channels: Collection[Channel]) -> None:
    """Make messages of what may go out now."""
    waiting = Delivery.objects.filter(message=None, channel__in=channels).order_by()
    found = list(waiting.values_list("channel", "notice__kind").distinct())
    if not found:
        return
    now, stored = shared_now(), NoticeSettings.current()
    for channel, kind in ((Channel(name), NoticeKind(kind_name)) for name, kind_name in found):
        last = Message.objects.filter(channel=channel, kind=kind).order_by("-created_at").first()
        if may_go(
            now,
            last=None if last is None else last.created_at,
            window=stored.window,
            quiet=stored.quiet,
            urgent=kind.facts.urgent,
        ):
            _make_messages(channel, kind, now=now, together=stored.digest_minutes > 0)


@transaction.atomic
def _make_messages(channel: Channel, kind: NoticeKind, *, now: datetime, together: bool) -> None:
    waiting = Delivery.objects.filter(message=None, channel=channel, notice__kind=kind)
    keys = list(waiting.order_by("pk").values_list("pk", flat=True))
    for batch in [keys] if together and keys else [[key] for key in keys]:
        message = Message.objects.create(channel=channel, kind=kind, created_at=now, due_at=now)
        if not Delivery.objects.filter(pk__in=batch, message=None).update(message=message):
            message.delete()  # somebody else was faster


def take_back_lost() -> None:
    """What a dead process had begun to send waits again, and may have got through."""
    lost = Message.objects.filter(
        state=MessageState.SENDING, claimed_at__lt=SharedNow() - LOST_AFTER
    ).exclude(channel=Channel.BOT)
    if count := lost.update(state=MessageState.WAITING, doubtful=True):
        log.warning("notices.taken_back", messages=count)


def due(channel: Channel) -> list[Message]:
    """What is to be sent on this way now, the oldest first."""
    waiting = Message.objects.filter(channel=channel, state=MessageState.WAITING, due_at__lte=SharedNow())
    return list(waiting.order_by("pk")[:AT_ONCE])


def _send_due(channel: Channel) -> int:
    sent = 0
    for number, message in enumerate(due(channel)):
        if number:
            time.sleep(PACE_SECONDS)
        sent += send_message(message)
    return sent


def send_message(message: Message) -> bool:
    """Send it here and now, if nobody else does. False where it did not get through: the row says why."""
    mine = Message.objects.filter(pk=message.pk, state=MessageState.WAITING)
    if not mine.update(
        state=MessageState.SENDING, claimed_at=SharedNow(), attempts=F("attempts") + 1, error=""
    ):
        return False
    message.refresh_from_db()
    try:
        SENDERS[Channel(message.channel)](envelope_of(message))
    except Undelivered as trouble:
        _note_failure(message, trouble)
        return False
    except Exception as error:
        log.exception("notices.crashed", message=message.pk)
        _note_failure(message, Undelivered(f"Unexpected error ({type(error).__name__}); the log has it."))
        return False
    note_sent(message)
    return True


def note_sent(message: Message) -> None:
    """It got through."""
    Message.objects.filter(pk=message.pk).update(
        state=MessageState.SENT, sent_at=timezone.now(), error="", doubtful=False
    )


def try_again(message: Message) -> bool:
    """Have a message that was given up sent anew. False when it was not."""
    given_up = Message.objects.filter(pk=message.pk, state=MessageState.FAILED)
    return bool(given_up.update(state=MessageState.WAITING, attempts=0, due_at=SharedNow()))


def envelope_of(message: Message) -> Envelope:
    """What people read of it."""
    kind = NoticeKind(message.kind)
    notices = [
        delivery.notice for delivery in message.deliveries.select_related("notice").order_by("notice_id")
    ]
    items = [Item(notice.text, url_of(notice.path)) for notice in notices]
    everything = url_of(reverse("admin:notices_notice_changelist")) if len(items) > 1 else ""
    return Envelope(
        number=message.pk,
        subject=subject_of(kind, items),
        text=text_of(kind, items, number=message.pk, list_url=everything),
        created_at=message.created_at,
        attachments=tuple(
            Attachment(stored, name) for notice in notices for stored, name in notice.attachments
        ),
        doubtful=message.doubtful,
    )


def _note_failure(message: Message, trouble: Undelivered) -> None:
    given_up = message.attempts >= MAX_ATTEMPTS
    pause = max(pause_after(message.attempts), timedelta(seconds=trouble.seconds))
    Message.objects.filter(pk=message.pk, state=MessageState.SENDING).update(
        state=MessageState.FAILED if given_up else MessageState.WAITING,
        due_at=SharedNow() + pause,
        doubtful=message.doubtful or trouble.in_doubt,
        error=_first(str(trouble)),
    )
    log.warning("notices.not_sent", message=message.pk, channel=message.channel, error=str(trouble))


def _first(text: str) -> str:
    return text.partition("\n")[0][:500]
