"""How lively conversations are: counted week by week as they change, and read from there.

Counting one week is one short transaction, so it may end anywhere and go on later. The pure part is in
`audits.history.weeks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audits.history.models import Conversation, Message, WeekOfTalk
from audits.history.weeks import (
    WEEK,
    Engagement,
    Utterance,
    Week,
    count_week,
    monday_of,
    start_of,
    summarise,
)
from members.models import Employee, EmployeeAccount
from members.platforms.history import MessageKind
from members.platforms.types import Platform

WEEKS = 12
"""How many weeks pages and files look back."""

Staff = Mapping[str, str]
"""The keys of employees by their ids on one platform."""


def staff_on(platform: str) -> Staff:
    """Everybody who is, or was, an employee and whose id is known."""
    field = "slack_user_id" if platform == Platform.SLACK else "telegram_user_id"
    rows = Employee.objects.exclude(**{field: None}).order_by("key").values_list(field, "key")
    usual = {str(external_id): key for external_id, key in rows}
    if platform != Platform.SLACK:
        return usual
    accounts = EmployeeAccount.objects.exclude(user_id="").order_by("employee__key", "workspace")
    return dict(accounts.values_list("user_id", "employee__key")) | usual


def count_up(*, conversation_id: int, stopping: Callable[[], bool] = lambda: False) -> None:
    """Count every week of a conversation that changed since it was counted."""
    platform = Conversation.objects.values_list("group__platform", flat=True).get(pk=conversation_id)
    staff = staff_on(platform)
    _count_for(conversation_id, staff)
    while not stopping() and _count_next_week(conversation_id, staff):
        pass


def count_all(*, stopping: Callable[[], bool] = lambda: False) -> None:
    """The same for all conversations. After a change of the employees, every one is counted anew."""
    changed = ~Q(uncounted_from=None)
    for platform in Platform:
        fingerprint = _fingerprint(staff_on(platform))
        changed |= Q(group__platform=platform, first_message_at__isnull=False) & ~Q(counted_for=fingerprint)
    for pk in list(Conversation.objects.filter(changed).order_by("pk").values_list("pk", flat=True)):
        if stopping():
            return
        count_up(conversation_id=pk, stopping=stopping)


def engagement_of(
    conversations: Iterable[Conversation], *, now: datetime | None = None, weeks: int = WEEKS
) -> dict[int, Engagement]:
    """The last weeks of `conversations`, by their primary keys; one query for all of them."""
    now = now or timezone.now()
    first = monday_of(now) - (weeks - 1) * WEEK
    by_conversation: dict[int, list[Week]] = {row.pk: [] for row in conversations}
    for row in WeekOfTalk.objects.filter(conversation__in=by_conversation, monday__gte=first):
        by_conversation[row.conversation_id].append(_week(row))
    return {pk: summarise(counted, now=now, count=weeks) for pk, counted in by_conversation.items()}


def quiet_days(conversation: Conversation, now: datetime) -> int | None:
    """Whole days since somebody last wrote; None where nobody ever did."""
    said = conversation.last_said_at
    return None if said is None else max((now - said).days, 0)


def names_of(keys: Iterable[str]) -> dict[str, str]:
    """The employees' names; the key of one who was deleted."""
    wanted = set(keys)
    rows = Employee.objects.filter(key__in=wanted).values_list("key", "name")
    return {key: key for key in wanted} | dict(rows)


@transaction.atomic
def _count_for(conversation_id: int, staff: Staff) -> None:
    """Have all weeks counted again where the employees are others than before.

    The week in which the kept messages begin may have been whole once: it stays as it was counted.
    """
    conversation = Conversation.objects.select_for_update().get(pk=conversation_id)
    fingerprint = _fingerprint(staff)
    first = conversation.first_message_at
    if conversation.counted_for == fingerprint or first is None:
        return
    start = first if not conversation.counted_for else start_of(monday_of(first) + WEEK)
    conversation.uncounted_from = min(start, conversation.uncounted_from or start)
    conversation.counted_for = fingerprint
    conversation.save(update_fields=["uncounted_from", "counted_for"])


@transaction.atomic
def _count_next_week(conversation_id: int, staff: Staff) -> bool:
    """Count the first week that needs it. Returns whether there was one."""
    conversation = Conversation.objects.select_for_update().get(pk=conversation_id)
    if conversation.uncounted_from is None:
        return False
    monday = monday_of(conversation.uncounted_from)
    start, end = start_of(monday), start_of(monday + WEEK)
    said = Message.objects.filter(conversation=conversation, kind=MessageKind.MESSAGE, deleted_at=None)
    talk = said.filter(sent_at__gte=start, sent_at__lt=end).order_by("sent_at", "number")
    columns = ("sent_at", "sender__external_id", "sender__is_bot")
    before = conversation.weeks.filter(monday__lt=monday).order_by("-monday").first()
    week = count_week(
        monday,
        (Utterance(at, staff.get(who or "", ""), bool(bot)) for at, who, bot in talk.values_list(*columns)),
        waiting_since=before.waiting_since if before else None,
    )
    _save(conversation, week)
    later = said.filter(sent_at__gte=end).order_by("sent_at").values_list("sent_at", flat=True).first()
    counted_later = conversation.weeks.filter(monday__gt=monday).order_by("monday").first()
    starts = [later] if later is not None else []
    starts += [start_of(counted_later.monday)] if counted_later is not None else []
    conversation.uncounted_from = min(starts, default=None)
    if not starts:
        last = conversation.weeks.exclude(last_said_at=None).order_by("-monday").first()
        conversation.last_said_at = last.last_said_at if last else None
        conversation.waiting_since = week.waiting_since
    conversation.save(update_fields=["uncounted_from", "last_said_at", "waiting_since"])
    return True


def _save(conversation: Conversation, week: Week) -> None:
    if not week.messages:
        WeekOfTalk.objects.filter(conversation=conversation, monday=week.monday).delete()
        return
    values = asdict(week)
    monday = values.pop("monday")
    WeekOfTalk.objects.update_or_create(conversation=conversation, monday=monday, defaults=values)


def _week(row: WeekOfTalk) -> Week:
    return Week(
        monday=row.monday,
        messages=row.messages,
        from_customers=row.from_customers,
        by_employee=row.by_employee,
        answers=row.answers,
        last_said_at=row.last_said_at,
        waiting_since=row.waiting_since,
    )


def _fingerprint(staff: Staff) -> str:
    return sha256(repr(sorted(staff.items())).encode()).hexdigest()
