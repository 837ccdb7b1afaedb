"""Searching what is kept: by words, sender, group, platform and time; on both databases alike."""

from __future__ import annotations

import html
import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from audits.history import search as searching
from audits.history.models import Conversation, Message
from audits.history.query import marks, parse
from audits.history.search import Question, TooBroad, search
from audits.history.search_index import SHADOW, keep_triggers
from members.platforms.types import Platform
from tests.history_rows import at, say, talk

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:search_messages")


@pytest.fixture
def acme() -> Conversation:
    """Five messages of two people."""
    conversation = talk("acme")
    say(conversation, 1, "The invoice is ready")
    say(conversation, 2, "Which invoice? The draft invoice?", by="Bo Sample")
    say(conversation, 3, "the bill, I mean")
    say(conversation, 4, "Ready when you are: café, naïve, 你好")
    say(talk("beta", Platform.TELEGRAM), 5, "An invoice for Beta", by="Cy Sample")
    return conversation


def found(words: str = "", **fields: object) -> list[int]:
    """Which messages are found, newest first, by their minute."""
    hits = search(Question(words, **fields)).messages  # type: ignore[arg-type]
    return [int((hit.sent_at - at(0)).total_seconds() // 60) for hit in hits]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("invoice", [5, 2, 1]),
        ("INVOICE ready", [1]),
        ('"invoice is"', [1]),
        ('"is invoice"', []),
        ("bill or beta", [5, 3]),
        ("invoice -draft", [5, 1]),
        ("invoice -draft or bill", [5, 3, 1]),
        ("café", [4]),
        ("cafe", []),
        ("invo", []),
        ("-invoice", []),
        ("?!", []),
    ],
)
def test_words(acme: Conversation, words: str, numbers: list[int]) -> None:
    assert found(words) == numbers


def test_whoever_wherever_and_whenever(acme: Conversation) -> None:
    assert found("invoice", sender="bo") == [2]
    assert found("invoice", sender="@cy") == [5]
    assert found("invoice", group="#ACME") == found("invoice", group="slack:ACME") == [2, 1]
    assert found("invoice", platform=Platform.TELEGRAM) == [5]
    assert found("invoice", since=at(2), until=at(5)) == [2]
    assert found(sender="ada") == [4, 3, 1]
    assert found() == []


@given(st.text())
@example('" OR ( NEAR(a b) text: * ^ - \x00')
@example("a AND NOT b'; DROP TABLE history_message; --")
@example("{acme} : + \\ %s %(x)s")
def test_no_text_is_a_mistake(text: str) -> None:
    for question in (Question(text), Question("a", sender=text), Question("a", group=text)):
        search(question)
    assert "".join(piece for piece, _ in marks(text[:100], parse(text), around=200)) == text[:100]


def test_what_is_edited_and_deleted_is_found_as_it_is_now(acme: Conversation) -> None:
    Message.objects.filter(text__contains="bill").update(text="the receipt, I mean")
    Message.objects.filter(text__contains="Which").delete()
    assert (found("bill"), found("receipt"), found("draft")) == ([], [3], [])


def test_the_index_outlives_a_table_that_is_made_anew(acme: Conversation) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL alters its tables in place.")
    with connection.cursor() as cursor:
        for name in ("new", "gone", "changed"):
            cursor.execute(f"DROP TRIGGER {SHADOW}_{name}")
    keep_triggers(using="default")
    say(acme, 6, "one more invoice")
    assert found("invoice") == [6, 5, 2, 1]


def test_pages_follow_one_another_without_gaps(acme: Conversation) -> None:
    for number in range(10, 130):
        say(acme, number // 2, f"again {number}", origin=str(number))
    seen: list[int] = []
    page = search(Question("again"), limit=50)
    while True:
        seen += [message.pk for message in page.messages]
        if page.rest is None:
            break
        page = search(Question("again"), after=page.rest, limit=50)
    assert len(seen) == len(set(seen)) == 120


def test_a_search_that_takes_too_long_is_given_up(
    acme: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("Five messages take PostgreSQL no time.")
    monkeypatch.setattr(searching, "LONGEST_SEARCH", -1.0)
    monkeypatch.setattr(searching, "_STEPS", 1)
    with pytest.raises(TooBroad, match="add a word"):
        search(Question("invoice"))


def test_a_result_leads_to_the_message_in_its_context(acme: Conversation, admin_client: Client) -> None:
    Message.objects.filter(text__startswith="Which").update(deleted_at=timezone.now())
    shown = admin_client.get(PAGE, {"q": "draft"}).content.decode()
    assert "The <mark>draft</mark> invoice?" in shown
    assert "Deleted since" in shown
    (url,) = re.findall(r'href="([^"]+message=[^"]+)"', shown)
    there = admin_client.get(html.unescape(url)).content.decode()
    message = Message.objects.get(text__startswith="Which")
    assert f'id="m{message.pk}" class="said said-deleted said-wanted"' in there
    assert "The invoice is ready" in there


def test_looking_takes_the_right_and_a_constant_number_of_queries(
    acme: Conversation, admin_client: Client, client: Client
) -> None:
    few = _queries(admin_client)
    for number in range(20, 80):
        say(talk(f"group {number}") if number % 9 == 0 else acme, number, "invoice", by=f"P{number} Sample")
    assert _queries(admin_client) == few
    client.force_login(User.objects.create_user("reader", is_staff=True))
    assert client.get(PAGE).status_code == 403


def _queries(client: Client) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(PAGE, {"q": "invoice", "after": "x"}).status_code == 200
    return len(queries)
