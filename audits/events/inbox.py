"""What follows from what a listener hears: messages are kept, and groups wait for a look."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import structlog
from django.db import InterfaceError, OperationalError, transaction

from audits.events.models import LiveEvent
from audits.events.relevance import Familiarity, due_at, together
from audits.history.live import keep_heard
from audits.history.models import Conversation, SyncJob
from audits.history.sync import request_sync
from members.clock import shared_now
from members.jobs import UNFINISHED
from members.models import Employee, EmployeeAccount, Group
from members.platforms.history import Heard
from members.platforms.live import GroupEvent, Happening, Item
from members.platforms.types import Platform

log = structlog.get_logger(__name__)

ACTOR = "live events"
REMEMBERED = 5_000
"""So many of the latest events are known again when they are told a second time."""


class Inbox:
    """Takes in what one listener hears. Told twice or late, nothing is done twice that matters."""

    def __init__(self) -> None:
        self._told: dict[str, None] = {}

    def take(self, items: Iterable[Item]) -> str:
        """Make what follows durable; one line about the last thing that mattered, "" when nothing did.

        A strange item is logged and left out: it must not keep the others away. Raises OperationalError.
        """
        last = ""
        for item in items:
            try:
                last = self._take(item) or last
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                log.exception("events.not_taken", platform=item.platform, group=item.group_id)
        return last

    def _take(self, item: Item) -> str:
        if isinstance(item, Heard):
            stored = keep_heard(item)
            kept = stored.new or stored.changed or stored.deleted
            return f"a message in {_name_of(item.platform, item.group_id)}" if kept else ""
        if item.once and item.once in self._told:
            return ""
        told = hear(item, now=shared_now())
        if item.once:
            self._told[item.once] = None
            if len(self._told) > REMEMBERED:
                del self._told[next(iter(self._told))]
        return told


def hear(event: GroupEvent, *, now: datetime) -> str:
    """Have the group looked at if the event is worth it; one line about that, "" when it is not."""
    if event.what is Happening.MISSED:
        read_again([event.platform], group_id=event.group_id)
        return ""
    with transaction.atomic():
        rows = LiveEvent.objects.filter(platform=event.platform, group_external_id=event.group_id)
        waiting = rows.select_for_update().filter(state=LiveEvent.State.WAITING).first()
        group, familiar = _group_of(event)
        since = None if waiting is None else waiting.heard_at
        due = due_at(event, familiar, ours_among(event.platform, event.people), now=now, since=since)
        if due is None:
            return ""
        row = waiting or LiveEvent(
            platform=event.platform, group_external_id=event.group_id, heard_at=now, due_at=due, times=0
        )
        row.what, row.last_heard_at, row.times = event.what, now, row.times + 1
        row.group_name = event.name or row.group_name or ("" if group is None else group.name)
        row.due_at = together(row.due_at, due, now=now)
        row.save()
    log.info("events.heard", platform=event.platform, group=event.group_id, what=event.what)
    return str(row)


def ours_among(platform: Platform, people: Iterable[str]) -> set[str]:
    """The ids among `people` that are our employees'."""
    wanted = [person for person in people if person.isalnum()]
    if not wanted:
        return set()
    field = f"{platform}_user_id"
    ours = Employee.objects.filter(**{f"{field}__in": wanted}).values_list(field, flat=True)
    found = {str(user_id) for user_id in ours}
    if platform is Platform.SLACK:  # a shared channel also tells of people of our other workspaces
        found |= set(EmployeeAccount.objects.filter(user_id__in=wanted).values_list("user_id", flat=True))
    return found


def _group_of(event: GroupEvent) -> tuple[Group | None, Familiarity]:
    """The group as the last audit left it, and how familiar it is."""
    group = Group.objects.filter(platform=event.platform, external_id=event.group_id).first()
    looks = LiveEvent.objects.filter(platform=event.platform, group_external_id=event.group_id)
    last = looks.filter(state=LiveEvent.State.SEEN).order_by("-pk").values_list("done_at", flat=True).first()
    in_scope = group is not None and group.in_scope
    return group, Familiarity(stored=group is not None, in_scope=in_scope, looked_at=last)


def read_again(platforms: Iterable[Platform], *, group_id: str = "", before: datetime | None = None) -> None:
    """Ask for a sync of the conversations that are kept up to date: of one group, or of those that were last
    read before `before`."""
    kept = Conversation.objects.filter(kept=True, group__archived=False, group__platform__in=list(platforms))
    if group_id:
        kept = kept.filter(group__external_id=group_id)
    if before is not None:
        kept = kept.exclude(read_at__gte=before)
    groups = [row.group for row in kept.select_related("group").order_by("pk")]
    if groups and not _is_asked_for(groups):
        request_sync(groups=groups, asked_by=ACTOR)
        log.info("events.read_again", groups=len(groups))


def _is_asked_for(groups: list[Group]) -> bool:
    keys = [[group.platform, group.external_id] for group in groups]
    return SyncJob.objects.filter(state__in=UNFINISHED, groups=keys).exists()


def _name_of(platform: Platform, group_id: str) -> str:
    known = Group.objects.filter(platform=platform, external_id=group_id)
    return known.values_list("name", flat=True).first() or group_id
