"""Notices: written with their cause, delivered at least once and not twice, one digest instead of a flood."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from audits.reports import store_reports
from audits.weekly import report
from groupadmin.sandbox.slack import SlackChannel, SlackSandbox, SlackToken
from groupadmin.sandbox.slack.faults import Drop, HttpStatus, SlackError
from members.notices.delivery import deliver
from members.notices.kinds import Channel, NoticeKind
from members.notices.models import Delivery, Message, Notice, NoticeSettings
from members.notices.services import write
from members.notices.texts import LONGEST_SUBJECT, Item, mark_of, subject_of, text_of
from members.notices.timing import MAX_ATTEMPTS, QuietHours, may_go, pause_after
from telegram_ops.gateway import note_trouble
from telegram_ops.models import AccountState, TelegramAccount
from tests.audit_rows import slack_run
from tests.slack_writing import ADA, SCOPES, TOKEN, workspace
from tests.worlds import NOW
from whitelist import flags

BOARD = "C0NOTICES"
SETTINGS = reverse("admin:notices_notice_settings")
LIST = reverse("admin:notices_notice_changelist")


# --- What people read, and when ---


@given(
    texts=st.lists(st.text(min_size=1, max_size=400), min_size=1, max_size=60), url=st.sampled_from(["", "u"])
)
def test_a_message_fits_names_what_it_leaves_out_and_ends_with_its_mark(texts: list[str], url: str) -> None:
    items = [Item(text, url) for text in texts]
    text = text_of(NoticeKind.GAPS_FOUND, items, number=7)
    subject = subject_of(NoticeKind.GAPS_FOUND, items)

    assert len(text) < 4000
    assert text.endswith(mark_of(7))
    assert len(subject) <= LONGEST_SUBJECT
    assert "\n" not in subject
    named = sum(line.startswith("• ") for line in text.split("\n"))
    assert len(items) == 1 or named == len(items) or f"And {len(items) - named} more" in text


@given(hours=st.integers(0, 24 * 366))
def test_quiet_hours_go_past_midnight_and_hold_nothing_urgent(hours: int) -> None:
    moment = NOW + timedelta(hours=hours)
    night = QuietHours(time(22), time(7), ZoneInfo("Europe/Berlin"))
    hour = moment.astimezone(night.zone).hour

    assert night.hold_at(moment) == (hour >= 22 or hour < 7)
    go = {"last": None, "window": timedelta(minutes=15), "quiet": night}
    assert may_go(moment, **go, urgent=True)  # type: ignore[arg-type]
    assert may_go(moment, **go, urgent=False) != night.hold_at(moment)  # type: ignore[arg-type]


def test_pauses_grow_and_end() -> None:
    pauses = [pause_after(attempt) for attempt in range(1, MAX_ATTEMPTS + 1)]

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(minutes=1), timedelta(hours=1))


# --- Over the wire ---


@pytest.fixture(scope="module")
def server() -> Iterator[SlackSandbox]:
    with SlackSandbox(workspace()) as server:
        yield server


@pytest.fixture
def slack(server: SlackSandbox, settings: Settings, db: None) -> Iterator[SlackSandbox]:
    """A workspace with a channel for notices, which the settings name; and two who get e-mails."""
    server.world = workspace()
    server.world.base_url = f"http://127.0.0.1:{server.port}"
    server.world.add_channel(SlackChannel(BOARD, "notices", ADA, {ADA: None}, is_private=True))
    server.world.tokens[TOKEN] = SlackToken(ADA, SCOPES | {"files:write", "groups:history"})
    server.script.clear()
    server.calls.clear()
    settings.SLACK_API_URL, settings.SLACK_USER_TOKEN = server.api_url, TOKEN
    settings.SLACK_NOTIFY_CHANNEL = BOARD
    settings.EMAIL_CONFIGURED, settings.SITE_URL = True, "https://groups.example.com"
    NoticeSettings.objects.create(pk=1, recipients="ada@example.com\nbo@example.com")
    yield server
    assert server.bugs == []


def posted(slack: SlackSandbox) -> list[dict[str, Any]]:
    return slack.world.channels[BOARD].messages


def an_hour_passes() -> None:
    """Also for what waits to be tried again."""
    earlier = timezone.now() - timedelta(hours=2)
    Message.objects.update(created_at=earlier, due_at=earlier, claimed_at=earlier)


def test_a_notice_reaches_both_ways_once_with_a_link_and_without_markup(slack: SlackSandbox) -> None:
    write(
        kind=NoticeKind.AUDIT_FAILED, text="<!channel> & *Acme*\nSecond line.", path="/admin/x/", once="this"
    )
    write(kind=NoticeKind.AUDIT_FAILED, text="The same again.", once="this")

    assert deliver() == 2
    assert deliver() == 0

    (message,) = posted(slack)
    number = Message.objects.get(channel="slack").pk
    link = "https://groups.example.com/admin/x/"
    assert message["text"] == f"&lt;!channel&gt; &amp; *Acme*\nSecond line.\n{link}\n\n{mark_of(number)}"
    (email,) = mail.outbox
    assert email.to == ["ada@example.com", "bo@example.com"]
    assert email.subject == "[Group Admin] <!channel> & *Acme*"
    assert link in email.body
    assert {row.message and row.message.state for row in Delivery.objects.all()} == {"sent"}


def test_a_flood_is_one_message_and_one_digest(slack: SlackSandbox) -> None:
    for number in range(30):
        write(kind=NoticeKind.GAPS_FOUND, text=f"Audit {number} found gaps.")
        deliver()
    assert [m["text"].partition(".")[0] for m in posted(slack)] == ["Audit 0 found gaps"]

    an_hour_passes()
    deliver()

    _, digest = posted(slack)
    assert digest["text"].startswith("Gaps found: 29 notices.\n• Audit 1 found gaps.")
    assert f"And 9 more: https://groups.example.com{LIST}" in digest["text"]
    assert not Delivery.objects.filter(message=None).exists()


@pytest.mark.services  # SQLite has no clock but this machine's
def test_a_sender_whose_clock_is_ahead_keeps_nobody_waiting(
    slack: SlackSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(kind=NoticeKind.AUDIT_FAILED, text="An audit failed.")
    slack.script.add("chat.postMessage", SlackError("not_in_channel"))

    an_hour_ahead = timezone.now() + timedelta(hours=1)
    with monkeypatch.context() as ahead:
        ahead.setattr(timezone, "now", lambda: an_hour_ahead)
        assert deliver() == 1, "by e-mail"

    refused = Message.objects.get(channel="slack")
    assert refused.created_at < refused.due_at < an_hour_ahead


def test_a_cause_that_did_not_happen_is_not_told(slack: SlackSandbox) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        write(kind=NoticeKind.KICK_SWITCH, text="Kicks are on.")
        _ = 1 / 0

    assert deliver() == 0
    assert not Notice.objects.exists()


def test_a_lost_answer_is_looked_for_before_it_is_said_again(slack: SlackSandbox) -> None:
    NoticeSettings.objects.update(channels={"gaps_found": ["slack"]})
    write(kind=NoticeKind.GAPS_FOUND, text="Audit 1 found gaps.")
    slack.script.add("chat.postMessage", Drop(share=0, performed=True))
    assert deliver() == 0
    message = Message.objects.get()
    assert (message.state, message.doubtful) == ("waiting", True)

    an_hour_passes()
    assert deliver() == 1
    assert len(posted(slack)) == 1, "it was there already"

    # Somebody died between two lines; nothing had been sent.
    write(kind=NoticeKind.GAPS_FOUND, text="Audit 2 found gaps.")
    an_hour_passes()
    slack.script.add("chat.postMessage", SlackError("internal_error"))
    deliver()
    Message.objects.filter(state="waiting").update(state="sending")
    an_hour_passes()
    assert deliver() == 1
    assert [m["text"].partition(".")[0] for m in posted(slack)] == [
        "Audit 1 found gaps",
        "Audit 2 found gaps",
    ]


def test_what_cannot_be_looked_for_waits_in_doubt(slack: SlackSandbox) -> None:
    NoticeSettings.objects.update(channels={"gaps_found": ["slack"]})
    write(kind=NoticeKind.GAPS_FOUND, text="Audit 1 found gaps.")
    slack.script.add("chat.postMessage", Drop(share=0, performed=True))
    deliver()

    slack.script.add("conversations.history", HttpStatus(503), times=None)
    an_hour_passes()
    assert deliver() == 0
    message = Message.objects.get()
    assert (message.state, message.doubtful) == ("waiting", True)

    slack.script.clear()
    an_hour_passes()
    assert deliver() == 1
    assert len(posted(slack)) == 1


def test_what_is_not_delivered_is_tried_again_shown_and_sent_by_a_button(
    slack: SlackSandbox, settings: Settings, admin_client: Client
) -> None:
    slack.world.channels[BOARD].is_archived = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nobody listens there
    notice = write(kind=NoticeKind.AUDIT_FAILED, text="Audit 1 failed.")
    assert notice is not None
    for _ in range(MAX_ATTEMPTS + 1):
        deliver()
        an_hour_passes()

    errors = dict(Message.objects.values_list("channel", "error"))
    assert "archived" in errors["slack"]
    assert "cannot be reached" in errors["email"]
    assert set(Message.objects.values_list("state", "attempts")) == {("failed", MAX_ATTEMPTS)}
    assert "2 messages did not get through" in admin_client.get(LIST).content.decode()
    page = admin_client.get(reverse("admin:notices_notice_change", args=[notice.pk])).content.decode()
    assert errors["slack"] in page

    slack.world.channels[BOARD].is_archived = False
    message = Message.objects.get(channel="slack")
    admin_client.post(reverse("admin:notices_notice_again", args=[message.pk]))
    assert deliver() == 1
    assert len(posted(slack)) == 1


@pytest.mark.parametrize("may_upload", [True, False])
def test_the_weekly_report_brings_its_workbook_or_leads_to_it(
    slack: SlackSandbox, settings: Settings, tmp_path: Any, may_upload: bool
) -> None:
    settings.MEDIA_ROOT = tmp_path
    if not may_upload:
        slack.world.tokens[TOKEN] = SlackToken(ADA, SCOPES)
    NoticeSettings.objects.update(channels={"gaps_found": []})
    run = slack_run("acme-bitsafe", "globex-bitsafe", bob_in=1)
    store_reports(run_id=run.pk)

    report(now=NOW + timedelta(days=1))
    deliver()

    (message,) = posted(slack)
    assert "Slack: 1 of 2 groups (50" in message["text"]
    assert f"https://groups.example.com/admin/audits/auditrun/{run.pk}/change/" in message["text"]
    files = [slack.world.files[each["id"]] for each in message.get("files", [])]
    (email,) = mail.outbox
    (attached,) = email.attachments
    assert [file.content for file in files] == ([attached[1]] if may_upload else [])
    assert attached[0].endswith(".xlsx")


# --- What is told ---


@pytest.mark.django_db
def test_audits_the_switch_and_dead_sessions_tell_of_themselves() -> None:
    slack_run("acme-bitsafe", bob_in=1)
    run = slack_run("acme-bitsafe", "globex-bitsafe", bob_in=1, at=NOW + timedelta(hours=1))
    flags.turn_kicks_on(actor="olivia", detail="shown 3")
    flags.turn_kicks_off(actor="bo")
    account = TelegramAccount.objects.create(label="main", state=AccountState.SIGNED_IN, state_since=NOW)
    note_trouble(account, "Signed out on another device.")
    note_trouble(account, "Signed out on another device.")

    told = list(Notice.objects.order_by("pk").values_list("kind", "text"))
    assert [(kind, text.partition("\n")[0]) for kind, text in told] == [
        ("gaps_found", f"{run} found 1 new gap in 1 group: missing required (1)."),
        ("new_group", "A new group lacks required people."),
        ("kick_switch", "Kicks are on, by olivia."),
        ("kick_switch", "Kicks are off, by bo."),
        ("sign_in_needed", "The Telegram account “main” is signed out. Sign it in again."),
    ]


# --- The page ---


def test_who_is_told_what_is_chosen_and_tested_on_a_page(slack: SlackSandbox, admin_client: Client) -> None:
    assert "Gaps found" in admin_client.get(SETTINGS).content.decode()
    form = {
        "recipients": "cy@example.com",
        "digest_minutes": 5,
        "quiet_zone": "UTC",
        "gaps_found-email": "on",
    }

    assert admin_client.post(SETTINGS, form | {"recipients": "nobody"}).status_code == 200
    assert admin_client.post(SETTINGS, form | {"quiet_from": "22:00"}).status_code == 200
    assert admin_client.post(SETTINGS, form).status_code == 302
    stored = NoticeSettings.current()
    assert stored.channels_of(NoticeKind.GAPS_FOUND) == {Channel.EMAIL}
    assert stored.channels_of(NoticeKind.AUDIT_FAILED) == frozenset()

    answer = admin_client.post(reverse("admin:notices_notice_test"), {"channel": "slack"}, follow=True)
    assert "The test was sent: Slack." in answer.content.decode()
    slack.script.add("chat.postMessage", SlackError("not_in_channel"))
    answer = admin_client.post(reverse("admin:notices_notice_test"), {"channel": "slack"}, follow=True)
    assert "The test was not sent. The account is not in this channel" in answer.content.decode()
    assert admin_client.post(reverse("admin:notices_notice_test"), {"channel": "bot"}).status_code == 302
    assert len(posted(slack)) == 1


def test_who_may_only_look_changes_and_sends_nothing(slack: SlackSandbox, client: Client) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_notice"))
    client.force_login(reader)
    write(kind=NoticeKind.AUDIT_FAILED, text="Audit 1 failed.")

    assert client.get(LIST, {"outcome": "waiting"}).context["cl"].result_count == 1
    assert client.get(SETTINGS).status_code == 200
    assert client.post(SETTINGS, {}).status_code == 403
    assert client.post(reverse("admin:notices_notice_test"), {"channel": "slack"}).status_code == 403
    assert client.post(reverse("admin:notices_notice_again", args=[1])).status_code == 403
    by_address = client.get(reverse("admin:notices_notice_test"))
    assert (by_address.status_code, b"Nothing was done" in by_address.content) == (405, True)
