"""How long messages are kept, and the purge that deletes those whose time is over.

What was purged is no longer covered, and no sync asks for it again: a sync reads nothing from before
`Retention.start`. Where the time is made longer, the next sync fetches what that brings back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, time, timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef
from django.utils import timezone

from audits.history.coverage import Coverage
from audits.history.display import counted
from audits.history.models import Blob, Conversation, Message, MessageFile, Purge, RetentionPeriod
from members.models import Group
from members.operations import activity
from members.operations.activity import Event
from members.platforms.history import micros

PORTION = 500
"""Messages that one transaction deletes: others write in between."""


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many days after they were sent messages are kept; 0 stands for ever."""

    usual: int
    by_category: Mapping[int, int] = field(default_factory=dict)

    def start(self, group: Group, now: datetime) -> datetime | None:
        """From when on `group`'s messages are kept: a midnight (UTC). None where they all are."""
        return start_of(self.by_category.get(group.category_id or 0, self.usual), now)


def start_of(days: int, now: datetime) -> datetime | None:
    """The midnight (UTC) from which on what was sent is no more than `days` old; None for 0."""
    today = now.astimezone(UTC).date()
    if not 0 < days < today.toordinal():
        return None
    return datetime.combine(today - timedelta(days=days), time(), UTC)


def load_retention() -> Retention:
    """What the setting and the categories say now."""
    periods = RetentionPeriod.objects.values_list("category_id", "days")
    return Retention(settings.HISTORY_RETENTION_DAYS, dict(periods))


@dataclass(slots=True)
class PurgedGroup:
    """A line of a purge's report."""

    platform: str
    id: str
    name: str
    before: str
    """Day (UTC) before which everything was deleted."""
    messages: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class _Portion:
    messages: int
    files: int
    bytes: int


def purge(*, actor: str, stopping: Callable[[], bool] = lambda: False) -> tuple[Purge | None, bool]:
    """Delete every message whose time is over, and the files that nothing else refers to, in portions.

    Returns the report, None when there was nothing to delete, and whether all is done: not so when
    `stopping` answered True. What was deleted until then is reported.
    """
    now = timezone.now()
    report: Purge | None = None
    for conversation, start in _overdue(now):
        group = conversation.group
        line = PurgedGroup(group.platform, group.external_id, group.name, f"{start:%Y-%m-%d}")
        while True:
            if stopping():
                return _reported(report, actor), False
            report = report or Purge.objects.create(started_at=now)
            portion = _purge_portion(conversation, start, report)
            line.messages += portion.messages
            line.files += portion.files
            if portion.messages < PORTION:
                break
        if line.messages:
            report.groups = [*report.groups, asdict(line)]
            report.save(update_fields=["groups"])
    return _reported(report, actor), True


def count_overdue(category_id: int, days: int) -> int:
    """How many messages the next purge would delete in a category that kept them for `days`."""
    start = start_of(days, timezone.now())
    if start is None:
        return 0
    rows = Message.objects.filter(conversation__group__category=category_id, sent_at__lt=start)
    return rows.count()


def _overdue(now: datetime) -> Iterator[tuple[Conversation, datetime]]:
    retention = load_retention()
    kept = Conversation.objects.filter(first_message_at__isnull=False).select_related("group")
    for conversation in kept.order_by("pk"):
        start = retention.start(conversation.group, now)
        first = conversation.first_message_at
        if start is not None and first is not None and first < start:
            yield conversation, start


@transaction.atomic
def _purge_portion(conversation: Conversation, start: datetime, report: Purge) -> _Portion:
    """Delete the oldest messages, and say so wherever they were counted."""
    locked = Conversation.objects.select_for_update().get(pk=conversation.pk)
    rows = Message.objects.filter(conversation=locked)
    old = list(rows.filter(sent_at__lt=start).order_by("sent_at").values_list("pk", flat=True)[:PORTION])
    files = MessageFile.objects.filter(message__in=old, blob__isnull=False)
    blobs = list(files.values_list("blob", flat=True).distinct())
    Message.objects.filter(pk__in=old).delete()
    deleted = _delete_unused(blobs)
    locked.covered = Coverage.from_json(locked.covered).from_on(micros(start)).to_json()
    locked.message_count = max(locked.message_count - len(old), 0)
    locked.first_message_at = rows.aggregate(first=Min("sent_at"))["first"]
    locked.save(update_fields=["covered", "message_count", "first_message_at"])  # how quiet it is stays known
    portion = _Portion(len(old), len(deleted), sum(blob.size for blob in deleted))
    Purge.objects.filter(pk=report.pk).update(
        messages=F("messages") + portion.messages,
        files=F("files") + portion.files,
        bytes=F("bytes") + portion.bytes,
    )
    return portion


def _delete_unused(blobs: list[int]) -> list[Blob]:
    """Of `blobs`, delete those that no message has any more; what they held goes once that is durable."""
    used = MessageFile.objects.filter(blob=OuterRef("pk"))
    unused = list(Blob.objects.select_for_update().filter(~Exists(used), pk__in=blobs))
    names = [str(blob.file) for blob in unused if blob.file]
    Blob.objects.filter(pk__in=[blob.pk for blob in unused]).delete()

    def forget() -> None:
        again = set(Blob.objects.filter(file__in=names).values_list("file", flat=True))  # sent anew meanwhile
        for name in names:
            if name not in again:
                default_storage.delete(name)

    transaction.on_commit(forget)
    return unused


@transaction.atomic
def _reported(report: Purge | None, actor: str) -> Purge | None:
    """Put on record what was deleted; an empty report is none."""
    if report is None:
        return None
    report.refresh_from_db()
    if not report.messages:
        report.delete()
        return None
    report.finished_at = timezone.now()
    report.save(update_fields=["finished_at"])
    what = f"{counted(report.messages, 'message')} and {counted(report.files, 'file')}"
    detail = f"{report}: {what} of {counted(len(report.groups), 'group')}"
    activity.record(events=[Event(actor=actor, action="history.purged", detail=detail)], at=timezone.now())
    return report
