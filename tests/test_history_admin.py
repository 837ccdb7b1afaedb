"""The pages of conversations: to read, to fetch, to export, and who may."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audits.history.exports import run_export
from audits.history.models import Conversation, ExportJob, MessageFile, SyncJob
from audits.history.progress import progress_of
from audits.history.sync import run_sync
from members.jobs import JobState
from members.models import Group
from members.operations.models import ActivityEvent
from members.platforms.types import Platform
from tests.history_rows import at, say, talk
from tests.history_world import group, said, slack, ts
from tests.slack_world import ADA

pytestmark = pytest.mark.django_db(transaction=True)

CONVERSATIONS = reverse("admin:history_conversation_changelist")
GROUPS = reverse("admin:members_group_changelist")
NEW_EXPORT = reverse("admin:history_exportjob_new")
NEW_SYNC = reverse("admin:history_syncjob_new")


def somebody(client: Client, *rights: str) -> Client:
    """Signed in as a member of staff who may do this much."""
    user = User.objects.create_user(f"staff-{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(user)
    return client


def page(conversation: Conversation, **where: object) -> str:
    url = reverse("admin:history_conversation_change", args=[conversation.pk])
    return url + ("?" + "&".join(f"{name}={value}" for name, value in where.items()) if where else "")


def read(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return response.content.decode()


def act(client: Client, url: str, action: str, *rows: Any, **values: Any) -> Any:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(url, {**chosen, **values})


# --- To read ---


def test_the_list_tells_which_are_kept_and_how_quiet_they_are(admin_client: Client) -> None:
    say(talk("quiet"), 1)
    say(talk("lively", kept=True), 2, sent_at=timezone.now())
    talk("empty")
    response = admin_client.get(CONVERSATIONS)
    assert [row.group.name for row in response.context["cl"].result_list] == ["lively", "quiet", "empty"]
    tabs = [(tab.title, tab.count) for tab in response.context["cl"].tabs]
    assert tabs == [("All", 3), ("Kept up to date", 1), ("Not kept up to date", 2)]
    kept = admin_client.get(CONVERSATIONS, {"kept__exact": "1"}).context["cl"]
    assert ([row.group.name for row in kept.result_list], kept.tab.title) == (["lively"], "Kept up to date")
    quiet = admin_client.get(CONVERSATIONS, {"quiet": "30"}).context["cl"].result_list
    assert [row.group.name for row in quiet] == ["quiet"]


def test_a_thread_stands_below_its_beginning_and_alone_when_it_is_long(admin_client: Client) -> None:
    there = talk()
    root = say(there, 1, "Who comes?", reply_count=8)
    replies = [say(there, 10 + number, f"answer {number}", thread=root.number) for number in range(8)]
    say(there, 5, "Another matter")
    assert page(there) in read(admin_client, reverse("admin:members_group_change", args=[there.group.pk]))
    shown = read(admin_client, page(there))
    assert "answer 4" in shown and "answer 5" not in shown and "3 more answers" in shown
    assert shown.index("answer 4") < shown.index("Another matter")
    alone = read(admin_client, page(there, message=replies[7].pk))
    assert f'id="m{replies[7].pk}" class="said said-wanted"' in alone
    assert "Who comes?" in alone and "Another matter" not in alone


def test_pages_lead_back_and_forth(admin_client: Client) -> None:
    there = talk()
    rows = [say(there, number, f"number {number}.") for number in range(150)]
    newest = read(admin_client, page(there))
    assert "number 90." in newest and "number 89." not in newest
    assert "number 89." in read(admin_client, page(there, before=rows[90].pk))
    context = read(admin_client, page(there, message=rows[50].pk))
    assert all(f"number {number}." in context for number in (20, 50, 80))
    assert "number 81." in read(admin_client, page(there, after=rows[80].pk))
    assert "number 149." in read(admin_client, page(there, message="x", before="-1", after="9" * 30))


def test_a_topic_an_answer_and_a_file_are_named(admin_client: Client) -> None:
    there = talk("forum", Platform.TELEGRAM)
    topic = say(there, 1, "created the topic", kind="service")
    type(topic).objects.filter(pk=topic.pk).update(thread=topic.number, raw={"action": {"title": "Billing"}})
    question = say(there, 2, "How much?", thread=topic.number)
    answer = say(there, 3, "Ten", reply_to=question.number, thread=topic.number)
    MessageFile.objects.create(message=answer, position=0, external_id="1", name="<b>.pdf", size=2_000_000)
    say(there, 4, "Elsewhere")
    shown = read(admin_client, page(there))
    assert f'href="?thread={topic.pk}" dir="auto">Billing</a>' in shown
    assert f'href="?message={question.pk}#m{question.pk}" dir="auto">How much?</a>' in shown
    assert "&lt;b&gt;.pdf" in shown and "2.0 MB" in shown
    assert "Elsewhere" not in read(admin_client, page(there, thread=topic.pk))


def test_what_people_write_is_harmless(admin_client: Client) -> None:
    there = talk("<i>evil</i>")
    say(there, 1, "<script>alert(1)</script> \u202egnp.exe", by="<b>Eve</b> Example")
    shown = read(admin_client, page(there)) + read(admin_client, CONVERSATIONS)
    assert "&lt;script&gt;alert(1)" in shown and "\u202e" not in shown
    assert "<i>evil" not in shown and "<b>Eve" not in shown


def test_reading_takes_the_right_and_a_constant_number_of_queries(
    admin_client: Client, client: Client
) -> None:
    there = talk()
    say(there, 1, reply_count=1)
    say(there, 2, thread=there.messages.get().number)

    def queries(url: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            read(admin_client, url)
        return len(captured)

    for url in (page(there), CONVERSATIONS):
        queries(url)
    few = [queries(page(there)), queries(CONVERSATIONS)]
    for number in range(10, 40):
        root = say(there, number, by=f"P{number} Sample", reply_count=1)
        say(there, 100 + number, thread=root.number)
        talk(f"group {number}")
    assert [queries(page(there)), queries(CONVERSATIONS)] == few

    somebody(client, "export_history")
    assert "message 1" not in read(client, page(there))
    somebody(client, "view_team")
    assert client.get(page(there)).status_code == 403


# --- To fetch ---


def test_groups_are_fetched_and_kept_up_to_date(client: Client) -> None:
    acme, beta = (talk(name).group for name in ("acme", "beta"))
    somebody(client, "keep_history", "view_group")
    asked = act(client, GROUPS, "fetch", acme, beta)
    assert b"2 groups" in asked.content and SyncJob.objects.count() == 0
    done = client.post(NEW_SYNC, {"groups": f"{acme.pk},{beta.pk}", "since": "2026-01-31", "confirm": "1"})
    job = SyncJob.objects.get()
    assert done["Location"] == reverse("admin:history_syncjob_change", args=[job.pk])
    assert (job.groups, f"{job.since}") == (
        [["slack", "ACME"], ["slack", "BETA"]],
        "2026-01-31 00:00:00+00:00",
    )
    assert "Waiting for a worker" in read(client, done["Location"])

    act(client, GROUPS, "keep_up_to_date", acme)
    assert [row.group for row in Conversation.objects.filter(kept=True)] == [acme]
    client.post(reverse("admin:history_conversation_keep", args=[acme.conversation.pk]), {"kept": "no"})
    assert not Conversation.objects.filter(kept=True).exists()
    actions = list(ActivityEvent.objects.values_list("action", "group_name"))
    assert actions == [("conversation.kept", "acme"), ("conversation.left", "acme")]

    url = reverse("admin:history_syncjob_cancel", args=[job.pk])
    assert client.get(url).status_code == 405
    client.post(url)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_a_job_shows_its_waits_and_its_pace() -> None:
    now = at(100)
    job = SyncJob(state=JobState.RUNNING, started_at=at(90), progress_percent=25, progress_label="acme")
    assert progress_of(job, now).seconds_to_go == 30 * 60
    waits = SyncJob(state=JobState.WAITING, resume_at=at(101), message="Telegram: flood wait\nmore")
    seen = progress_of(ExportJob(sync=waits, state=JobState.WAITING), now)
    assert (seen.label, seen.seconds_to_go, seen.words) == (
        "Fetching first: Telegram: flood wait",
        60,
        "until it goes on",
    )


# --- To export ---


def test_from_the_list_of_groups_to_the_file(client: Client, settings: Settings) -> None:
    with slack(settings, [said(1, ADA, text="Hello <there>"), said(2, thread_ts=ts(1))]):
        channel = group(Platform.SLACK)
        stranger = talk("telegram group", Platform.TELEGRAM).group
        somebody(client, "export_history", "view_group")
        form = act(client, GROUPS, "export_history", channel, stranger)
        wish = {"groups": f"{channel.pk},{stranger.pk}", "format": "slack-zip", "fetch": "on"}
        assert b"Fetch what is missing first" in form.content
        preview = client.post(NEW_EXPORT, {**wish, "preview": "1"}).content.decode()
        assert "0 messages" in preview and "1 group was never fetched" in preview
        assert "1 group does not fit into “Slack export (ZIP)” and is left out: telegram group" in preview
        changing = client.post(NEW_EXPORT, {**wish, "change": "1"}).content.decode()
        assert '<option value="slack-zip" selected>' in changing
        assert ExportJob.objects.count() == 0

        there = client.post(NEW_EXPORT, {**wish, "confirm": "1"})["Location"]
        job = ExportJob.objects.get()
        assert job.groups == [["slack", channel.external_id]]
        polled = client.get(reverse("admin:history_exportjob_progress", args=[job.pk])).json()
        assert (polled["label"], polled["finished"]) == ("Fetching first: Waiting for a worker", False)
        assert job.sync is not None
        run_sync(job.sync.pk)
        run_export(job.pk)
    shown = read(client, there)
    download = reverse("admin:history_exportjob_download", args=[job.pk])
    assert download in shown
    response = client.get(download)
    assert response["Content-Disposition"].startswith('attachment; filename="slack-zip-export-2023-11-14')
    assert response["Content-Type"] == "application/zip" and "no-store" in response["Cache-Control"]
    with zipfile.ZipFile(BytesIO(b"".join(response))) as archive:
        assert "channels.json" in archive.namelist()
    response.close()
    actions = list(ActivityEvent.objects.values_list("action", flat=True))
    assert actions == ["export.requested", "export.downloaded"]


def test_a_file_is_for_those_who_may_and_for_its_time(client: Client, admin_client: Client) -> None:
    say(talk(), 1)
    keys = f"{Group.objects.get().pk}"
    admin_client.post(NEW_EXPORT, {"groups": keys, "format": "text", "confirm": "1"})
    job = run_export(ExportJob.objects.get().pk)
    download = reverse("admin:history_exportjob_download", args=[job.pk])
    assert somebody(client, "read_history", "view_exportjob").get(download).status_code == 403
    assert client.post(NEW_EXPORT, {"groups": keys, "format": "text", "confirm": "1"}).status_code == 403
    allowed = somebody(client, "export_history").get(download)
    assert allowed.status_code == 200
    allowed.close()
    ExportJob.objects.update(expires_at=timezone.now())
    assert client.get(download).status_code == 404
    assert download not in read(client, reverse("admin:history_exportjob_change", args=[job.pk]))


def test_a_stopped_export_stops_its_sync(admin_client: Client) -> None:
    talk()
    wish = {"groups": f"{Group.objects.get().pk}", "format": "html", "fetch": "on", "confirm": "1"}
    admin_client.post(NEW_EXPORT, wish)
    job = ExportJob.objects.get()
    admin_client.post(reverse("admin:history_exportjob_cancel", args=[job.pk]))
    states = [*ExportJob.objects.values_list("state"), *SyncJob.objects.values_list("state")]
    assert states == [("cancelled",), ("cancelled",)]


def test_days_that_make_no_sense_are_asked_for_again(admin_client: Client) -> None:
    talk()
    wish = {"groups": f"{Group.objects.get().pk}", "format": "html", "since": "2026-02-01"}
    again = admin_client.post(NEW_EXPORT, {**wish, "until": "2026-01-01", "confirm": "1"})
    assert "swap the days" in again.content.decode()
    assert ExportJob.objects.count() == 0
