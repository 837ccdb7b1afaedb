"""An audit's parts: each is looked at by whoever is free, and lost, given back and recovered for itself."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from django.db.models import Count, F
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from audits import parts_custody, services
from audits.codec import UnknownVersion, dump, load
from audits.models import AuditPart, AuditRun, Finding, Trigger
from audits.observation import BlindSpot, PersonSeen, PlatformObservation, Trouble
from audits.progress import ProgressView
from audits.tasks import enqueue, wake_audits
from groupadmin.sandbox.slack.faults import Delay as SlackDelay
from groupadmin.sandbox.telegram.effects import Delay as TelegramDelay
from members.models import Employee
from members.operations.owner import is_dead
from members.platforms.types import (
    Account,
    CallCount,
    GroupDetails,
    Platform,
    PlatformGroup,
    PlatformUser,
)
from members.policy import Category, Exclusion, Handle, Naming, Person, Policy, Rule, ScopeLine
from tests.audit_world import TINY, Office, die_in, shared_office
from tests.processes import celery_worker, eventually

SLACK, TELEGRAM = ("slack", ""), ("telegram", "")
BOTH = tuple(Platform)


def _any(kind: type[Any], **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Instances of a dataclass with a value in every field."""
    return st.builds(kind, **{field.name: fixed.get(field.name, ...) for field in fields(kind)})


for _kind in (
    *(Account, PlatformUser, PlatformGroup, GroupDetails, BlindSpot, PersonSeen, Trouble),
    *(Category, Exclusion, Handle, Naming, Person, Rule, ScopeLine),
):
    st.register_type_strategy(_kind, _any(_kind))
st.register_type_strategy(CallCount, _any(CallCount, waited_seconds=st.floats(min_value=0, max_value=1e9)))


class TestAsText:
    @settings(max_examples=25)
    @given(_any(PlatformObservation))
    def test_what_was_seen_comes_back_as_it_was(self, seen: PlatformObservation) -> None:
        assert load(PlatformObservation, dump(seen)) == seen

    @settings(max_examples=25)
    @given(_any(Policy))
    def test_so_does_the_policy(self, policy: Policy) -> None:
        assert load(Policy, dump(policy)) == policy

    @given(st.text() | st.just(dump(Policy())) | st.from_regex(r'\[("[0-9a-f]{12}"|null|\d),.{0,9}\]'))
    def test_what_another_version_wrote_is_not_guessed_at(self, text: str) -> None:
        with pytest.raises(UnknownVersion):
            load(PlatformObservation, text)


office = pytest.fixture(shared_office)


def request() -> AuditRun:
    return services.request_audit(platforms=BOTH, trigger=Trigger.PERSON)


def calls(office: Office) -> tuple[int, int]:
    """How often Slack and Telegram were asked for somebody's groups so far."""
    telegram = office.telegram.calls.counts().get("GetCommonChats", 0)
    return office.slack.calls.counts().get("users.conversations", 0), telegram


def told(run: AuditRun) -> tuple[int, int]:
    """The same, as the run itself counts it."""
    return run.api_calls["slack"]["users.conversations"], run.api_calls["telegram"]["GetCommonChats"]


def is_recorded_once(run: AuditRun) -> bool:
    """Every group has its result, every finding its change, and nothing of the scaffolding is left."""
    run.refresh_from_db()
    results = run.results.values("group").annotate(times=Count("id"))
    changes = run.changes.values("finding").annotate(times=Count("id"))
    return (
        (run.state, run.owner, run.policy, run.parts.count()) == ("complete", "", "", 0)
        and [row["times"] for row in results] == [1] * (TINY.slack_in_scope + TINY.telegram_shared)
        and [row["times"] for row in changes] == [1] * Finding.objects.count()
        and run.reports.count() == 3
    )


class TestSharing:
    def test_one_looks_at_slack_another_at_telegram_and_the_last_one_ends_the_run(
        self, office: Office
    ) -> None:
        run = request()

        services.execute_audit(run.pk, only=SLACK)

        run.refresh_from_db()
        assert (run.state, run.owner, run.results.count()) == ("running", "", 0)
        assert run.progress_label == "Slack: done · Telegram: waiting for a worker"
        assert services.waiting_parts(run.pk) == [TELEGRAM]
        with pytest.raises(services.AuditBusy):
            services.execute_audit(run.pk, only=SLACK)
        slack, _ = calls(office)
        Employee.objects.create(key="zoe", name="Zoe Example")  # nobody has looked for her

        run = services.execute_audit(run.pk, only=TELEGRAM)

        assert calls(office)[0] == slack, "Slack was asked once"
        assert (told(run), run.attempts, run.message) == (calls(office), 1, "")
        assert is_recorded_once(run)

    def test_when_nobody_comes_for_the_rest_others_may_run_and_know_better(self, office: Office) -> None:
        run, other = request(), services.request_audit(platforms=[Platform.SLACK], trigger=Trigger.PERSON)
        services.execute_audit(run.pk, only=SLACK)
        with pytest.raises(services.AuditBusy, match="Another audit is running"):
            services.execute_audit(other.pk)

        services.recover_audits(now=timezone.now() + timedelta(minutes=2))
        office.audit("--platform=telegram")  # which says nothing of Slack
        slack, _ = calls(office)
        assert services.execute_audit(run.pk, only=TELEGRAM).state == "complete"
        assert calls(office)[0] == slack

        def another_audit() -> None:
            services.execute_audit(other.pk)
            late = F("finished_at") - timedelta(hours=1)  # by the clock of its machine
            AuditRun.objects.filter(pk=other.pk).update(finished_at=late)

        def another_policy() -> None:
            Employee.objects.create(key="zoe", name="Zoe Example")

        for news in (another_audit, another_policy):
            run = request()
            services.execute_audit(run.pk, only=SLACK)
            services.recover_audits(now=timezone.now() + timedelta(minutes=2))
            news()
            assert services.execute_audit(run.pk, only=TELEGRAM).state == "running"
            assert services.waiting_parts(run.pk) == [SLACK]
            assert services.execute_audit(run.pk).state == "complete"

    def test_what_another_version_saw_is_looked_at_again(self, office: Office) -> None:
        run = request()
        services.execute_audit(run.pk, only=SLACK)
        AuditPart.objects.filter(state="seen").update(observation='["0123456789ab",[]]')
        services.execute_audit(run.pk, only=TELEGRAM)
        assert services.waiting_parts(run.pk) == [SLACK]
        _, telegram = calls(office)

        run = services.execute_audit(run.pk)

        assert calls(office)[1] == telegram
        assert is_recorded_once(run)

    def test_is_cancelled_by_whoever_notices(self, office: Office) -> None:
        """By who looks at Telegram, when Slack was seen already; at once when nobody looks at anything."""
        office.telegram.script.add("GetDialogs", TelegramDelay(30))
        run = request()
        services.execute_audit(run.pk, only=SLACK)

        def cancel(_: ProgressView) -> None:
            services.cancel_audit(run_id=run.pk)

        run = services.execute_audit(run.pk, only=TELEGRAM, show=cancel)
        between = request()
        services.execute_audit(between.pk, only=SLACK)
        assert services.cancel_audit(run_id=between.pk)

        for each in (run, between):
            each.refresh_from_db()
            assert (each.state, each.owner, each.results.count(), each.parts.count()) == (
                "cancelled",
                "",
                0,
                0,
            )


class TestDeaths:
    def test_a_process_costs_the_part_that_it_looked_at(self, office: Office, tmp_path: Path) -> None:
        run = request()
        services.execute_audit(run.pk, only=SLACK)
        slack, _ = calls(office)
        die_in(office, run, "audits.parts_looking.store_part", tmp_path, "telegram")
        assert run.parts.get(state="running").name == "Telegram"

        assert services.recover_audits(now=timezone.now()) == [run.pk]
        run = services.execute_audit(run.pk)

        assert calls(office)[0] == slack
        assert is_recorded_once(run)

    def test_one_who_ends_the_run_costs_no_look_at_all(self, office: Office, tmp_path: Path) -> None:
        run = request()
        services.execute_audit(run.pk, only=SLACK)
        die_in(office, run, "audits.services.record", tmp_path, "telegram")
        before = calls(office)

        assert services.recover_audits(now=timezone.now()) == [run.pk]
        run = services.execute_audit(run.pk)

        assert (calls(office), told(run), run.attempts) == (before, before, 2)
        assert is_recorded_once(run)

    def test_a_part_is_given_up_after_the_third_and_the_others_are_recorded(self, office: Office) -> None:
        run = request()
        services.execute_audit(run.pk, only=SLACK)
        dead = {"state": "running", "owner": "another-machine:1:x", "heartbeat_at": run.created_at}
        run.parts.filter(platform="telegram").update(attempts=parts_custody.MAX_ATTEMPTS, **dead)

        assert services.recover_audits(now=timezone.now() + timedelta(minutes=2)) == [run.pk]
        run = services.execute_audit(run.pk)

        assert (run.state, run.results.count()) == ("partial", TINY.slack_in_scope)
        assert run.message == "Telegram: Given up: the process died 3 times while it looked."


@pytest.mark.services
def test_three_workers_share_the_audits_and_one_of_them_is_killed(office: Office, tmp_path: Path) -> None:
    """Two of them may look at Telegram: the second takes over what the first one held."""
    office.slack.script.add("users.conversations", SlackDelay(0.2), times=None)
    office.telegram.script.add("GetDialogs", TelegramDelay(30))
    queues = {"one": "default", "two": "telegram", "three": "default,telegram"}
    with ExitStack() as stack:
        for name, queue in queues.items():
            (tmp_path / name).mkdir()
            options = (f"--queues={queue}", f"--hostname={name}@%h")
            stack.enter_context(celery_worker(tmp_path / name, *options))
        run, later = request(), request()
        enqueue(run.pk)
        looking = run.parts.filter(platform="telegram", state="running").values_list("owner", flat=True)
        owner = eventually(lambda: looking.first() or "")
        enqueue(later.pk)
        eventually(lambda: run.parts.filter(platform="slack", state="seen").exists())
        eventually(lambda: "GetDialogs" in office.telegram.calls.counts())
        assert (run.results.count(), later.parts.count()) == (0, 0), "one audit at a time"

        os.killpg(os.getpgid(int(owner.split(":")[1])), signal.SIGKILL)
        eventually(lambda: is_dead(owner))
        slack, lost = calls(office)

        def is_over() -> bool:
            wake_audits()  # as the schedule does, again and again
            sleep(1)
            return is_recorded_once(run) and AuditRun.objects.get(pk=later.pk).state == "complete"

        eventually(is_over)
        for each in (run, later):
            each.refresh_from_db()
        assert run.api_calls["slack"] == later.api_calls["slack"]
        assert told(run)[0] == slack, "Slack was not looked at again"
        assert calls(office) == (told(run)[0] + told(later)[0], told(run)[1] + told(later)[1] + lost)
        assert run.finished_at is not None and later.started_at is not None
        assert run.finished_at <= later.started_at
