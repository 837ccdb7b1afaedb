"""Retention: what is old goes for good, is reported, and is not fetched again."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audits.history import retention
from audits.history.coverage import Coverage
from audits.history.models import Blob, Conversation, Message, MessageFile, Purge, RetentionPeriod
from audits.history.retention import purge
from members.models import Category
from members.operations.models import ActivityEvent
from members.platforms.history import micros
from members.platforms.types import Platform
from tests.history_rows import say, talk
from tests.history_world import conversation, group, said, slack, sync, texts

pytestmark = pytest.mark.django_db(transaction=True)

NEXT_DAY = date(2023, 11, 15)
"""Message 110 of the sandbox's channel is the first one on it (UTC)."""


def days_since(day: date) -> int:
    return (timezone.now().date() - day).days


def old(days: int) -> dict[str, Any]:
    return {"sent_at": timezone.now() - timedelta(days=days)}


def test_what_was_purged_is_not_fetched_again_until_it_may_be_kept(settings: Settings) -> None:
    with slack(settings, [said(number) for number in range(200)]) as sandbox:
        general = group(Platform.SLACK)
        sync(general)
        settings.HISTORY_RETENTION_DAYS = days_since(NEXT_DAY)
        report, done = purge(actor="schedule")
        assert done and report is not None
        assert report.messages == 107
        assert texts(general)[0] == "message 107"
        kept = conversation(general)
        (span,) = Coverage.from_json(kept.covered).spans
        assert (span.start, kept.message_count) == (micros(retention_start()), 93)
        assert kept.first_message_at == Message.objects.get(text="message 107").sent_at

        sandbox.calls.clear()
        assert sync(general, anew=True).messages_new == 0
        assert sandbox.calls.counts()["conversations.history"] == 1
        settings.HISTORY_RETENTION_DAYS = 0
        assert sync(general).messages_new == 107
    assert purge(actor="schedule") == (None, True)


def retention_start() -> datetime:
    start = retention.start_of(days_since(NEXT_DAY), timezone.now())
    assert start is not None and start.date() == NEXT_DAY
    return start


def test_a_category_may_keep_longer_or_shorter(settings: Settings) -> None:
    settings.HISTORY_RETENTION_DAYS = 100
    special, brief = (Category.objects.create(key=key, name=key) for key in ("special", "brief"))
    RetentionPeriod.objects.create(category=special, days=0)
    RetentionPeriod.objects.create(category=brief, days=10)
    for name, category in (("usual", None), ("special", special), ("brief", brief)):
        there = talk(name, category=category)
        for days in (5, 50, 500):
            say(there, days, f"{name} {days}", **old(days))
    purge(actor="schedule")
    left = set(Message.objects.values_list("text", flat=True))
    assert left == {"usual 5", "usual 50", "special 5", "special 50", "special 500", "brief 5"}
    assert Conversation.objects.get(group__name="brief").message_count == 1


def test_files_go_when_no_message_has_them_any_more() -> None:
    there = talk()
    gone, kept = say(there, 1, **old(1000)), say(there, 2, **old(1))
    both, alone = (_blob(text) for text in ("both", "alone"))
    for message, blob in ((gone, both), (gone, alone), (kept, both)):
        MessageFile.objects.create(message=message, position=blob.pk, external_id="F1", blob=blob)
    report, _ = purge(actor="schedule")
    assert report is not None
    assert (report.files, report.bytes, Blob.objects.get()) == (1, len("alone"), both)
    assert default_storage.exists(str(both.file)) and not default_storage.exists(str(alone.file))


def test_a_purge_that_is_cut_short_tells_what_it_did_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PORTION", 3)
    there = talk(covered=[[0, 1 << 60]])
    for number in range(8):
        say(there, number, **old(1000 + number))
    asked = iter([False, False, True])
    report, done = purge(actor="schedule", stopping=lambda: next(asked))
    assert report is not None
    assert (report.messages, done, Message.objects.count()) == (6, False, 2)
    there.refresh_from_db()
    assert there.covered[0][0] > micros(timezone.now() - timedelta(days=731))
    again, done = purge(actor="schedule")
    assert again is not None
    assert (again.messages, done, Message.objects.count()) == (2, True, 0)
    there.refresh_from_db()
    assert (there.message_count, there.first_message_at) == (0, None)


def test_what_was_deleted_is_on_record(admin_client: Client) -> None:
    say(talk("acme & <b>"), 1, **old(1000))
    purge(actor="schedule")
    report = Purge.objects.get()
    event = ActivityEvent.objects.get(action="history.purged")
    assert event.detail == f"{report}: 1 message and 0 files of 1 group"
    assert (
        f"Purge {report.pk}" in admin_client.get(reverse("admin:history_purge_changelist")).content.decode()
    )
    page = admin_client.get(reverse("admin:history_purge_change", args=[report.pk])).content.decode()
    assert "acme &amp; &lt;b&gt;" in page
    assert admin_client.post(reverse("admin:history_purge_delete", args=[report.pk])).status_code == 403


def test_a_shorter_period_says_at_once_what_it_will_cost(admin_client: Client) -> None:
    category = Category.objects.create(key="brief", name="Brief")
    say(talk(category=category), 1, **old(50))
    url = reverse("admin:history_retentionperiod_add")
    asked = admin_client.get(url).content.decode()
    assert 'name="_save"' in asked and "messages are kept for 730 days" in asked
    shown = admin_client.post(url, {"category": category.pk, "days": 30}, follow=True).content.decode()
    assert "1 message of this category is older" in shown
    assert RetentionPeriod.objects.get().history.count() == 1


def _blob(content: str) -> Blob:
    name = default_storage.save(f"media/{content}", ContentFile(content))
    return Blob.objects.create(sha256=content, size=len(content), file=name)
