"""Conversations are kept: whole, once, and up to date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from audits.history.coverage import Coverage
from audits.history.live import keep_heard, known_on_slack
from audits.history.models import Conversation, Message, Sender, SyncJob
from audits.history.store import Stored
from audits.history.sync import request_sync, run_sync
from groupadmin.sandbox.telegram.build.updates import update
from groupadmin.sandbox.telegram.build.view import View
from groupadmin.sandbox.telegram.events import Event, MessageEdited, MessagePosted, MessagesDeleted
from groupadmin.sandbox.telegram.messages import Action
from groupadmin.sandbox.telegram.wire import tl
from members import jobs
from members.jobs import JobState
from members.platforms import slack_live, telegram_live
from members.platforms.history import Heard, micros
from members.platforms.live import Item
from members.platforms.types import Platform
from tests.history_world import (
    CHAT,
    START,
    after,
    at,
    conversation,
    group,
    said,
    sent,
    slack,
    sync,
    telegram,
    texts,
    ts,
)
from tests.slack_world import ADA, GENERAL, STRANGER
from tests.telegram_reading import ADA as TG_ADA
from tests.telegram_reading import BOB as TG_BOB
from tests.telegram_reading import add_group

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_channel_is_kept_whole_with_its_threads(settings: Settings) -> None:
    messages = [said(number) for number in range(1500)]
    messages += [said(number, ADA, thread_ts=ts(700)) for number in range(2000, 2030)]
    with slack(settings, messages):
        general = group(Platform.SLACK)
        job = sync(general)
    assert (job.state, job.message, job.messages_new) == (JobState.DONE, "", 1530)
    assert len(texts(general)) == 1530
    root = Message.objects.get(text="message 700")
    assert Message.objects.filter(thread=root.number).exclude(pk=root.pk).count() == 30
    assert {sender.name for sender in Sender.objects.all()} == {"Ada", "Bob Sample"}


def test_the_next_sync_asks_for_what_is_new_alone(settings: Settings) -> None:
    messages = [said(number) for number in range(300)]
    with slack(settings, messages) as sandbox:
        general = group(Platform.SLACK)
        sync(general)
        messages.append(said(400))
        sandbox.calls.clear()
        job = sync(general)
        assert sandbox.calls.counts()["conversations.history"] == 1
    assert (job.messages_new, job.messages_changed, len(texts(general))) == (1, 0, 301)


def test_edits_and_deletions_are_noticed(settings: Settings) -> None:
    settings.HISTORY_LOOK_BACK_DAYS = 100_000
    messages = [said(number) for number in range(10)]
    with slack(settings, messages):
        general = group(Platform.SLACK)
        sync(general)
        messages[3] |= {"text": "better", "edited": {"user": ADA, "ts": ts(50)}}
        del messages[9], messages[5]
        job = sync(general)
    assert (job.messages_new, job.messages_changed, job.messages_deleted) == (0, 1, 2)
    assert texts(general, deleted_at__isnull=False) == ["message 5", "message 9"]
    assert Message.objects.get(text="better").edited_at is not None


def test_a_date_is_where_reading_ends_and_later_the_rest_is_fetched(settings: Settings) -> None:
    with slack(settings, [said(number) for number in range(30)]):
        general = group(Platform.SLACK)
        sync(general, since=at(20))
        assert texts(general) == [f"message {number}" for number in range(20, 30)]
        assert sync(general).messages_new == 20
    assert texts(general) == [f"message {number}" for number in range(30)]


def test_a_supergroup_is_kept_whole(settings: Settings, tmp_path: Path) -> None:
    messages = [sent(number) for number in range(1, 351)]
    with telegram(settings, tmp_path, messages):
        chat = group(Platform.TELEGRAM)
        job = sync(chat)
        assert (job.state, job.message, job.messages_new) == (JobState.DONE, "", 350)
        messages.append(sent(360, text="new"))
        messages[340].text = "edited"
        del messages[345]
        settings.HISTORY_LOOK_BACK_DAYS = 100_000
        job = sync(chat)
    assert (job.messages_new, job.messages_changed, job.messages_deleted) == (1, 1, 1)
    assert conversation(chat).message_count == 351
    assert Sender.objects.get(external_id="102").name == "Bob Sample"


def test_messages_of_one_second_are_no_reason_to_lose_any(settings: Settings, tmp_path: Path) -> None:
    messages = [sent(number) for number in range(1, 251)]
    for message in messages[40:200]:
        message.date = messages[40].date
    with telegram(settings, tmp_path, messages):
        chat = group(Platform.TELEGRAM)
        sync(chat)
        settings.HISTORY_LOOK_BACK_DAYS = 100_000
        job = sync(chat)
    assert (job.messages_new, job.messages_deleted) == (0, 0)
    assert len(texts(chat)) == 250


def test_a_channel_that_is_gone_does_not_stop_the_others(settings: Settings) -> None:
    with slack(settings, [said(1)]) as sandbox:
        general = group(Platform.SLACK)
        gone = group(Platform.SLACK.TELEGRAM)
        gone.platform, gone.external_id = Platform.SLACK, "C404"
        gone.save()
        job = sync(gone, general)
        assert sandbox.calls.counts()["conversations.history"] == 2
    assert job.state == JobState.PARTIAL
    assert list(job.failures) == ["slack:C404"]
    assert texts(general) == ["message 1"]
    assert GENERAL in str(job.done)


def test_a_thread_that_came_to_life_again_is_found_when_the_channel_is_read_as_a_whole(
    settings: Settings,
) -> None:
    messages = [said(number) for number in range(5)]
    with slack(settings, messages):
        general = group(Platform.SLACK)
        sync(general)
        messages.append(said(99_000, ADA, thread_ts=ts(1)))
        assert sync(general).messages_new == 0, "the beginning is older than what is looked through again"
        settings.HISTORY_REREAD_DAYS = 30
        Conversation.objects.update(reread_at=at(0))
        assert sync(general).messages_new == 1
        assert sync(general).messages_changed == 0
    assert texts(general)[-1] == "message 99000"


def test_answers_that_stand_in_the_channel_too_are_one_message(settings: Settings) -> None:
    settings.HISTORY_LOOK_BACK_DAYS = 100_000
    broadcast = said(3, thread_ts=ts(1), subtype="thread_broadcast")
    with slack(settings, [said(1), said(2), broadcast, said(4, thread_ts=ts(1))]):
        general = group(Platform.SLACK)
        sync(general)
        again = sync(general)
    assert (again.messages_new, again.messages_changed, again.messages_deleted) == (0, 0, 0)
    row = Message.objects.get(text="message 3")
    assert {"root", "parent_user_id"} <= row.raw.keys()


def test_people_of_other_workspaces_and_apps_have_names(settings: Settings) -> None:
    messages = [
        said(1, STRANGER, text=f"ask <@{STRANGER}>"),
        said(2, bot_id="B1"),
        {"type": "message", "subtype": "bot_message", "bot_id": "B2", "username": "Alerts", "ts": ts(3)},
        {"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "text": "gone", "ts": ts(4)},
    ]
    with slack(settings, messages) as sandbox:
        general = group(Platform.SLACK)
        hidden = sandbox.world.users.pop(STRANGER)
        sandbox.world.add_user(hidden)
        sync(general)
    names = dict(Sender.objects.values_list("name", "is_bot"))
    assert names["Zed Partner"] is names["Bob Sample"] is False
    assert names["Alerts"] is True
    assert texts(general)[0] == "ask @Zed Partner"
    assert texts(general, deleted_at__isnull=False) == ["gone"]


def test_a_group_is_read_with_what_it_was_before_and_never_half(settings: Settings, tmp_path: Path) -> None:
    """However the reading is cut off, nothing that was not told counts as read, or as deleted."""
    settings.HISTORY_CONCURRENCY = 1
    now = [sent(number) for number in range(500, 640)]
    with telegram(settings, tmp_path, now, migrated_from=77, forum=True) as sandbox:
        before = add_group(sandbox.world, 77, TG_ADA, TG_BOB, kind="basic", migrated_to=CHAT)
        before.messages = [sent(number, text=f"before {number}") for number in range(1, 250)]
        now[5].topic = now[6].topic = 501
        now[1].action = Action("open_topic", title="Plans")
        now[6].reply_to = 505
        chat = group(Platform.TELEGRAM)
        for calls in range(1, 8):
            job = request_sync(groups=[chat], asked_by="ada", anew=True)
            run_sync(job.pk, stopping=after(calls))
            assert not Message.objects.exclude(deleted_at=None).exists()
            jobs.cancel(SyncJob, job.pk)
            kept = Coverage.from_json(conversation(chat).covered)
            whole = kept.spans[0].start if kept.spans else micros(at(1000))
            told = [each for each in (*before.messages, *now) if each.date * 1_000_000 >= whole]
            assert len(told) <= Message.objects.count()
        job = sync(chat)
    assert (job.state, Message.objects.count()) == (JobState.DONE, 389)
    assert Message.objects.filter(origin="77").count() == 249
    assert dict(Message.objects.exclude(thread=None).values_list("number", "reply_to")) == {
        501: None, 505: None, 506: 505
    }  # fmt: skip


def test_a_sync_goes_on_where_its_last_slice_ended(settings: Settings) -> None:
    """Even one that reads everything again."""
    messages = [said(number) for number in range(3000)]
    messages += [said(5000 + number, thread_ts=ts(number)) for number in range(20)]
    with slack(settings, messages) as sandbox:
        sandbox.page_cap = 200
        general = group(Platform.SLACK)
        sync(general)
        job = request_sync(groups=[general], asked_by="ada", anew=True)
        sandbox.calls.clear()
        for _ in range(50):
            if run_sync(job.pk, stopping=after(4)).finished:
                break
        job.refresh_from_db()
        assert (job.state, job.messages_changed, job.reached) == (JobState.DONE, 0, {})
        counts = sandbox.calls.counts()
    assert counts["conversations.replies"] == 20
    assert counts["conversations.history"] <= 3 * 15


def keep(items: Iterable[Item]) -> Stored:
    """What a listener does with the messages that it hears."""
    return sum((keep_heard(item) for item in items if isinstance(item, Heard)), Stored())


def keep_slack(payload: Mapping[str, Any]) -> Stored:
    return keep(slack_live.parse_items(payload, known_on_slack))


def test_what_is_heard_live_is_kept_at_once_and_the_sync_fills_in_the_rest(settings: Settings) -> None:
    messages = [said(1), said(2)]

    def event(message: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        place = {"type": "message", "channel": GENERAL, "channel_type": "channel"}
        return {"event": {**place, **message, **fields}}

    with slack(settings, messages):
        general = group(Platform.SLACK)
        sync(general)
        assert keep_slack(event(said(9))) == Stored(), "nobody chose to keep it"
        Conversation.objects.update(kept=True)
        reply = said(9, thread_ts=ts(1))
        assert [keep_slack(event(reply)).new for _ in range(2)] == [1, 0]
        edit = {"subtype": "message_changed", "message": said(2, text="better", edited={"ts": ts(8)})}
        assert [keep_slack(event(edit)).changed for _ in range(2)] == [1, 0]
        assert keep_slack(event({"subtype": "message_deleted", "deleted_ts": ts(2)})).deleted == 1
        assert keep_slack(event({"channel": "D1", "channel_type": "im"}, ts=ts(5))) == Stored()
        assert texts(general) == ["message 1", "better", "message 9"]
        del messages[1]
        messages += [said(8, thread_ts=ts(1)), reply]
        job = sync(general)
    assert (job.messages_new, job.messages_deleted) == (1, 0)
    assert texts(general) == ["message 1", "better", "message 8", "message 9"]
    assert Message.objects.get(text="message 1").reply_count == 2


def test_telegrams_pushes_are_kept_too(settings: Settings, tmp_path: Path) -> None:
    with telegram(settings, tmp_path, [sent(1)]) as sandbox:
        chat = group(Platform.TELEGRAM)
        sync(chat)
        Conversation.objects.update(kept=True)
        world = sandbox.world.chats[CHAT]
        view = View(sandbox.world, TG_ADA)
        edited = sent(1, text="edited", edited=START + 999)
        events: list[Event] = [MessagePosted(world, sent(2)), MessageEdited(world, edited)]
        events += [MessagesDeleted(world, (2,))]
        updates = view.updates([update(view, event, 1, 1) for event in events], [TG_BOB], [world])
        told = tl.read(tl.write(updates))
        stored = keep(telegram_live.parse_updates(told.updates, told.users, told.chats))
        assert stored == Stored(new=1, changed=1, deleted=1, earliest=at(2))
    assert texts(chat) == ["edited", "message 2"]
    assert Message.objects.get(number=2).sender == Sender.objects.get(name="Bob Sample")


def test_an_account_that_may_not_see_the_past_proves_nothing_of_it(
    settings: Settings, tmp_path: Path
) -> None:
    messages = [sent(number) for number in range(1, 30)]
    with telegram(settings, tmp_path, messages) as sandbox:
        chat = group(Platform.TELEGRAM)
        sync(chat)
        world = sandbox.world.chats[CHAT]
        world.hidden_prehistory, world.members[TG_ADA] = True, messages[20].date
        sync(chat, anew=True)
    assert not Message.objects.exclude(deleted_at=None).exists()
    assert conversation(chat).limited
