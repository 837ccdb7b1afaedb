"""Keep what was read: each page in one transaction with the record of how far it reaches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from audits.history.coverage import Coverage
from audits.history.models import Conversation, Message, MessageFile, Sender
from audits.history.stretch import Key, Reach
from members.models import Group
from members.platforms import history
from members.platforms.history import moment
from members.platforms.types import Platform

_BATCH = 500
"""How many rows one query writes: databases limit their parameters."""

_TELLING = ("text", "edited_at", "reply_count", "latest_reply", "thread")
_CHANGING = (*_TELLING, "sender_id", "deleted_at", "raw")
"""What may be another in a message that was read before."""

_TOLD_ELSEWHERE = ("root", "parent_user_id")
"""What only one of Slack's two methods tells of an answer that stands in its channel as well."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing a page changed."""

    new: int = 0
    changed: int = 0
    deleted: int = 0
    earliest: datetime | None = None
    """When the first of the messages was sent that are there now and were not, or the reverse."""

    def __add__(self, other: Stored) -> Stored:
        moments = [at for at in (self.earliest, other.earliest) if at is not None]
        return Stored(
            self.new + other.new,
            self.changed + other.changed,
            self.deleted + other.deleted,
            min(moments, default=None),
        )


class Thread(NamedTuple):
    """The message that a thread begins with."""

    pk: int
    number: int
    latest_reply: int | None


def latest_of(thread: Thread, replies: Sequence[history.Message], after: int | None) -> int:
    """The number of the latest reply that is known by now; the thread's own where there is none."""
    return max(thread.number, after or 0, *(reply.number for reply in replies))


def newest_stored() -> int:
    """Where the numbering of the rows has come: whatever is stored from now on has a higher one."""
    return Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def conversation_of(group: Group) -> Conversation:
    """The group's conversation, made when there is none."""
    return Conversation.objects.get_or_create(group=group)[0]


@transaction.atomic
def store_page(
    *,
    conversation: Conversation,
    messages: Sequence[history.Message],
    reach: Reach | None = None,
    known_to: int = 0,
) -> Stored:
    """Keep one page of a history, and how far it reaches.

    What was stored by `known_to` (see `newest_stored`) where the page told everything, and was not on
    it, is there no more: it is marked as deleted, and kept. What somebody stored since may only be
    younger than the page.
    """
    locked = _locked(conversation)
    stored = _keep(locked, messages)
    if reach is not None and reach.proven is not None:
        shown = {(message.origin, message.number) for message in messages} | reach.seen_before
        where = Q(sent_at__gte=moment(reach.proven.start), sent_at__lt=moment(reach.proven.end))
        if locked.group.platform == Platform.SLACK:  # its history leaves the replies in threads out
            where &= Q(thread=None) | Q(thread=F("number"))
        stored += _mark_deleted(locked, where & Q(pk__lte=known_to), shown)
    if reach is not None and reach.covered is not None:
        locked.covered = Coverage.from_json(locked.covered).with_span(reach.covered).to_json()
    _note_extent(locked, messages, stored)
    return stored


@transaction.atomic
def store_replies(
    *, conversation: Conversation, thread: Thread, page: history.RepliesPage, after: int | None, known_to: int
) -> Stored:
    """Keep one page of a thread's replies, which follow the one numbered `after`.

    `known_to` as in `store_page`: what was stored by then between `after` and the page's end, and is not
    on it, is there no more.
    """
    locked = _locked(conversation)
    stored = _keep(locked, page.messages)
    shown = {(reply.origin, reply.number) for reply in page.messages}
    latest = latest_of(thread, page.messages, after)
    told = Q(thread=thread.number, number__gt=after or 0, pk__lte=known_to) & ~Q(number=thread.number)
    stored += _mark_deleted(locked, told if page.is_last else told & Q(number__lte=latest), shown)
    if page.is_last:
        whole = Message.objects.filter(conversation=locked, thread=thread.number, deleted_at=None)
        count = len(page.messages) if after is None else whole.exclude(pk=thread.pk).count()
        Message.objects.filter(pk=thread.pk).update(
            replies_read_to=max(latest, thread.latest_reply or 0), reply_count=Greatest("reply_count", count)
        )
    _note_extent(locked, page.messages, stored)
    return stored


@transaction.atomic
def store_heard(
    *, conversation: Conversation, message: history.Message | None, deleted: Sequence[int] = ()
) -> Stored:
    """Keep one message that somebody heard of, and note which are gone. It proves nothing of any other."""
    locked = _locked(conversation)
    messages = [] if message is None else [_with_known_thread(locked, message)]
    stored = _keep(locked, messages)
    if deleted:
        stored += _mark_deleted(locked, Q(origin="", number__in=deleted), set())
    for each in messages:
        _note_reply(locked, each)
    _note_extent(locked, messages, stored)
    return stored


def _with_known_thread(conversation: Conversation, message: history.Message) -> history.Message:
    """The message with what is known of its thread: events do not always repeat it."""
    known = _known(conversation, {(message.origin, message.number): message})
    before = known.get((message.origin, message.number))
    if before is None or message.reply_count >= before.reply_count:
        return message
    return replace(message, reply_count=before.reply_count, latest_reply=before.latest_reply)


def _note_reply(conversation: Conversation, reply: history.Message) -> None:
    """A reply tells that its thread has one more, which the next sync reads to its end."""
    if reply.thread in (None, reply.number) or conversation.group.platform != Platform.SLACK:
        return
    messages = Message.objects.filter(conversation=conversation, deleted_at=None)
    root = messages.filter(origin=reply.origin, number=reply.thread).first()
    if root is not None:
        root.reply_count = max(
            root.reply_count, messages.filter(thread=root.number).exclude(pk=root.pk).count()
        )
        root.latest_reply = max(root.latest_reply or 0, reply.number)
        root.save(update_fields=["reply_count", "latest_reply"])


def _locked(conversation: Conversation) -> Conversation:
    return (
        Conversation.objects.select_for_update(of=("self",)).select_related("group").get(pk=conversation.pk)
    )


def _keep(conversation: Conversation, messages: Iterable[history.Message]) -> Stored:
    """Insert what is new and update what changed; what is the same costs nothing but the look."""
    told = {(message.origin, message.number): message for message in messages}
    known = _known(conversation, told)
    senders = _senders(conversation.group.platform, told.values())
    new, changed, moved = [], [], []
    for key, message in told.items():
        row = _row(conversation, message, senders)
        before = known.get(key)
        if before is None:
            row.deleted_at = timezone.now() if message.gone else None
            new.append(row)
            moved.append(row.sent_at)
        elif _differs(before, row, message):
            row.pk, row.deleted_at = before.pk, before.deleted_at if message.gone else None
            row.raw = {name: before.raw[name] for name in _TOLD_ELSEWHERE if name in before.raw} | row.raw
            if message.gone:
                row.text, row.raw, row.sender_id = before.text, before.raw, before.sender_id
                row.deleted_at = before.deleted_at or timezone.now()
            changed.append(row)
            moved += [row.sent_at] if (row.deleted_at is None) != (before.deleted_at is None) else []
    Message.objects.bulk_create(new, batch_size=_BATCH)
    Message.objects.bulk_update(changed, _CHANGING, batch_size=_BATCH)
    _keep_files(new, changed, told)
    return Stored(new=len(new), changed=len(changed), earliest=min(moved, default=None))


def _keep_files(new: Sequence[Message], changed: Sequence[Message], told: Mapping[Key, Any]) -> None:
    """The files of messages; those that an edit took away stay where we have what they held."""
    there: defaultdict[int, list[MessageFile]] = defaultdict(list)
    for file in MessageFile.objects.filter(message__in=changed):
        there[file.message_id].append(file)
    added, gone = [], []
    for row in (*new, *changed):
        wanted = {file.id[:64]: file for file in told[row.origin, row.number].attachments}
        before = there[row.pk]
        gone += [file.pk for file in before if file.external_id not in wanted and file.blob_id is None]
        place = max((file.position for file in before), default=-1)
        known = {file.external_id for file in before}
        fresh = [file for file_id, file in wanted.items() if file_id not in known]
        added += [_file_row(row, position, file) for position, file in enumerate(fresh, start=place + 1)]
    if gone:
        MessageFile.objects.filter(pk__in=gone).delete()
    MessageFile.objects.bulk_create(added, batch_size=_BATCH)


def _file_row(message: Message, position: int, file: history.Attachment) -> MessageFile:
    return MessageFile(
        message=message,
        position=position,
        external_id=file.id[:64],
        kind=file.kind,
        name=file.name[:255],
        mime_type=file.mime_type[:127],
        size=file.size,
    )


def _known(conversation: Conversation, told: Mapping[Key, Any]) -> dict[Key, Message]:
    rows = Message.objects.filter(conversation=conversation, number__in=[number for _, number in told])
    return {(row.origin, row.number): row for row in rows}


def _row(conversation: Conversation, message: history.Message, senders: Mapping[str, Sender]) -> Message:
    return Message(
        conversation=conversation,
        origin=message.origin,
        number=message.number,
        sent_at=message.sent_at,
        sender=senders[message.sender.id] if message.sender else None,
        kind=message.kind,
        text=message.text,
        thread=message.thread,
        reply_to=message.reply_to,
        edited_at=message.edited_at,
        reply_count=message.reply_count,
        latest_reply=message.latest_reply,
        raw=dict(message.raw),
    )


def _differs(before: Message, now: Message, message: history.Message) -> bool:
    if message.gone:
        same = (before.reply_count, before.latest_reply) == (now.reply_count, now.latest_reply)
        return before.deleted_at is None or not same
    if before.deleted_at is not None:
        return True  # it is there all the same
    if before.edited_at is not None and now.edited_at is not None and now.edited_at < before.edited_at:
        return False  # it was read before the edit that somebody stored meanwhile
    if any(getattr(before, name) != getattr(now, name) for name in _TELLING):
        return True
    if any(name in now.raw and name not in before.raw for name in _TOLD_ELSEWHERE):
        return True
    return _comparable(before.raw) != _comparable(now.raw)


def _comparable(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name not in _TOLD_ELSEWHERE}


def _senders(platform: str, messages: Iterable[history.Message]) -> dict[str, Sender]:
    """The senders of `messages`, and whom they speak of, by id; with the last name known of each."""
    named: dict[str, history.Sender] = {}
    for message in messages:
        named |= {each.id: each for each in message.mentions}
        named |= {message.sender.id: message.sender} if message.sender is not None else {}
    told = dict(sorted(named.items()))  # two writers take the rows in one order: neither waits for ever
    rows = Sender.objects.filter(platform=platform, external_id__in=told)
    known = {row.external_id: row for row in rows}
    new = [
        Sender(
            platform=platform,
            external_id=sender.id,
            name=sender.name[:255],
            username=sender.username[:80],
            is_bot=sender.is_bot,
        )
        for key, sender in told.items()
        if key not in known
    ]
    renamed = []
    for key, row in known.items():
        name, username = told[key].name[:255] or row.name, told[key].username[:80] or row.username
        if (name, username) != (row.name, row.username):
            row.name, row.username = name, username
            renamed.append(row)
    Sender.objects.bulk_update(renamed, ["name", "username"], batch_size=_BATCH)
    if not new:
        return known
    Sender.objects.bulk_create(new, ignore_conflicts=True, batch_size=_BATCH)  # somebody else may be as fast
    rows = Sender.objects.filter(platform=platform, external_id__in=[row.external_id for row in new])
    return known | {row.external_id: row for row in rows}


def _mark_deleted(conversation: Conversation, where: Q, shown: set[Key]) -> Stored:
    stored = Message.objects.filter(where, conversation=conversation, deleted_at=None)
    gone = [
        (pk, sent_at)
        for pk, origin, number, sent_at in stored.values_list("pk", "origin", "number", "sent_at").iterator()
        if (origin, number) not in shown
    ]
    now = timezone.now()
    for at in range(0, len(gone), _BATCH):
        batch = [pk for pk, _ in gone[at : at + _BATCH]]
        Message.objects.filter(pk__in=batch).update(deleted_at=now)
    return Stored(deleted=len(gone), earliest=min((sent_at for _, sent_at in gone), default=None))


def _note_extent(conversation: Conversation, messages: Sequence[history.Message], stored: Stored) -> None:
    times = [message.sent_at for message in messages]
    known = [at for at in (conversation.first_message_at, conversation.last_message_at) if at is not None]
    if times:
        conversation.first_message_at, conversation.last_message_at = min(times + known), max(times + known)
    conversation.message_count += stored.new
    uncounted = [at for at in (conversation.uncounted_from, stored.earliest) if at is not None]
    conversation.uncounted_from = min(uncounted, default=None)
    changed = ("covered", "first_message_at", "last_message_at", "message_count", "uncounted_from")
    conversation.save(update_fields=changed)


def note_read(*, conversation: Conversation, at: datetime, limited: bool, whole: bool) -> None:
    """The conversation was read to its newest message, and `whole`: also what was kept before."""
    changes: dict[str, Any] = {"read_at": at, "limited": limited} | ({"reread_at": at} if whole else {})
    Conversation.objects.filter(pk=conversation.pk).update(**changes)
