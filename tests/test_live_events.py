"""Live events over the real wire: a group that changes is audited within seconds, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audits.custody import take
from audits.events.listening import ListenerBusy, listen
from audits.events.looking import LONGEST_HOLD, _request, tend
from audits.events.models import LiveEvent
from audits.events.state import ListenerState, Record, live_state
from audits.history.models import Conversation, SyncJob
from audits.history.sync import run_sync
from audits.latest import newest_results, speaking_runs
from audits.models import AuditRun, GroupResult, RunState, Trigger
from audits.services import request_audit
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack import SlackAppToken, SlackChannel
from groupadmin.sandbox.telegram.effects import Hold
from members.models import Group
from members.operations import lease
from members.operations.models import Lease, Operation, Step
from members.platforms.types import Platform
from tests.audit_world import TINY, FindingId, Office, audit, channel_without_bo, findings, missing_bo
from tests.history_world import group, slack, texts
from tests.processes import eventually
from tests.slack_world import ACME, ADA, BOB, GENERAL
from tests.test_remediation_automatic import add_by_itself

pytestmark = pytest.mark.django_db(transaction=True)

SLACK, TELEGRAM = Platform.SLACK, Platform.TELEGRAM
SEEN = LiveEvent.State.SEEN


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """With a customer's channel in which nobody is missing but Bo. Nobody has audited it yet."""
    office = Office(start_sandbox(build_company(TINY)))
    channel_without_bo(office)
    return office


@dataclass
class Running:
    """A listener in a thread, as its command runs it in a process."""

    platform: Platform
    told: list[str] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def state(self) -> ListenerState:
        return next(state for state in live_state() if state.platform is self.platform)


@contextmanager
def listener(platform: Platform, **options: Any) -> Iterator[Running]:
    stop, running = Event(), Running(platform)

    def be() -> None:
        try:
            listen(platform, stopping=stop.is_set, tell=running.told.append, **options)
        except BaseException as error:
            running.error = error
        finally:
            connections.close_all()

    thread = Thread(target=be)
    thread.start()
    try:
        eventually(lambda: running.state.is_listening or running.error)
        yield running
    finally:
        stop.set()
        thread.join()
    assert running.error is None


def looks() -> list[AuditRun]:
    return list(AuditRun.objects.filter(narrow=True).order_by("pk"))


def all_seen(bursts: int) -> bool:
    """Whether so many bursts were heard, and every one of them was looked at."""
    states = list(LiveEvent.objects.values_list("state", flat=True))
    return len(states) == bursts and set(states) == {SEEN}


def outside(*groups: str) -> set[FindingId]:
    return {finding for finding in findings() if finding[1] not in groups}


def test_what_happens_in_a_channel_is_judged_within_seconds_and_nothing_elsewhere_changes(
    office: Office,
) -> None:
    office.audit_first()
    channel = office.channel(lambda truth, channel: channel.name == "acme-bitsafe")
    ada, bo = office.slack_id("ada"), office.slack_id("bo")
    before, spoke = outside(channel.id, "C9NEW"), speaking_runs()
    office.slack.calls.clear()
    add_by_itself("bo")
    with listener(SLACK) as running:
        office.slack.join(channel.id, bo, by=ada)
        eventually(lambda: missing_bo(channel) in findings("resolved"))
        eventually(lambda: all_seen(1))

        office.slack.leave(channel.id, bo)
        office.slack.rename(channel.id, "acme-ibtc-bitsafe")
        new = SlackChannel("C9NEW", "new-customer-bitsafe", ada, {ada: None}, is_private=True)
        office.slack.create(new)
        office.slack.create(SlackChannel("C9OUT", "lunch", ada, {ada: None}))
        eventually(lambda: all_seen(4))
        assert "lunch" in running.state.last_event

        office.slack.sockets.muted = True  # an event gets lost, as it may
        office.slack.rename(channel.id, "acme-bitsafe")
        office.slack.sockets.muted = False
    assert {missing_bo(channel), missing_bo(new)} <= findings()
    assert ("slack", channel.id, "deprecated_name", "") in findings()
    assert Group.objects.get(external_id=channel.id).name == "acme-ibtc-bitsafe"
    assert not Group.objects.filter(external_id="C9OUT").exists(), "it is out of scope"
    operation = Operation.objects.get()
    assert (operation.state, operation.parameters["groups"]) == ("confirmed", ["slack:C9NEW"])

    assert outside(channel.id, "C9NEW") == before
    assert [len(run.groups) for run in looks()] == [1, 3], "a burst is one audit"
    assert {(run.trigger, run.state) for run in looks()} == {(Trigger.EVENT, RunState.COMPLETE)}
    assert speaking_runs() == spoke, "a look at a few groups speaks for no platform"
    newest = GroupResult.objects.get(newest_results(), group__external_id=channel.id)
    assert (newest.run, newest.required_missing) == (looks()[-1], ["bo"])
    assert "users.list" not in office.slack.calls.counts()

    office.audit("--platform", "slack")
    assert ("slack", channel.id, "deprecated_name", "") in findings("resolved"), "the next audit finds it"
    assert GroupResult.objects.get(newest_results(), group__external_id=channel.id).run not in looks()


def test_what_is_hostile_unknown_or_told_twice_is_acknowledged_and_does_no_harm(office: Office) -> None:
    sockets, bo = office.slack.sockets, office.slack_id("bo")
    joined = {"type": "member_joined_channel", "user": bo, "channel": "C9"}
    odd: list[Any] = [
        None,
        "text",
        {"type": "reaction_added", "user": "U1", "item": {}},
        {"type": "channel_rename", "channel": {"id": "C1'; DROP TABLE--", "name": "x"}},
        {"type": "channel_rename", "channel": {"id": ["C1"], "name": {"a": 1}}},
        {"type": "member_joined_channel", "channel": "C" * 5000, "user": 7},
        {"type": "message", "channel": "C1", "ts": "9" * 400, "text": "\ud800\0" * 10},
        {"type": "channel_rename", "channel": {"id": "C9", "name": "=1+1 \0" * 100}},
        *[joined] * 3,
    ]
    with listener(SLACK):
        for text in ("", "[]", "{", '"hello"', "[" * 100_000, '{"type": "disconnect", "reason": 7'):
            sockets.say(text)
        for event in odd:
            sockets.publish_payload({"event_id": "Ev1" if event is joined else "Ev", "event": event})
        eventually(lambda: len(sockets.acknowledged) == len(odd))
    event = LiveEvent.objects.get()
    assert (event.group_external_id, event.what, event.times) == ("C9", "joined", 2)
    assert len(event.group_name) == 255


def test_lines_are_replaced_before_they_end_and_after_they_broke(office: Office) -> None:
    sockets = office.slack.sockets
    with listener(SLACK) as running:
        sockets.warn("warning", close_after=None)
        eventually(lambda: sockets.connections == 2)
        sockets.warn("refresh_requested", close_after=None, oldest=1)  # Slack says it twice
        for number in range(2):  # each of them may bring something
            sockets.publish_payload({"event_id": f"Ev{number}", "event": {"type": "app_home_opened"}})
        eventually(lambda: len(sockets.acknowledged) == 2)
        assert office.slack.calls.counts()["apps.connections.open"] == 2
        assert len(running.told) == 1, "it never stopped to listen"
        sockets.drop()
        eventually(lambda: len(running.told) == 2)
        assert running.state.problem == "", "all is well since"
        with pytest.raises(ListenerBusy, match="Another process listens to Slack already"):
            listen(SLACK, stopping=lambda: False)
    assert not running.state.is_listening


def test_messages_of_kept_conversations_arrive_at_once_and_a_sync_closes_the_gaps(
    settings: Settings,
) -> None:
    with slack(settings, []) as sandbox:
        sandbox.world.app_tokens["xapp-1"] = SlackAppToken(ADA)
        settings.SLACK_APP_TOKEN = "xapp-1"
        general, acme = group(SLACK), group(SLACK, ACME)
        for each in (general, acme):
            Conversation.objects.create(group=each, kept=each == general)
        with listener(SLACK) as running:
            sandbox.post(GENERAL, BOB, "first")
            sandbox.post(ACME, BOB, "not kept")
            sandbox.sockets.muted = True
            sandbox.post(GENERAL, BOB, "lost")
            sandbox.sockets.muted = False
            sandbox.post(GENERAL, BOB, "third")
            eventually(lambda: texts(general) == ["first", "third"])
            assert running.state.last_event == "a message in general"
        job = SyncJob.objects.get()
        assert job.groups == [["slack", GENERAL]], "what was said before it listened is asked for"
        run_sync(job.pk)
        assert texts(general) == ["first", "lost", "third"]
    assert not LiveEvent.objects.exists()


def test_a_listener_says_what_keeps_it(office: Office, settings: Settings) -> None:
    for token, problem in (
        ("", "set SLACK_APP_TOKEN"),
        (settings.SLACK_USER_TOKEN, "not_allowed_token_type"),
        ("xapp-wrong", "invalid_auth"),
    ):
        settings.SLACK_APP_TOKEN = token
        with pytest.raises(CommandError, match=problem) as refused:
            call_command("slack_events")
        assert refused.value.returncode == 4
        slack_state, _ = live_state()
        assert problem in slack_state.problem and not slack_state.is_listening
        assert not token or token not in slack_state.problem
    settings.TELEGRAM_SESSION = ""
    with pytest.raises(CommandError, match="Nobody is signed in"):
        call_command("telegram_events")


def test_the_telegram_account_hears_and_lets_others_use_it_and_misses_nothing(office: Office) -> None:
    office.audit_first("--platform", "telegram")
    chat = office.chat(lambda truth, chat: truth.category == "customer" and len(chat.members) < 50)
    stored = Group.objects.get(platform=TELEGRAM, external_id=str(chat.id))
    Conversation.objects.create(group=stored, kept=True, read_at=timezone.now())
    bo, done, telegram = office.telegram_id("bo"), Event(), office.telegram
    bos: FindingId = ("telegram", str(chat.id), "missing_required", "bo")
    here, before = bo in chat.members, outside(str(chat.id))
    with listener(TELEGRAM) as running:
        (telegram.leave if here else telegram.join)(chat.id, bo)
        eventually(lambda: (bos in findings()) is here)
        telegram.rename(chat.id, "Acme iBTC <> BitSafe", by=office.telegram_id("ada"))
        eventually(lambda: ("telegram", str(chat.id), "deprecated_name", "") in findings())
        assert outside(str(chat.id)) == before

        eventually(lambda: running.state.is_listening)
        telegram.script.add("GetDialogs", Hold(done))
        with ThreadPoolExecutor() as pool:
            audit = pool.submit(whole_audit)
            eventually(lambda: not running.state.is_listening)
            telegram.post(chat.id, office.telegram_id("ada"), "while it was away")
            done.set()
            assert audit.result() == "complete"
        eventually(lambda: "while it was away" in texts(stored))
        telegram.drop_connections()
        telegram.post(chat.id, office.telegram_id("ada"), "when the line had broken")
        eventually(lambda: "when the line had broken" in texts(stored))

        eventually(lambda: running.state.is_listening)
        reading, begun = Event(), telegram.calls.counts()["GetDialogs"]
        telegram.script.add("GetDialogs", Hold(reading))
        telegram.drop_connections()
        telegram.post(chat.id, office.telegram_id("ada"), "when it could not read what it missed")
        eventually(lambda: telegram.calls.counts()["GetDialogs"] > begun)
        taken = lease.take_account(TELEGRAM, owner="somebody else")
        assert taken is not None, "nobody waits for it to have caught up"
        reading.set()
        lease.release(taken)
        eventually(lambda: "when it could not read what it missed" in texts(stored))
    assert not Lease.objects.exclude(owner="").exists()


def test_what_an_operation_of_ours_brings_about_waits_for_the_audit_that_verifies_it(db: None) -> None:
    now = timezone.now()
    operation = Operation.objects.create(
        kind="add_missing", state="running", plan_hash="x", count=1, trigger="person", expires_at=now
    )
    Step.objects.create(operation=operation, position=0, platform=SLACK, verb="add", group_id="C1")
    heard = {"platform": SLACK, "what": "joined", "due_at": now}
    ours = LiveEvent.objects.create(group_external_id="C1", heard_at=now, last_heard_at=now, **heard)
    assert tend(SLACK) is None
    assert not AuditRun.objects.exists(), "no look while we are at it ourselves"

    Operation.objects.update(state="done")
    verifying = request_audit(platforms=[SLACK], trigger=Trigger.EVENT, operation_id=operation.pk)
    assert tend(SLACK) is None
    later = timezone.now()
    AuditRun.objects.filter(pk=verifying.pk).update(state=RunState.COMPLETE, started_at=later)
    assert tend(SLACK) is None
    ours.refresh_from_db()
    assert (ours.state, ours.run_id) == (SEEN, verifying.pk), "that audit began after it was heard"

    AuditRun.objects.update(started_at=now - LONGEST_HOLD * 2)
    Operation.objects.update(state="waiting")
    long_ago = now - LONGEST_HOLD
    LiveEvent.objects.create(group_external_id="C1", heard_at=long_ago, last_heard_at=now, **heard)
    assert _request(SLACK, now=timezone.now()) is not None, "but not for ever"


@pytest.mark.services
def test_a_listener_whose_clock_is_ahead_takes_no_audit_for_dead(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    run = request_audit(platforms=[SLACK], trigger=Trigger.PERSON)
    take(run.pk)
    run.parts.update(owner="another-machine:1:x")
    heard = {"what": "joined", "heard_at": now, "last_heard_at": now, "due_at": now}
    LiveEvent.objects.create(platform=SLACK, group_external_id="C1", **heard)
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=1))

    assert tend(SLACK) is None

    assert run.parts.get().state == "running"


def whole_audit() -> str:
    """What somebody else does with the account, in a thread of its own."""
    try:
        return audit("--platform", "telegram").state
    finally:
        connections.close_all()


def test_the_page_says_how_listeners_do_what_was_heard_and_who_looked(admin_client: Client) -> None:
    now = timezone.now()
    run = request_audit(platforms=[SLACK], trigger=Trigger.EVENT, groups=[(SLACK, "C1")])
    for number, name in enumerate(["<b>acme</b>", ""]):
        LiveEvent.objects.create(
            platform=SLACK,
            group_external_id=f"C{number}",
            group_name=name,
            what="renamed",
            run=run,
            state=SEEN if name else LiveEvent.State.WAITING,
            heard_at=now,
            last_heard_at=now,
            due_at=now,
        )
    Record(SLACK, "another-machine:1:x").began("Slack app")
    Record(TELEGRAM, "another-machine:1:x").trouble("Nobody is signed in.")
    page = admin_client.get(reverse("admin:events_liveevent_changelist")).content.decode()
    for text in (
        ">Listening<",
        "as Slack app",
        "1 group waits",
        "&lt;b&gt;acme",
        str(run),
        "Nobody is signed in",
    ):
        assert text in page, text
    runs = admin_client.get(reverse("admin:audits_auditrun_changelist")).content.decode()
    assert "There are no audit runs yet" in runs or str(run) not in runs, "a list of whole audits"
    listed = admin_client.get(reverse("admin:audits_auditrun_changelist"), {"extent": "narrow"})
    assert str(run) in listed.content.decode()
    told = admin_client.get(reverse("admin:audits_auditrun_change", args=[run.pk])).content.decode()
    assert "1 group alone, after a live event" in told
