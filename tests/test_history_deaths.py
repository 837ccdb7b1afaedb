"""Syncs whose workers die, wait, or meet: every message is kept, once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from audits.history.coverage import BEGINNING, Coverage
from audits.history.models import Conversation, Message, SyncJob
from audits.history.sync import request_sync, run_sync
from groupadmin.sandbox.slack.faults import RateLimited
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.messages import Action, TelegramMessage
from members.jobs import JobState
from members.operations import lease
from members.operations.owner import new_owner
from members.platforms.types import Platform
from tests.history_world import CHAT, conversation, group, said, sent, slack, sync, telegram, ts
from tests.processes import eventually, kill, supervisor
from tests.slack_world import ACME
from tests.telegram_reading import ADA as TG_ADA
from tests.telegram_reading import BOB as TG_BOB
from tests.telegram_reading import add_group

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = 6
ON_SLACK, THREADS, REPLIES = 1600, 30, 3
BEFORE, SINCE = 500, 600
OLD_CHAT = 77


def slacks_messages() -> list[dict[str, Any]]:
    """A channel with threads."""
    roots = [said(number) for number in range(ON_SLACK)]
    return roots + [
        said(10_000 + thread * 10 + reply, thread_ts=ts(thread * 40))
        for thread in range(THREADS)
        for reply in range(REPLIES)
    ]


def forum() -> list[TelegramMessage]:
    """A supergroup with two topics."""
    messages = [sent(number) for number in range(1000, 1000 + SINCE)]
    for opening, title in ((messages[1], "Plans"), (messages[2], "Bugs")):
        opening.action, opening.text = Action("open_topic", title=title), ""
    for place, message in enumerate(messages[3:]):
        message.topic = (None, messages[1].id, messages[2].id)[place % 3]
    return messages


def workers(settings: Settings, folder: Path) -> AbstractContextManager[Callable[[], int]]:
    """They work on the servers of the settings."""
    names = (
        "SLACK_USER_TOKEN",
        "SLACK_API_URL",
        "TELEGRAM_SESSION",
        "TELEGRAM_SERVER",
        "TELEGRAM_SERVER_KEY",
    )
    return supervisor(
        "tests.history_process",
        folder,
        HISTORY_RETENTION_DAYS="0",
        TELEGRAM_API_ID="1",
        TELEGRAM_API_HASH="invented",
        **{name: getattr(settings, name) for name in names},
    )


def ended(job: SyncJob) -> bool:
    job.refresh_from_db()
    return job.finished


@pytest.mark.long
def test_workers_that_are_killed_lose_nothing_and_keep_nothing_twice(
    settings: Settings, tmp_path: Path
) -> None:
    chance = random.Random(5)
    with (
        slack(settings, slacks_messages()) as sandbox,
        telegram(settings, tmp_path, forum(), migrated_from=OLD_CHAT, forum=True) as server,
        workers(settings, tmp_path) as start,
    ):
        before = add_group(server.world, OLD_CHAT, TG_ADA, TG_BOB, kind="basic", migrated_to=CHAT)
        before.messages = [sent(number, text=f"before {number}") for number in range(1, BEFORE + 1)]
        sandbox.page_cap, sandbox.latency, server.latency = 40, 0.003, 0.01
        groups = [group(Platform.SLACK), group(Platform.TELEGRAM)]
        job = request_sync(groups=groups, asked_by="ada")
        worker = start()
        for _ in range(KILLS):
            kept = Message.objects.count() + chance.randrange(1, 200)
            while Message.objects.count() < kept and not ended(job):
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.03))
            assert not ended(job), "it was too quick to be killed so often"
            with suppress(ProcessLookupError):
                kill(worker)
            worker = start()
        eventually(lambda: ended(job))
        assert (job.state, job.message) == (JobState.DONE, "")

    channel, chat = (conversation(each) for each in groups)
    assert channel.messages.count() == channel.message_count == ON_SLACK + THREADS * REPLIES
    assert chat.messages.count() == chat.message_count == BEFORE + SINCE
    assert not Message.objects.exclude(deleted_at=None).exists()
    for each in (channel, chat):
        spans = Coverage.from_json(each.covered).spans
        assert [span.start for span in spans] == [BEGINNING], "whole, in one stretch"
    assert chat.messages.filter(thread=1001).count() == 1 + len(range(1, SINCE - 3, 3))
    again = sync(*groups, anew=True)
    assert (again.messages_new, again.messages_changed, again.messages_deleted) == (0, 0, 0)


def test_two_workers_on_one_sync(settings: Settings, tmp_path: Path) -> None:
    with slack(settings, slacks_messages()) as sandbox, workers_on_slack(settings, tmp_path) as start:
        sandbox.page_cap, sandbox.latency = 200, 0.005
        job = request_sync(groups=[group(Platform.SLACK)], asked_by="ada")
        start()
        start()
        eventually(lambda: ended(job))
    counts = sandbox.calls.counts()
    assert (job.state, job.messages_new) == (JobState.DONE, ON_SLACK + THREADS * REPLIES)
    assert counts["conversations.replies"] <= THREADS + 10, "one of them works, the other one waits"


def workers_on_slack(settings: Settings, folder: Path) -> AbstractContextManager[Callable[[], int]]:
    settings.TELEGRAM_SESSION = settings.TELEGRAM_SERVER = settings.TELEGRAM_SERVER_KEY = ""
    return workers(settings, folder)


def test_limits_are_waited_for(settings: Settings, tmp_path: Path) -> None:
    """Slack's Retry-After, Telegram's FLOOD_WAIT; a wait too long to sit out gives the worker back."""
    with (
        slack(settings, [said(number) for number in range(300)]) as sandbox,
        telegram(settings, tmp_path, [sent(number) for number in range(1, 301)]) as server,
    ):
        sandbox.page_cap = 50
        sandbox.script.add("conversations.history", RateLimited(1), skip=2)
        server.script.add("GetHistory", RpcFault("FLOOD_WAIT_1"), skip=1)
        groups = [group(Platform.SLACK), group(Platform.TELEGRAM)]
        job = sync(*groups)
        assert (job.state, job.messages_new) == (JobState.DONE, 600)
        assert job.waited_seconds >= 1.0
        sandbox.script.add("conversations.history", RateLimited(90))
        waiting = sync(groups[0])
        assert waiting.state == JobState.WAITING and "wait 90 seconds" in waiting.message
        assert waiting.resume_at is not None
        assert waiting.resume_at > timezone.now() + timedelta(seconds=80)
        SyncJob.objects.update(resume_at=timezone.now())
        assert run_sync(waiting.pk).state == JobState.DONE


def test_a_limit_of_one_conversation_ends_what_is_under_way_in_the_others(settings: Settings) -> None:
    with slack(settings, [said(number) for number in range(50)]) as sandbox:
        sandbox.latency, sandbox.page_cap = 0.1, 10
        sandbox.world.channels[ACME].messages = [said(number) for number in range(50)]
        general, acme = group(Platform.SLACK), group(Platform.SLACK, ACME)
        limit = RateLimited(90)
        sandbox.script.add("conversations.history", limit, when=lambda call: call["channel"] == ACME)
        job = sync(general, acme)
        assert (job.state, job.attempts) == (JobState.WAITING, 1) and "wait 90 seconds" in job.message
        SyncJob.objects.update(resume_at=timezone.now())
        job = run_sync(job.pk)
    assert (job.state, job.messages_new) == (JobState.DONE, 100)


def test_the_account_is_used_by_one_at_a_time(settings: Settings, tmp_path: Path) -> None:
    with telegram(settings, tmp_path, [sent(1)]) as server:
        chat = group(Platform.TELEGRAM)
        hold = lease.take_account(Platform.TELEGRAM, owner=new_owner())
        assert hold is not None
        job = sync(chat)
        assert job.state == JobState.WAITING and "another job uses the account" in job.message
        assert server.calls.total == 0
        lease.release(hold)
        SyncJob.objects.update(resume_at=timezone.now())
        assert run_sync(job.pk).state == JobState.DONE


def test_a_group_that_vanishes_is_said_to_be_gone(settings: Settings) -> None:
    """Before its turn, and while it is read."""
    with slack(settings, [said(number) for number in range(50)]) as sandbox:
        sandbox.page_cap = 10
        general = group(Platform.SLACK)
        job = request_sync(groups=[general], asked_by="ada")
        seen = []

        def vanish() -> bool:
            seen.append(1)
            if len(seen) == 3:
                Conversation.objects.all().delete()
                general.delete()
            return False

        job = run_sync(job.pk, stopping=vanish)
        assert (job.state, job.message) == (
            JobState.FAILED,
            "general: it was deleted from the groups meanwhile.",
        )
        later = run_sync(SyncJob.objects.create(groups=job.groups).pk)
    assert (later.state, later.message) == (JobState.FAILED, "C1: no group is known by this id any more.")
