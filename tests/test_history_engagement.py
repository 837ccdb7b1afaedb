"""How lively conversations are: who is quiet, who waits, how soon we answer, who of us takes part."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from io import BytesIO

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from pytest_django import DjangoAssertNumQueries, Settings

from audits.history.engagement import count_all, engagement_of
from audits.history.models import Conversation, Message, WeekOfTalk
from audits.history.weeks import WEEK, Utterance, count_week, monday_of, summarise
from members.models import Employee, Group
from members.platforms.types import GroupKind, Platform, Privacy
from tests.history_world import at, conversation, group, said, slack, sync, ts
from tests.slack_world import ADA, BOB, ROBO

START = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday."""
MICRO = timedelta(microseconds=100)
"""How far behind the full minute the messages of `said` are."""
pytestmark = pytest.mark.django_db(transaction=True)


def talk(*said: str) -> list[Utterance]:
    """ "c0" is a customer's message in minute 0, "ada5" an employee's, "bot9" a bot's."""
    lines = []
    for word in said:
        who, minute = word.rstrip("0123456789"), int(word.lstrip("abcdefghijklmnopqrstuvwxyz"))
        employee = "" if who in ("c", "bot") else who
        lines.append(Utterance(START + timedelta(minutes=minute), employee, who == "bot"))
    return lines


def test_a_customer_waits_from_the_first_question_to_the_first_answer() -> None:
    week = count_week(
        START.date(), talk("ada0", "c1", "c5", "bot6", "bob11", "ada12", "c20"), waiting_since=None
    )
    assert (week.messages, week.from_customers) == (7, 3)
    assert week.by_employee == {"ada": 2, "bob": 1}
    assert week.answers == [600]
    assert week.waiting_since == START + timedelta(minutes=20)


@given(st.lists(st.tuples(st.integers(0, 60 * 24 * 40), st.sampled_from(["", "ada", "bob"])), max_size=60))
def test_weeks_carry_over_who_waits(lines: list[tuple[int, str]]) -> None:
    """Week by week comes out as the whole conversation at once."""
    whole = [Utterance(START + timedelta(minutes=minute), who) for minute, who in sorted(lines)]
    expected = count_week(START.date(), whole, waiting_since=None)
    weeks, waiting = [], None
    for number in range(6):
        monday = START.date() + number * WEEK
        part = [line for line in whole if monday_of(line.at) == monday]
        weeks.append(count_week(monday, part, waiting_since=waiting))
        waiting = weeks[-1].waiting_since
    assert waiting == expected.waiting_since
    assert [seconds for week in weeks for seconds in week.answers] == expected.answers
    summary = summarise(weeks, now=START + 5 * WEEK, count=6)
    assert [monday for monday, _ in summary.weeks] == [START.date() + number * WEEK for number in range(6)]
    assert (summary.messages, dict(summary.by_employee)) == (len(whole), expected.by_employee)


def test_what_a_sync_brings_is_counted_and_counted_again_when_it_changes(settings: Settings) -> None:
    settings.HISTORY_LOOK_BACK_DAYS = 100_000
    Employee.objects.create(key="ada", name="Ada Example", slack_user_id=ADA)
    messages = [said(0), said(10, ADA), said(20), said(25, ROBO, bot_id="B1")]
    messages += [{"type": "message", "subtype": "channel_join", "user": BOB, "ts": ts(99_000), "text": ""}]
    with slack(settings, messages):
        general = group(Platform.SLACK)
        sync(general)
        row = conversation(general)
        assert (row.last_said_at, row.waiting_since, row.uncounted_from) == (
            at(25) + MICRO,
            at(20) + MICRO,
            None,
        )
        week = WeekOfTalk.objects.get()
        assert (week.monday, week.messages, week.from_customers) == (date(2023, 11, 13), 4, 2)
        assert (week.by_employee, week.answers) == ({"ada": 1}, [600])
        messages.append(said(60 * 24 * 7, ADA))
        del messages[3]
        sync(general)
    weeks = list(WeekOfTalk.objects.values_list("messages", "answers"))
    assert weeks == [(3, [600]), (1, [60 * (60 * 24 * 7 - 20)])]
    assert conversation(general).waiting_since is None


def test_who_becomes_an_employee_was_one_all_along(settings: Settings) -> None:
    with slack(settings, [said(0), said(10, ADA)]):
        general = group(Platform.SLACK)
        sync(general)
    assert WeekOfTalk.objects.get().by_employee == {}
    Employee.objects.create(key="ada", name="Ada Example", slack_user_id=ADA)
    Message.objects.all().delete()
    count_all()
    assert WeekOfTalk.objects.get().messages == 2, "what is not kept any more stays as it was counted"
    with slack(settings, [said(0), said(10, ADA)]):
        sync(general, anew=True)
    assert WeekOfTalk.objects.get().answers == [600]
    counted = engagement_of([conversation(general)], now=at(0))[conversation(general).pk]
    assert counted.usual_answer == timedelta(minutes=10)


@pytest.fixture
def lively(db: None) -> list[Group]:
    """Twelve groups, each quiet for a day longer than the one before."""
    now = datetime.now(UTC)
    groups = []
    for number in range(12):
        row = Group.objects.create(
            platform=Platform.SLACK, external_id=f"C{number}", name=f"=group-{number}",
            kind=GroupKind.CHANNEL, privacy=Privacy.PUBLIC, first_seen_at=now, last_seen_at=now,
        )  # fmt: skip
        kept = Conversation.objects.create(
            group=row, message_count=7, last_said_at=now - timedelta(days=number), waiting_since=now
        )
        monday = monday_of(now)
        WeekOfTalk.objects.create(conversation=kept, monday=monday, messages=7, by_employee={"ada": number})
        groups.append(row)
    Employee.objects.create(key="ada", name="Ada Example", slack_user_id=ADA)
    return groups


def test_the_list_begins_with_the_longest_quiet(
    lively: list[Group], admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    url = "/admin/history/liveliness/"
    admin_client.get(url)
    with django_assert_max_num_queries(14):
        page = admin_client.get(url).content.decode()
    assert page.index("=group-11") < page.index("=group-5") < page.index("=group-0<")
    assert "11 days" in page.replace("\u00a0", " ") and "Ada Example" in page and "today" in page
    answer = admin_client.get(f"{url}xlsx/?q=group-3")
    book = load_workbook(BytesIO(answer.content))
    header, *rows = book["Groups"].values
    assert [row[1] for row in rows] == ["=group-3"]
    assert dict(zip(header, rows[0], strict=True))["Staff Who Take Part"] == "Ada Example (3)"
    assert [row[4] for row in book["Weeks"].values] == ["Messages", *[0] * 11, 7]
    answer.close()
    book.close()


def test_a_groups_page_shows_it_to_who_may_see_conversations(
    lively: list[Group], admin_client: Client, client: Client
) -> None:
    url = f"/admin/members/group/{lively[3].pk}/change/"
    assert "Staff who take part" in admin_client.get(url).content.decode()
    nobody = User.objects.create_user("nobody", is_staff=True)
    client.force_login(nobody)
    assert client.get("/admin/history/liveliness/").status_code == 403
    assert client.get("/admin/history/liveliness/xlsx/").status_code == 403
