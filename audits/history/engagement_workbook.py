"""How lively conversations are, as a workbook: a sheet of groups, and one of their weeks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from io import BytesIO

from audits.history.engagement import WEEKS, engagement_of, names_of, quiet_days
from audits.history.models import Conversation
from audits.history.weeks import Engagement
from members.platforms.types import Platform
from members.spreadsheet import CellValue, Column, add_sheet, workbook_in

_GROUP = (Column("Platform", 11), Column("Group Name", 42), Column("Group ID", 18))
_GROUPS = (
    *_GROUP,
    Column("Category", 18),
    Column("Quiet Days", 11),
    Column("Last Message (UTC)", 19, "yyyy-mm-dd hh:mm"),
    Column("Customer Waits Since (UTC)", 19, "yyyy-mm-dd hh:mm"),
    Column(f"Messages in {WEEKS} Weeks", 13),
    Column("From Customers", 13),
    Column("Answers", 10),
    Column("Usual First Answer (minutes)", 16),
    Column("Staff Who Take Part", 60),
)
_WEEKS = (*_GROUP, Column("Week From", 12, "yyyy-mm-dd"), Column("Messages", 10))


def write_workbook(conversations: Sequence[Conversation], *, now: datetime) -> bytes:
    """`conversations` with their groups and categories, in their order."""
    engagements = engagement_of(conversations, now=now)
    names = names_of(key for each in engagements.values() for key, _ in each.by_employee)
    groups = (
        _line(each, engagements[each.pk], names, now) for each in conversations
    )  # the sheet is streamed: one line at a time
    with workbook_in(file := BytesIO()) as book:
        add_sheet(book, "Groups", _GROUPS, groups)
        add_sheet(book, "Weeks", _WEEKS, _weeks(conversations, engagements))
    return file.getvalue()


def _line(
    conversation: Conversation, engagement: Engagement, names: dict[str, str], now: datetime
) -> Sequence[CellValue]:
    usual = engagement.usual_answer
    return (
        *_group(conversation),
        str(conversation.group.category or ""),
        quiet_days(conversation, now),
        conversation.last_said_at,
        conversation.waiting_since,
        engagement.messages,
        engagement.from_customers,
        engagement.answered,
        None if usual is None else round(usual.total_seconds() / 60),
        ", ".join(f"{names[key]} ({count})" for key, count in engagement.by_employee),
    )


def _weeks(
    conversations: Sequence[Conversation], engagements: dict[int, Engagement]
) -> Iterator[Sequence[CellValue]]:
    for conversation in conversations:
        for monday, messages in engagements[conversation.pk].weeks:
            yield (*_group(conversation), monday, messages)


def _group(conversation: Conversation) -> tuple[str, str, str]:
    group = conversation.group
    return Platform(group.platform).label, group.name, group.external_id
