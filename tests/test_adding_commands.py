"""Whom `add_missing` and `add_member` take: everybody, or those and there as the command line says."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audits.models import AuditRun, Finding
from groupadmin.sandbox.slack import SlackChannel, SlackUser
from members.models import Employee
from members.operations.models import Operation
from members.platforms.types import Platform
from tests.adding_world import add_missing_bo, bo_is_in, leave_bo_out
from tests.audit_world import Office, shared_office
from tests.command_line import Told, run

fresh_office = pytest.fixture(shared_office)


@pytest.fixture
def channels(fresh_office: Office) -> list[SlackChannel]:
    return leave_bo_out(fresh_office)


@pytest.fixture
def office(fresh_office: Office, channels: list[SlackChannel]) -> Office:
    """After its first audit, which found Bo to be missing in `channels`."""
    fresh_office.audit_first()
    return fresh_office


class TestANewColleague:
    """Scenario 1: somebody joins, and no rule asks for them yet."""

    def test_is_met_by_an_audit_and_then_added_wherever_they_shall_be(self, fresh_office: Office) -> None:
        account = SlackUser(id="UNEWCOMER", name="newcomer", real_name="New Example")
        fresh_office.company.slack.users[account.id] = account
        Employee.objects.create(key="newcomer", name="New Example", slack_username=account.name)
        fresh_office.audit("--platform=slack")

        newcomer = ("add_member", "newcomer", "--platform=slack", "--category=customer")
        nothing = run(*newcomer, "--yes")
        assert (nothing.code, nothing.document["operation"], nothing.document["steps"]) == (0, None, [])
        assert nothing.lines[0] == "Add people: nothing to do, where the rules require it"
        assert "No rule asks for New Example there." in nothing.printed
        assert not Operation.objects.exists(), "what does nothing takes no number"

        told = run(*newcomer, "--where=all", "--yes")

        assert Employee.objects.get(key="newcomer").slack_user_id == account.id
        added = {step["group"] for step in told.document["steps"] if step["outcome"] == "done"}
        assert added
        assert all(account.id in fresh_office.company.slack.channels[group].members for group in added)
        assert not Finding.objects.filter(subject="newcomer").exists(), "nothing asks for them"


class TestChoosing:
    def groups(self, told: Told) -> list[str]:
        return [step["group"] for step in told.document["steps"]]

    def test_groups_by_id_and_by_name(self, office: Office, channels: list[SlackChannel]) -> None:
        told = add_missing_bo("--group", channels[2].id, "#ACME-1-bitsafe")

        assert self.groups(told) == [channels[0].id, channels[2].id]

    def test_a_category(self, office: Office) -> None:
        assert len(self.groups(add_missing_bo("--category=customer"))) == 3
        assert self.groups(add_missing_bo("--category=internal")) == []

    def test_a_run(self, office: Office, channels: list[SlackChannel]) -> None:
        first = AuditRun.objects.get()
        (fourth,) = {channel.id for channel in leave_bo_out(office, 4)} - {channel.id for channel in channels}
        office.audit("--platform=slack")

        assert fourth in self.groups(add_missing_bo())
        assert fourth not in self.groups(add_missing_bo(f"--run={first.pk}"))

    def test_people_by_key_username_and_id(self, office: Office) -> None:
        bo = Employee.objects.get(key="bo")

        for word in ("bo", f"@{bo.slack_username}", bo.telegram_username.upper(), bo.slack_user_id):
            told = run("add_missing", "--platform=slack", "--employee", str(word))
            assert {step["subject"] for step in told.document["steps"]} == {"bo"}, word

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["--employee=boo"], "No employee is called 'boo': .* Did you mean bo"),
            (
                ["--group=acme-1-bitsaf"],
                "No audit has seen a group 'acme-1-bitsaf'. Did you mean acme-1-bitsafe",
            ),
            (["--category=custmer"], "There is no category 'custmer'. Did you mean customer?"),
            (["--category=xyz"], "There is no category 'xyz'. There are: .*customer"),
            (["--run=999"], "There is no audit 999 that recorded anything"),
        ],
    )
    def test_what_is_misspelt_is_named(self, office: Office, arguments: list[str], complaint: str) -> None:
        with pytest.raises(CommandError, match=complaint) as refused:
            call_command("add_missing", *arguments)

        assert refused.value.returncode == 2
        assert not Operation.objects.exists()

    def test_a_name_of_two_groups_needs_the_id(self, office: Office, channels: list[SlackChannel]) -> None:
        channels[1].name = channels[0].name
        office.audit("--platform=slack")

        told = add_missing_bo("--group", channels[0].name)

        assert told.code == 2
        assert "2 groups are called 'acme-1-bitsafe': write the id (" in told.complaint
        assert channels[0].id in told.complaint and channels[1].id in told.complaint


class TestSomebodyJoins:
    """`add_member`: people or teams, wherever they are not yet."""

    def test_adds_everywhere_in_scope(self, office: Office, channels: list[SlackChannel]) -> None:
        told = run("add_member", "bo", "--platform=slack", "--yes")

        assert told.code == 0
        truths = office.company.truth_now().groups
        in_scope = [office.company.slack.channels[id_] for platform, id_ in truths if platform == "slack"]
        assert all(bo_is_in(office, in_scope))
        assert any(line.startswith("Skipped ") and "Already there" in line for line in told.lines)
        report = next(Path(line) for line in told.lines if line.endswith(".md"))
        assert "### Already in (" in report.read_text(encoding="utf-8")

    def test_adds_a_team(self, office: Office) -> None:
        told = run("add_member", "--team=core", "--platform=slack", "--category=customer")

        assert {step["subject"] for step in told.document["steps"]} >= {"bo"}

    def test_adds_to_the_groups_of_a_file(
        self, office: Office, channels: list[SlackChannel], tmp_path: Path
    ) -> None:
        names = tmp_path / "groups.txt"
        names.write_text(f"#acme-2-bitsafe\n{channels[0].id}\n\nno-such-group\n")

        told = run("add_member", "bo", "--platform=slack", f"--groups={names}")

        assert [step["group"] for step in told.document["steps"]] == [channels[0].id, channels[1].id]
        assert any("no-such-group" in line for line in told.lines)

    def test_what_the_file_misspells_is_left_out_and_told(
        self, office: Office, channels: list[SlackChannel], tmp_path: Path
    ) -> None:
        names = tmp_path / "groups.txt"
        names.write_text("acme-1-bitsafe\nacme-2-bitsaf\n")

        told = run("add_member", "bo", f"--groups={names}", "--yes")

        assert told.code == 3
        assert bo_is_in(office, channels) == [True, False, False]
        assert told.complaint.startswith("Left out, because no one group is meant: 'acme-2-bitsaf'.")
        (skipped,) = (line for line in told.lines if line.startswith("Skipped: acme-2-bitsaf: "))
        assert not any(platform.label in skipped for platform in Platform)

    def test_a_file_without_one_name_that_is_known_plans_nothing(
        self, office: Office, tmp_path: Path
    ) -> None:
        names = tmp_path / "groups.txt"
        names.write_text("acme-2-bitsaf\n")

        told = run("add_member", "bo", f"--groups={names}", "--yes")

        assert told.code == 2
        assert "Did you mean acme-2-bitsafe" in told.complaint
        assert not Operation.objects.exists()

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ([], "Say whom to add: USER, or --team KEY."),
            (["@boo"], "No employee is called '@boo': .* Did you mean bo"),
            (["--team=cor"], "There is no team 'cor'. Did you mean core?"),
            (["bo", "--groups=/no/such/file"], "Cannot read /no/such/file: No such file or directory."),
            (["bo", "--groups=/dev/null"], "/dev/null names no group."),
        ],
    )
    def test_what_is_misspelt_is_named(self, office: Office, arguments: list[str], complaint: str) -> None:
        with pytest.raises(CommandError, match=complaint) as refused:
            call_command("add_member", *arguments)

        assert refused.value.returncode == 2

    def test_whose_account_nobody_knows_cannot_be_added(self, office: Office) -> None:
        Employee.objects.create(key="new", name="Nora New")

        told = run("add_member", "new", "--yes")

        assert told.code == 4
        assert [line.partition(":")[0] for line in told.complaint.splitlines()] == [
            "No Slack account of Nora New is known",
            "No Telegram account of Nora New is known",
        ]
