"""What all commands that write have in common, told by `add_missing`, through the wire."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from pytest_django import Settings

from audits.models import AuditRun
from audits.remediation.pairs import plan_removals
from audits.remediation.selections import PairSelection
from groupadmin.sandbox.slack import SlackChannel
from groupadmin.sandbox.slack.faults import Delay, RateLimited, SlackError
from members.management.writing import WriterCommand, command_line_actor
from members.models import Employee
from members.operations import custody, services
from members.operations.models import ActivityEvent, Operation
from members.operations.plan import Plan, Target
from members.operations.services import Actor
from members.platforms.types import Platform
from tests.adding_world import add_missing_bo, bo_is_in, invited, leave_bo_out
from tests.audit_world import Office, shared_office
from tests.command_line import run
from tests.processes import environment, eventually, free_port, manage, running, test_database_url

ADD = [sys.executable, "manage.py", "add_missing", "--platform=slack", "--employee=bo", "--yes"]


@pytest.fixture(autouse=True)
def _own_reports(settings: Settings, tmp_path: Path) -> None:
    """Reports of the same second have the same name, unless there is one already."""
    settings.MEDIA_ROOT = tmp_path / "media"


fresh_office = pytest.fixture(shared_office)


@pytest.fixture
def channels(fresh_office: Office) -> list[SlackChannel]:
    """Three customers' channels where Bo is missing, alone of all who are asked for."""
    return leave_bo_out(fresh_office)


@pytest.fixture
def office(fresh_office: Office, channels: list[SlackChannel]) -> Office:
    """After its first audit, which found Bo to be missing in `channels`."""
    fresh_office.audit_first()
    return fresh_office


@pytest.fixture
def env(office: Office, settings: Settings, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that works on the office and on the test's database."""
    return environment(
        DATABASE_URL=test_database_url(),
        VAR_DIR=str(tmp_path),
        MEDIA_ROOT=str(settings.MEDIA_ROOT),
        **office.environment,
    )


class TestPlanning:
    """Without --yes nothing is done."""

    @pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
    def test_prints_the_plan_and_does_nothing(
        self, office: Office, channels: list[SlackChannel], arguments: list[str]
    ) -> None:
        told = add_missing_bo(*arguments)

        operation = Operation.objects.get()
        assert (told.code, told.complaint) == (0, "")
        number, plan_hash = operation.pk, operation.plan_hash
        assert told.lines[:4] == [
            f"Add missing members: 3 steps in 3 groups (operation {number}, plan {plan_hash})",
            "  Slack     acme-1-bitsafe: add Bo Sample",
            "  Slack     acme-2-bitsafe: add Bo Sample",
            "  Slack     acme-3-bitsafe: add Bo Sample",
        ]
        assert told.lines[-1] == "Nothing was done. To do it, say --yes."
        assert operation.state == "planned"
        assert not invited(office)

    def test_waits_once_however_often_it_is_looked_at(
        self, office: Office, channels: list[SlackChannel]
    ) -> None:
        first, *others = (add_missing_bo() for _ in range(3))

        assert [told.document for told in others] == [first.document] * 2
        assert {told.lines[0] for told in others} == {first.lines[0]}
        waiting = Operation.objects.get()
        assert add_missing_bo("--yes").code == 0
        done = Operation.objects.exclude(pk=waiting.pk).get()
        assert (done.state, done.plan_hash) == ("done", waiting.plan_hash)

    def test_writes_the_plan_as_json(self, office: Office, channels: list[SlackChannel]) -> None:
        told = add_missing_bo("--group", channels[0].id)

        operation = Operation.objects.get()
        assert told.document == {
            "operation": operation.pk,
            "state": "planned",
            "plan_hash": operation.plan_hash,
            "count": 1,
            "steps": [
                {
                    "platform": "slack",
                    "group": channels[0].id,
                    "subject": "bo",
                    "verb": "add",
                    "state": "pending",
                    "outcome": "",
                    "message": "",
                }
            ],
            "skipped": [],
        }

    def test_says_what_is_left_out_and_why(self, office: Office) -> None:
        told = run("add_missing")

        archived = [line for line in told.lines if "The group is archived" in line]
        assert len(archived) == 1 and archived[0].startswith("Skipped: Slack ")
        assert {tuple(line) for line in told.document["skipped"]} == {
            ("platform", "group", "subject", "reason")
        }

    def test_yes_and_dry_run_contradict_each_other(self, office: Office) -> None:
        assert "not allowed with" in run("add_missing", "--yes", "--dry-run").complaint

    def test_needs_an_audit_first(self, fresh_office: Office) -> None:
        told = run("add_missing", "--platform=slack", "--yes")

        assert (told.code, told.printed) == (4, "")
        assert told.complaint == (
            "No audit of Slack is recorded yet, so nobody knows who is missing where: "
            "run manage.py audit first."
        )

    def test_has_nothing_to_do_where_nobody_is_missing(self, office: Office, tmp_path: Path) -> None:
        told = run("add_missing", "--platform=slack", "--employee=cy", "--yes")

        assert (told.code, told.document["count"]) == (0, 0)
        assert told.lines[0] == "Add missing members: nothing to do"
        assert AuditRun.objects.count() == 1, "and nothing to verify"

    def test_no_name_steers_the_terminal(self, office: Office, channels: list[SlackChannel]) -> None:
        channels[0].name = "acme-bitsafe\x1b[2J\nOperation 9: done \u202e"
        office.audit()

        told = add_missing_bo("--group", channels[0].id)

        assert "  Slack     acme-bitsafe[2J Operation 9: done: add Bo Sample" in told.lines


class TestDoing:
    def test_adds_exactly_the_missing_and_lets_an_audit_tell(
        self, office: Office, channels: list[SlackChannel]
    ) -> None:
        told = add_missing_bo("--yes")

        operation, verification = Operation.objects.get(), AuditRun.objects.latest("pk")
        assert (told.code, told.complaint, operation.state) == (0, "", "done")
        assert bo_is_in(office, channels) == [True] * 3
        assert sorted(invited(office)) == sorted((channel.id, office.slack_id("bo")) for channel in channels)
        assert (verification.operation_id, verification.state) == (operation.pk, "complete")
        assert f"Operation {operation.pk}: done: 3 added" in told.lines
        assert f"Verification: {verification}: of 3 groups 0 complete before, 3 after" in told.lines

    def test_prints_where_the_report_is_which_tells_of_the_verification(self, office: Office) -> None:
        told = add_missing_bo("--yes")

        markdown, workbook = map(Path, told.lines[-2:])
        username = Employee.objects.get(key="bo").slack_username
        assert markdown.name.startswith(f"member_additions_{username}_") and markdown.suffix == ".md"
        assert workbook == markdown.with_suffix(".xlsx")
        assert workbook.stat().st_size
        assert "| Of them complete after | 3 |" in markdown.read_text(encoding="utf-8")

    def test_writes_the_outcome_as_json(self, office: Office, channels: list[SlackChannel]) -> None:
        told = add_missing_bo("--yes", "--group", channels[0].id)

        assert told.document["state"] == "done"
        assert told.document["steps"] == [
            {
                "platform": "slack",
                "group": channels[0].id,
                "subject": "bo",
                "verb": "add",
                "state": "done",
                "outcome": "done",
                "message": "",
            }
        ]

    def test_leaves_on_record_who_did_it(self, office: Office) -> None:
        add_missing_bo("--yes")

        actor = command_line_actor().name
        assert actor.endswith(" (command line)")
        events = ActivityEvent.objects.filter(action__in=("operation.confirmed", "step.add"))
        assert set(events.values_list("actor", flat=True)) == {actor}
        assert events.count() == 4

    def test_tells_what_failed_and_that_the_rest_was_done(
        self, office: Office, channels: list[SlackChannel]
    ) -> None:
        office.slack.script.add("conversations.invite", SlackError("user_is_restricted"), times=1)

        told = add_missing_bo("--yes")

        assert told.code == 3
        assert Operation.objects.get().state == "partial"
        assert bo_is_in(office, channels) == [False, True, True]
        (failed,) = [line for line in told.lines if line.startswith("! ")]
        assert failed.startswith("! Slack     acme-1-bitsafe · Bo Sample: ")
        assert told.complaint == "Not all of it was done: the lines with an exclamation mark say why."
        assert any(line.endswith(".md") for line in told.lines), "the report is written all the same"

    def test_adds_on_both_platforms(self, office: Office) -> None:
        told = run("add_missing", "--yes")

        assert told.code == 0
        assert {step["platform"] for step in told.document["steps"]} == {"slack", "telegram"}
        assert {step["outcome"] for step in told.document["steps"]} == {"done"}


class TestBadDays:
    def test_a_missing_scope_is_named(self, office: Office, channels: list[SlackChannel]) -> None:
        token = next(iter(office.company.slack.tokens.values()))
        office.company.slack.tokens = {
            name: type(each)(each.user_id, frozenset(s for s in token.scopes if ":write" not in s))
            for name, each in office.company.slack.tokens.items()
        }

        told = add_missing_bo("--yes")

        assert told.code == 4
        assert "groups:write" in told.complaint
        assert bo_is_in(office, channels) == [False] * 3
        assert told.document["state"] == "failed"

    def test_a_platform_that_is_not_configured(self, office: Office, settings: Settings) -> None:
        settings.SLACK_USER_TOKEN = ""

        told = add_missing_bo("--yes")

        assert told.code == 4
        assert "set SLACK_USER_TOKEN" in told.complaint
        assert len(told.complaint.splitlines()) == 1
        assert {step["state"] for step in told.document["steps"]} == {"not_tried"}

    def test_a_server_that_is_down(
        self, office: Office, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(custody, "MAX_ATTEMPTS", 1)
        settings.SLACK_API_URL = f"http://127.0.0.1:{free_port()}/api/"

        told = add_missing_bo("--yes")

        assert told.code == 1
        assert "cannot be reached" in told.complaint
        assert told.document["state"] == "failed"

    def test_a_pause_that_a_platform_asks_for_is_told_in_a_pipe(self, office: Office) -> None:
        office.slack.script.add("conversations.invite", RateLimited(2), times=1)

        told = add_missing_bo("--yes")

        assert told.code == 0
        pauses = [line for line in told.progress.splitlines() if "asked to wait" in line]
        assert [line.strip() for line in pauses] == ["Slack asked to wait 2 s (conversations.invite)."]

    def test_a_count_that_is_not_the_plans(self, office: Office) -> None:
        told = add_missing_bo("--yes", "--count=2")

        assert told.code == 2
        assert told.complaint == "The plan has 3 steps, and --count says 2. Nothing was done."
        assert not invited(office)


class Evict(WriterCommand):
    """Takes four people out of everywhere they are on Slack, which is more than the cap allows."""

    kind = "remove_people"

    def plan(self, options: dict[str, Any]) -> Plan:
        names = Employee.objects.exclude(slack_user_id=None).exclude(key="ada").order_by("key")[:4]
        channel = self.channel
        targets = tuple(
            Target(Platform.SLACK, channel.id, channel.name, row.key, row.name, str(row.slack_user_id))
            for row in names
            if row.slack_user_id in channel.members
        )
        return plan_removals(PairSelection(targets))

    channel: SlackChannel


class TestTheCap:
    @pytest.fixture
    def evict(self, office: Office, channels: list[SlackChannel]) -> Evict:
        command = Evict()
        command.channel = channels[0]
        keys = Employee.objects.exclude(slack_user_id=None).values_list("slack_user_id", flat=True)
        channels[0].members |= dict.fromkeys(map(str, keys))
        return command

    def test_is_told_with_the_plan(self, evict: Evict) -> None:
        told = run(evict)

        assert told.code == 0
        assert "Above the cap: 4 people are more than the 3 allowed at once." in told.lines
        assert told.lines[-1] == "Nothing was done. To do it, say --yes --count 4."

    def test_refuses_the_whole_plan(self, evict: Evict, office: Office) -> None:
        told = run(evict, "--yes")

        assert told.code == 2
        assert "4 people are more than the 3 allowed at once." in told.complaint
        assert told.complaint.endswith("Here: --count 4. Nothing was done.")
        assert told.document["state"] == "refused"
        assert not invited(office)

    def test_gives_way_to_the_typed_count(self, evict: Evict, office: Office) -> None:
        told = run(evict, "--yes", "--count=4")

        assert (told.code, told.document["state"]) == (0, "done")
        assert len(invited(office)) == 4


class TestAProcess:
    def test_prints_plain_lines_into_a_pipe(self, env: dict[str, str], tmp_path: Path) -> None:
        done = manage(*ADD[2:], "--json", str(tmp_path / "out.json"), env=env)

        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Add missing members: 3 steps in 3 groups")
        assert json.loads((tmp_path / "out.json").read_text())["state"] == "done"
        assert "\r" not in done.stderr and "\x1b" not in done.stdout + done.stderr
        assert list((tmp_path / "logs").glob("add_missing_*.log"))

    def test_stops_at_ctrl_c_after_the_call_that_is_under_way(
        self, office: Office, channels: list[SlackChannel], env: dict[str, str], tmp_path: Path
    ) -> None:
        office.slack.script.add("conversations.invite", Delay(1.5), times=None)
        log = tmp_path / "log"
        with running(ADD, env=env, log=log) as process:
            eventually(lambda: "conversations.invite" in office.slack.calls.counts())
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130

        operation = Operation.objects.get()
        assert operation.state == "cancelled"
        assert 1 <= len(invited(office)) < 3
        counted = operation.steps.filter(state="done").count()
        assert counted == len(invited(office)), "what was done is written down as such"
        assert operation.steps.filter(state="not_tried").count() == 3 - counted
        *_, report, _workbook, last = log.read_text().splitlines()
        assert last == "Interrupted."
        assert f"### Not tried ({3 - counted})" in Path(report).read_text(encoding="utf-8")
        assert sorted(operation.reports.values_list("format", flat=True)) == ["md", "xlsx"]

    def test_that_somebody_cancels_says_so(self, office: Office, env: dict[str, str], tmp_path: Path) -> None:
        office.slack.script.add("conversations.invite", Delay(1.5), times=None)
        log = tmp_path / "log"
        with running(ADD, env=env, log=log) as process:
            eventually(lambda: "conversations.invite" in office.slack.calls.counts())
            services.cancel_operation(operation_id=Operation.objects.get().pk, actor=Actor("ada"))
            assert process.wait(30) == 3

        assert log.read_text().splitlines()[-1] == "Somebody cancelled it: what had been done stays."

    def test_stops_at_once_when_ctrl_c_is_pressed_twice(
        self, office: Office, channels: list[SlackChannel], env: dict[str, str], tmp_path: Path
    ) -> None:
        office.slack.script.add("conversations.invite", Delay(3), times=None)
        log = tmp_path / "log"
        with running(ADD, env=env, log=log) as process:
            eventually(lambda: "conversations.invite" in office.slack.calls.counts())
            process.send_signal(signal.SIGINT)
            sleep(0.2)  # two signals at once are one
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        assert log.read_text().splitlines()[-1] == "Interrupted."
        operation = Operation.objects.get()
        assert operation.cancel_requested
        office.slack.script.clear()

        told = add_missing_bo("--yes")  # settles what was in doubt, and then plans anew

        operation.refresh_from_db()
        assert (told.code, operation.state) == (0, "cancelled")
        assert bo_is_in(office, channels) == [True] * 3
        assert len(invited(office)) == 3, "nothing was done twice"

    def test_that_is_interrupted_while_it_verifies_says_so_in_the_report(
        self, office: Office, channels: list[SlackChannel], env: dict[str, str], tmp_path: Path
    ) -> None:
        log = tmp_path / "log"
        office.slack.script.add("conversations.list", Delay(2), times=None)
        with running(ADD, env=env, log=log) as process:
            verifying = AuditRun.objects.filter(operation_id__isnull=False, state="running")
            eventually(lambda: verifying.exclude(progress_label="").exists())  # it looks already
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130

        *told, report, _workbook, last = log.read_text().splitlines()
        assert last == "Interrupted."
        assert any(
            "the audit that verifies them was interrupted: run manage.py audit." in line for line in told
        )
        assert Operation.objects.get().state == "done"
        assert "cancelled: nobody has looked yet what came of it" in Path(report).read_text(encoding="utf-8")

    def test_goes_on_first_with_what_a_killed_one_left(
        self, office: Office, channels: list[SlackChannel], env: dict[str, str], tmp_path: Path
    ) -> None:
        office.slack.script.add("conversations.invite", Delay(1.5), times=None)
        with running(ADD, env=env, log=tmp_path / "log") as process:
            eventually(lambda: len(invited(office)) == 1)
            process.kill()
            process.wait(30)
        killed = Operation.objects.get()
        assert killed.state == "running", "nobody has looked after it yet"
        office.slack.script.clear()

        told = add_missing_bo("--yes")

        killed.refresh_from_db()
        assert (told.code, killed.state) == (0, "done")
        assert told.lines[0] == f"Operation {killed.pk} was left unfinished: it goes on first."
        assert told.document["count"] == 0, "its audit has told that nothing is missing any more"
        assert sorted(invited(office)) == sorted((channel.id, office.slack_id("bo")) for channel in channels)

    def test_only_mentions_it_in_a_dry_run(self, office: Office) -> None:
        add_missing_bo()
        left = Operation.objects.get()
        Operation.objects.update(state="confirmed")

        told = add_missing_bo()

        assert told.lines[0] == (
            f"Operation {left.pk} is unfinished: "
            "the workers take it up, or the next of these commands with --yes."
        )
        assert not invited(office)

    def test_leaves_one_alone_that_waits_for_long(self, office: Office) -> None:
        add_missing_bo()
        left = Operation.objects.get()
        Operation.objects.update(state="waiting", resume_at="2099-01-31T14:05:09Z")

        told = add_missing_bo("--yes")

        assert told.lines[0] == (
            f"Operation {left.pk} is unfinished: "
            "it waits until 2099-01-31 14:05:09 UTC, and goes on by itself."
        )
        assert told.code == 0

    def test_in_the_background_the_workers_do_it(
        self, office: Office, channels: list[SlackChannel], worker: None
    ) -> None:
        told = add_missing_bo("--yes", "--background")

        operation = Operation.objects.get()
        assert told.code == 0
        assert told.lines[-1] == f"Operation {operation.pk} was handed to the workers."
        assert told.document["operation"] == operation.pk
        eventually(lambda: Operation.objects.filter(state="done").exists())
        eventually(lambda: AuditRun.objects.filter(operation_id=operation.pk, state="complete").exists())
        assert bo_is_in(office, channels) == [True] * 3
        eventually(lambda: operation.reports.count() == 2)
