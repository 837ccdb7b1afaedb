"""`manage.py audit` as a person runs it: real processes, exit codes, what is printed and written."""

from __future__ import annotations

import csv
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from django.utils import timezone

from audits.models import AuditRun, Finding, GroupResult, RunState, Trigger
from audits.services import request_audit
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.company.words import ODD_TELEGRAM_TITLES
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack.faults import Delay
from members.models import Group
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
        files = [tmp_path / "new" / f"audit.{suffix}" for suffix in ("xlsx", "csv", "json")]

        done = manage("audit", *(f"--{path.suffix[1:]}={path}" for path in files), env=env)

        assert done.returncode == 0, done.stderr
        assert "Audit " in done.stdout and "Coverage" in done.stdout.title()
        assert [line for line in done.stdout.splitlines() if line in map(str, files)] == list(map(str, files))
        assert all(path.stat().st_size for path in files)
        run = AuditRun.objects.get()
        assert (run.state, run.trigger, run.attempts) == ("complete", "command", 1)
        assert sorted(run.reports.values_list("format", flat=True)) == ["csv", "json", "xlsx"]

    def test_ends_in_one_clear_line_without_a_token(self, env: dict[str, str]) -> None:
        done = manage("audit", "--platform=slack", env=env | {"SLACK_USER_TOKEN": ""})

        assert done.returncode == 4
        assert complaint(done.stderr).endswith(
            f"Audit {AuditRun.objects.get().pk} failed: "
            "Slack is not configured: set SLACK_USER_TOKEN to a user token (xoxp-…)"
        )

    def test_ends_in_one_clear_line_without_a_database(self, env: dict[str, str], tmp_path: Path) -> None:
        done = manage("audit", env=env | {"DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"})

        assert done.returncode == 1
        assert "manage.py migrate" in complaint(done.stderr)

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


class TestFiles:
    def test_a_place_that_cannot_be_written_costs_the_file_and_not_the_audit(
        self, office: Office, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("in the way")

        outcome = office.audit("--platform=slack", f"--xlsx={tmp_path / 'file' / 'audit.xlsx'}")

        assert outcome.code == 1
        assert outcome.error.startswith(f"Cannot write {tmp_path / 'file' / 'audit.xlsx'}: ")
        assert AuditRun.objects.get().state == "complete"

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
