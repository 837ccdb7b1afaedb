"""Slack's threads are kept to their last reply, in however many slices, and what no database could keep."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from audits.history.models import SyncJob
from audits.history.sync import request_sync, run_sync
from groupadmin.sandbox.slack.faults import RateLimited
from members.jobs import JobState
from members.platforms.slack_messages import parse_message
from members.platforms.types import Platform
from tests.history_world import group, said, slack, sync, texts, ts

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_thread_takes_longer_than_a_slice_and_is_read_in_the_end(settings: Settings) -> None:
    """Fifteen messages a minute are all that Slack gives apps that are sold outside of its Marketplace."""
    messages = [said(1), said(2), *(said(10 + number, thread_ts=ts(1)) for number in range(60))]
    with slack(settings, messages) as sandbox:
        sandbox.page_cap = 15
        general = group(Platform.SLACK)
        for call in range(1, 8):
            sandbox.script.add("conversations.replies", RateLimited(60), skip=call)
        job = request_sync(groups=[general], asked_by="ada")
        for _ in range(4):
            job = run_sync(job.pk)
            SyncJob.objects.filter(state=JobState.WAITING).update(resume_at=job.created_at)
        assert (job.state, job.messages_new, job.reached) == (JobState.DONE, 62, {})


def test_replies_that_are_gone_are_noticed_even_when_none_is_left(settings: Settings) -> None:
    settings.HISTORY_LOOK_BACK_DAYS = 100_000
    messages = [said(1), *(said(10 + number, thread_ts=ts(1)) for number in range(40))]
    with slack(settings, messages) as sandbox:
        sandbox.page_cap = 7
        general = group(Platform.SLACK)
        sync(general)
        del messages[20]
        assert sync(general).messages_deleted == 1
        del messages[1:]
        assert sync(general).messages_deleted == 39
        sandbox.calls.clear()
        assert sync(general).messages_changed == 0
        assert "conversations.replies" not in sandbox.calls.counts(), "it is no thread any more"


def test_what_no_database_keeps_is_no_reason_to_lose_a_message(settings: Settings) -> None:
    odd = said(1, reply_count=10**12, score=float("nan"), blocks=[{"a\0": "\0"}], text="NUL \0")
    with slack(settings, [odd, {**said(2), "ts": "999999999999.000100"}]):
        general = group(Platform.SLACK)
        job = sync(general)
    assert (job.state, job.message) == (JobState.DONE, "")
    assert texts(general) == ["NUL \ufffd"]
    huge = parse_message(said(3, files=[{"id": "F1", "size": 10**30}]), lambda user_id: None)
    assert huge is not None and huge.attachments[0].size is None
