"""The gated community at 100,000 people: to protect them, to decide about them, and the dry run's page."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import connection, reset_queries
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from tests.bench.workplace import load_policy, table
from whitelist import facts, services
from whitelist.burning import Cause
from whitelist.community import Member
from whitelist.decision import SubscriptionStatus, decide
from whitelist.reading import Roster
from whitelist.seeding import seed
from whitelist.subscriber_file import SubscriberRow
from whitelist.subscriptions import load_subscribers

PEOPLE, EXPIRED, AT_RISK, CHAT = 100_000, 10_000, 300, 4200
RUNS = 7


def whitelist() -> None:
    """Seconds for each, and what they come to in people a second or queries."""
    load_policy({})
    now = timezone.now()
    roster = Roster(CHAT, now, expected=PEOPLE)
    roster.members = {who: Member(who, f"user_{who}", f"Person {who}") for who in range(1, PEOPLE + 1)}
    over = now - timedelta(days=30)
    rows = [SubscriberRow(who, SubscriptionStatus.EXPIRED, over, over) for who in range(1, EXPIRED + 1)]
    ahead = now + timedelta(days=30)
    rows += [SubscriberRow(who, SubscriptionStatus.ACTIVE, ahead) for who in range(EXPIRED + 1, PEOPLE + 1)]
    with override_settings(
        TELEGRAM_GATED_CHAT_ID=CHAT, ALLOWED_HOSTS=["testserver"], DEBUG=False, REQUIRE_SECOND_FACTOR=False
    ):
        seeding = _seconds(lambda: seed(roster, actor="benchmark"))
        again = _seconds(lambda: seed(roster, actor="benchmark"))
        load_subscribers(rows=rows, actor="benchmark", source="benchmark", now=now)
        services.burn(telegram_ids=range(1, AT_RISK + 1), cause=Cause.MANUAL, actor="benchmark")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        deciding, queries = _decide()
        page = _page()
    lines: list[tuple[object, ...]] = [
        ("seed them all", seeding, f"{PEOPLE / seeding:,.0f} a second"),
        ("seed them again", again, f"{PEOPLE / again:,.0f} a second"),
        ("decide about all of them", deciding, f"{queries} queries, one of which grows"),
        (f"page of the dry run, {AT_RISK} at risk", page, f"median of {RUNS}"),
    ]
    title = f"{PEOPLE:,} people, {EXPIRED:,} expired, on {connection.vendor}"
    table(title, ("What", "s", ""), lines)


def _decide() -> tuple[float, int]:
    now = timezone.now()

    def everybody() -> int:
        return sum(decide(person, kicks_on=True, now=now).kick for person in facts.subscribers())

    connection.force_debug_cursor = True
    reset_queries()
    assert everybody() == AT_RISK
    queries = len(connection.queries)
    connection.force_debug_cursor = False
    return statistics.median(_seconds(everybody) for _ in range(RUNS)), queries


def _page() -> float:
    client = Client()
    client.force_login(User.objects.create_superuser("benchmark"))

    def post() -> None:
        response = client.post("/admin/whitelist/featureflag/preflight/")
        assert f"A sweep would kick {AT_RISK} people" in response.content.decode(), response.status_code

    post()
    return statistics.median(_seconds(post) for _ in range(RUNS))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
