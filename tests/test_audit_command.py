"""`manage.py audit` as a person runs it: real processes, exit codes, what is printed and written."""

from __future__ import annotations

import csv
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from audits.models import AuditRun, Finding, GroupResult, RunState, Trigger
from audits.services import request_audit
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.company.words import ODD_TELEGRAM_TITLES
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack.faults import Delay
from members.models import Group, MembershipRule, ScopeLine, Team
from members.platforms.types import Platform
from tests.audit_world import TINY, Office
from tests.processes import environment, eventually, manage, running, test_database_url

AUDIT = [sys.executable, "manage.py", "audit", "--platform=slack"]


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """In a database that other processes see."""
    return Office(start_sandbox(build_company(TINY)))


@pytest.fixture
def env(office: Office, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that works on the office and on the test's database."""
    return environment(DATABASE_URL=test_database_url(), VAR_DIR=str(tmp_path), **office.environment)


class TestAProcess:
    def test_does_it_all(self, env: dict[str, str], tmp_path: Path) -> None:
        files = [tmp_path / f"audit.{suffix}" for suffix in ("xlsx", "csv", "json")]

        done = manage("audit", *(f"--{path.suffix[1:]}={path}" for path in files), env=env)

        assert done.returncode == 0, done.stderr
        assert "Audit " in done.stdout and "Coverage" in done.stdout.title()
        assert [line for line in done.stdout.splitlines() if line in map(str, files)] == list(map(str, files))
        assert all(path.stat().st_size for path in files)
        run = AuditRun.objects.get()
        assert (run.state, run.trigger, run.attempts) == ("complete", "command", 1)
        assert sorted(run.reports.values_list("format", flat=True)) == ["csv", "json", "xlsx"]

    def test_says_once_and_in_one_line_each_what_went_wrong(self, env: dict[str, str]) -> None:
        done = manage("audit", env=env | {"SLACK_USER_TOKEN": "", "TELEGRAM_SESSION": ""})

        assert done.returncode == 4
        assert done.stderr.splitlines()[-2:] == [
            "Slack is not configured: set SLACK_USER_TOKEN to a user token (xoxp-…)",
            "Nobody is signed in to Telegram: open Telegram accounts, or run manage.py telegram_signin",
        ]
        assert done.stdout.splitlines() == [
            f"Audit {AuditRun.objects.get().pk}: failed",
            "No group was audited.",
        ]

    def test_knows_its_platforms(self, env: dict[str, str]) -> None:
        done = manage("audit", "--platform=discord", env=env)

        assert done.returncode == 2
        assert "discord" in complaint(done.stderr)
        assert not AuditRun.objects.exists()

    def test_tells_no_secrets(self, office: Office, env: dict[str, str]) -> None:
        done = manage("audit", env=env)

        for secret in (office.company.slack_token, office.environment["TELEGRAM_SESSION"]):
            assert secret not in done.stdout + done.stderr

    def test_stops_at_ctrl_c_and_records_nothing(
        self, office: Office, env: dict[str, str], tmp_path: Path
    ) -> None:
        office.slack.script.add("users.conversations", Delay(2), times=None)
        log = tmp_path / "log"
        with running(AUDIT, env=env, log=log) as process:
            eventually(lambda: "users.conversations" in office.slack.calls.counts())
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130

        assert complaint(log.read_text()) == "Interrupted."
        run = AuditRun.objects.get()
        assert (run.state, run.message) == ("cancelled", "Interrupted; nothing was recorded.")
        assert not (Group.objects.exists() or Finding.objects.exists() or GroupResult.objects.exists())

    def test_that_was_killed_does_not_stand_in_the_way(
        self, office: Office, env: dict[str, str], tmp_path: Path
    ) -> None:
        office.slack.script.add("users.conversations", Delay(2), times=None)
        with running(AUDIT, env=env, log=tmp_path / "log") as process:
            eventually(lambda: "users.conversations" in office.slack.calls.counts())
            process.kill()
            process.wait(30)
        killed = AuditRun.objects.get()
        assert killed.state == "running", "nobody has looked after it yet"
        office.slack.script.clear()

        again = office.audit("--platform=slack")

        assert (again.code, again.state) == (0, "complete")
        killed.refresh_from_db()
        assert (killed.state, killed.attempts) == ("queued", 1), "the workers will take it up"


class TestAPolicyThatSaysNothing:
    """A new installation: the account is there, and nobody has said yet who must be where."""

    def test_without_scope_nothing_is_audited_which_is_no_success(self, office: Office) -> None:
        ScopeLine.objects.exclude(kind="exclude").delete()

        outcome = office.audit()

        assert outcome.code == 4
        assert outcome.error == (
            "Nothing on Slack and Telegram is in scope: "
            "say with loadpolicy, or under Policy in the admin, which groups count."
        )

    def test_a_platform_without_scope_is_named(self, office: Office) -> None:
        ScopeLine.objects.filter(platform="telegram").delete()

        outcome = office.audit()

        assert outcome.code == 0
        assert outcome.warnings.startswith("Nothing on Telegram is in scope: ")

    def test_a_scope_that_no_group_matches_is_told(self, office: Office) -> None:
        ScopeLine.objects.filter(kind="include").update(pattern="misspelt")

        outcome = office.audit("--platform=slack")

        assert (outcome.code, outcome.rows()) == (0, {})
        assert outcome.warnings == "No group matches the scope: compare it with the names of the groups.\n"

    @pytest.mark.parametrize("lacking", [MembershipRule, Team])
    def test_without_anybody_to_ask_for_full_coverage_means_nothing(
        self, office: Office, lacking: type[MembershipRule] | type[Team]
    ) -> None:
        MembershipRule.objects.filter(employee__isnull=False).delete()
        for team in Team.objects.all():
            team.employees.clear()
        if lacking is MembershipRule:
            MembershipRule.objects.all().delete()

        outcome = office.audit("--platform=slack")

        assert outcome.code == 0
        assert outcome.warnings == (
            "Nobody is asked for on Slack: "
            "say with loadpolicy, or under Policy in the admin, who must be in the groups.\n"
        )

    def test_a_policy_that_says_enough_is_not_commented(self, office: Office) -> None:
        assert office.audit().warnings == ""


class TestFiles:
    @pytest.mark.parametrize("option", ["xlsx", "csv", "json"])
    def test_a_misspelt_folder_is_refused_before_the_audit(
        self, office: Office, tmp_path: Path, option: str
    ) -> None:
        path = tmp_path / "misspelt" / "audit"

        with pytest.raises(CommandError) as refused:
            call_command("audit", f"--{option}={path}")

        assert (refused.value.returncode, str(refused.value)) == (
            2,
            f"Cannot write {path}: there is no folder {path.parent}.",
        )
        assert not path.parent.exists()
        assert not AuditRun.objects.exists()

    def test_a_disk_that_is_full_costs_the_file_and_not_the_audit(self, office: Office) -> None:
        outcome = office.audit("--platform=slack", "--csv=/dev/full")

        assert (outcome.code, outcome.error) == (1, "Cannot write /dev/full: No space left on device.")
        assert AuditRun.objects.get().state == "complete"

    def test_an_audit_that_learnt_nothing_leaves_the_earlier_files(
        self, office: Office, settings: Settings, tmp_path: Path
    ) -> None:
        table = tmp_path / "audit.csv"
        office.audit("--platform=slack", f"--csv={table}")
        before = table.read_text()
        settings.SLACK_USER_TOKEN = ""

        assert office.audit("--platform=slack", f"--csv={table}").state == "failed"
        assert table.read_text() == before

    def test_strange_names_arrive_whole_and_harmless(self, office: Office, tmp_path: Path) -> None:
        """Emoji, right-to-left text, a formula, and a control character, which no spreadsheet takes."""
        for chat in list(office.company.telegram.chats.values()):
            chat.members.pop(office.telegram_id("di"), None)  # so that every one of them has a missing member
        office.company.telegram.reindex()
        book, table = tmp_path / "audit.xlsx", tmp_path / "audit.csv"

        outcome = office.audit("--platform=telegram", f"--xlsx={book}", f"--csv={table}")

        titles = set(ODD_TELEGRAM_TITLES)
        assert titles <= {row["name"] for row in outcome.rows().values()}
        assert titles <= set(GroupResult.objects.values_list("name", flat=True))
        assert titles <= set(Group.objects.values_list("name", flat=True))
        printable = {title.replace("\a", "") for title in titles}
        sheet = openpyxl.load_workbook(book)["Audit Results"]
        cells = {cell.value: cell for (cell,) in sheet.iter_rows(min_row=2, min_col=2, max_col=2)}
        assert printable <= cells.keys()
        assert {cells[title].data_type for title in printable} == {"s"}, "a formula would be 'f'"
        with table.open(encoding="utf-8") as file:
            names = {line["Group Name"] for line in csv.DictReader(file)}
        defused = {f"'{title}" if title.startswith("=") else title for title in printable}
        assert {name for name in names if name.lstrip("'") in printable} == {
            name for name in defused if name.lstrip("'") in {each.lstrip("'") for each in names}
        }
        assert "'=1+1 Formula Example <> iBTC" in names


class TestOneAtATime:
    def test_refuses_while_another_runs_and_leaves_nothing_behind(self, office: Office) -> None:
        other = request_audit(platforms=[Platform.SLACK], trigger=Trigger.PERSON)
        AuditRun.objects.filter(pk=other.pk).update(
            state=RunState.RUNNING, owner="another-machine:1:x", heartbeat_at=timezone.now()
        )

        outcome = office.audit("--platform=slack")

        assert (outcome.code, outcome.error) == (
            1,
            "Another audit is running; try again when it has finished.",
        )
        assert AuditRun.objects.get() == other

    def test_hands_over_to_the_workers_when_told_to(self, office: Office) -> None:
        outcome = office.audit("--background", "--deep")

        run = AuditRun.objects.get()
        assert (run.state, run.deep, run.trigger) == ("queued", True, "command")
        assert (outcome.code, outcome.printed) == (0, f"Audit {run.pk} is waiting for a worker.\n")
        assert outcome.document == {"run": {"id": run.pk, "state": "queued"}}

    @pytest.mark.parametrize("option", ["--xlsx", "--csv"])
    def test_the_workers_write_no_file_where_this_machine_wants_it(
        self, office: Office, tmp_path: Path, option: str
    ) -> None:
        outcome = office.audit("--background", f"{option}={tmp_path / 'file'}")

        assert outcome.code == 2
        assert outcome.error == "--background leaves the files on the run's page: leave out --xlsx and --csv."
        assert not AuditRun.objects.exists()


def complaint(stderr: str) -> str:
    """The one line that a person reads; before it may stand what was going on."""
    assert "Traceback" not in stderr
    return stderr.rstrip().splitlines()[-1]
