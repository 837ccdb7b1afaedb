"""What a run leaves behind: the workbook of the procedure, a CSV, a JSON document, lines on the console."""

from __future__ import annotations

import csv
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.files.storage import default_storage
from django.db import connection

from audits.contract import audit_document
from audits.models import AuditRun, RunReport, RunState, Trigger
from audits.observation import BlindSpot, KnownGroup, PlatformObservation, Trouble
from audits.reports import console_summary, store_reports, write_csv, write_json
from audits.workbook import write_workbook
from members.models import Employee, Exclusion, Group
from members.platforms.types import AdminStatus, CallCount, GroupDetails, History, Privacy
from members.policy import Exclusion as Excused
from tests.audit_rows import ADA, BOB, on_telegram, stored
from tests.worlds import NOW, SLACK, TELEGRAM, channel, in_groups, judge, person, policy, seen, supergroup

pytestmark = pytest.mark.django_db

SHEETS = ["Audit Results", "Summary", "Missing members", "Exceptions", "Blind spots"]
COLUMNS = [
    "Platform",
    "Group Name",
    "Category",
    "Requires Full Team",
    "Needs Rename (iBTC)",
    "Privacy Status",
    "History Visibility",
    "Admin Status",
    "Total Members",
    "Required Present",
    "Required Missing",
    "Optional Present",
    "Optional Missing",
    "Completeness",
]
EVE = person("eve", teams=["extra"])
HIDDEN = GroupDetails(History.HIDDEN, members_hidden=False, total_members=42)


@pytest.fixture
def run() -> AuditRun:
    """Six groups on both platforms: complete, incomplete, exempt, archived, out of sight, and an excuse."""
    channels = [
        channel("C1", "acme-bitsafe"),
        channel("C2", "globex-ibtc-bitsafe", privacy=Privacy.PUBLIC, total_members=31),
        channel("C3", "company-bitsafe"),
        channel("C4", "old-bitsafe", archived=True),
        channel("C5", "quiet-bitsafe"),
    ]
    slack = seen(
        channels,
        in_groups("ada", "C1", "C2", "C3", "C5"),
        in_groups("bob", "C1"),
        in_groups("eve", "C2"),
        cost=CallCount({"users.conversations": 3}, waited_seconds=1.26),
    )
    chat = supergroup("77", "Acme <> BitSafe", history=History.UNKNOWN, admin_status=AdminStatus.MEMBER)
    telegram = seen(
        [chat],
        *(on_telegram(key, "77") for key in ("ada", "bob", "eve")),
        platform=TELEGRAM,
        details={"77": HIDDEN},
        cost=CallCount({"GetCommonChats": 2}),
    )
    excused = Excused(SLACK, "C5", employee="bob", reason="The customer asked.", expires=date(2026, 5, 31))
    known = [KnownGroup(TELEGRAM, "78", "Lost <> BitSafe", in_scope=True)]
    Group.objects.create(
        platform=TELEGRAM,
        external_id="78",
        name="Lost <> BitSafe",
        kind="supergroup",
        privacy="private",
        in_scope=True,
        first_seen_at=NOW,
        last_seen_at=NOW,
    )
    found = stored(judge(policy(ADA, BOB, EVE, exclusions=[excused]), slack, telegram, known=known))
    Exclusion.objects.create(
        platform=SLACK,
        group_external_id="C5",
        employee=Employee.objects.get(key="bob"),
        reason=excused.reason,
        expires=excused.expires,
    )
    Exclusion.objects.update(granted_at=NOW)
    return found


def empty(state: RunState, message: str = "") -> AuditRun:
    """A run that ended without recording anything."""
    return AuditRun.objects.create(
        state=state, platforms=["slack", "telegram"], trigger=Trigger.COMMAND, message=message
    )


def failed() -> AuditRun:
    """A run that saw nothing because Slack refused."""
    trouble = Trouble("invalid_auth", "Slack refused the token. Set SLACK_USER_TOKEN anew.", account=True)
    evaluation = judge(policy(ADA), PlatformObservation(SLACK, trouble=trouble))
    return stored(evaluation, state=RunState.FAILED, message=f"Slack: {trouble.message}")


def workbook(run: AuditRun, tmp_path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Sheet name → rows, the header first, as any program reads them."""
    write_workbook(run, tmp_path / "audit.xlsx")
    book = openpyxl.load_workbook(tmp_path / "audit.xlsx", data_only=True)
    rows = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}
    return rows


def records(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    header, *body = rows
    return [dict(zip(header, row, strict=True)) for row in body]


def by_name(rows: list[tuple[Any, ...]]) -> dict[str, dict[str, Any]]:
    return {row["Group Name"]: row for row in records(rows)}


class TestWorkbook:
    def test_the_14_columns_of_the_procedure_in_their_order(self, run: AuditRun, tmp_path: Path) -> None:
        sheets = workbook(run, tmp_path)
        assert list(sheets) == SHEETS
        assert list(sheets["Audit Results"][0]) == COLUMNS

    def test_a_line_says_who_is_there_and_who_is_not(self, run: AuditRun, tmp_path: Path) -> None:
        rows = by_name(workbook(run, tmp_path)["Audit Results"])
        assert rows["globex-ibtc-bitsafe"] == {
            "Platform": "Slack",
            "Group Name": "globex-ibtc-bitsafe",
            "Category": "BD Customer",
            "Requires Full Team": "Yes",
            "Needs Rename (iBTC)": "Yes",
            "Privacy Status": "Public",
            "History Visibility": "n/a",
            "Admin Status": "n/a",
            "Total Members": 31,
            "Required Present": "Ada Example",
            "Required Missing": "Bob Example",
            "Optional Present": "Eve Example",
            "Optional Missing": None,
            "Completeness": "1/2",
        }
        telegram = rows["Acme <> BitSafe"]
        assert (telegram["Platform"], telegram["Completeness"]) == ("Telegram", "2/2")
        assert (telegram["History Visibility"], telegram["Admin Status"]) == ("Hidden", "Member")
        assert telegram["Total Members"] == 42
        assert (rows["company-bitsafe"]["Category"], rows["company-bitsafe"]["Requires Full Team"]) == (
            "Internal",
            "No",
        )
        assert rows["quiet-bitsafe"]["Completeness"] == "1/1"
        assert "old-bitsafe" not in rows

    def test_a_group_out_of_sight_is_not_called_complete_or_private(
        self, run: AuditRun, tmp_path: Path
    ) -> None:
        lost = by_name(workbook(run, tmp_path)["Audit Results"])["Lost <> BitSafe"]
        assert (lost["Completeness"], lost["Privacy Status"]) == ("Not visible", "Unknown")
        assert lost["Total Members"] is None

    def test_a_group_that_was_not_wholly_read_is_not_called_complete(self, tmp_path: Path) -> None:
        sight = seen(
            [channel("C1")], in_groups("ada", "C1"), in_groups("bob", unread="Slack did not answer.")
        )
        run = stored(judge(policy(ADA, BOB), sight), state=RunState.PARTIAL)
        row = by_name(workbook(run, tmp_path)["Audit Results"])["acme-bitsafe"]
        assert (row["Completeness"], row["Privacy Status"]) == ("Not judged", "Private")

    def test_the_procedures_own_lines_of_pandas_find_the_gaps(self, run: AuditRun, tmp_path: Path) -> None:
        """df[df["Platform"] == "Slack"], then ~Completeness.str.startswith("2/")."""
        rows = records(workbook(run, tmp_path)["Audit Results"])
        assert all(isinstance(row["Completeness"], str) for row in rows)
        slack = [row for row in rows if row["Platform"] == "Slack"]
        missing = [row["Group Name"] for row in slack if not row["Completeness"].startswith("2/")]
        assert sorted(missing) == ["company-bitsafe", "globex-ibtc-bitsafe", "quiet-bitsafe"]

    def test_missing_members_one_row_a_group_and_person(self, run: AuditRun, tmp_path: Path) -> None:
        assert records(workbook(run, tmp_path)["Missing members"]) == [
            {
                "Platform": "Slack",
                "Group ID": "C2",
                "Group Name": "globex-ibtc-bitsafe",
                "Category": "BD Customer",
                "Employee": "bob",
                "Employee Name": "Bob Example",
                "Completeness": "1/2",
                "Why": "No rule asks for them there.",
            }
        ], "exempt groups miss nobody, and neither does who is excused"

    def test_exceptions_are_archived_groups_and_exclusions(self, run: AuditRun, tmp_path: Path) -> None:
        _, archived, exclusion = workbook(run, tmp_path)["Exceptions"]
        assert archived == ("Slack", "C4", "old-bitsafe", "Archived", "No action needed", None)
        assert exclusion[:5] == (
            "Slack",
            "C5",
            "quiet-bitsafe",
            "Exclusion · Bob Example",
            "The customer asked.",
        )
        assert exclusion[5].date() == date(2026, 5, 31)

    def test_a_file_written_again_knows_nothing_of_later_exclusions(
        self, run: AuditRun, tmp_path: Path
    ) -> None:
        Exclusion.objects.update(granted_at=NOW + timedelta(days=1))
        assert len(workbook(run, tmp_path)["Exceptions"]) == 2, "the header and the archived channel"

    def test_an_exclusion_that_had_ended_says_so(self, run: AuditRun, tmp_path: Path) -> None:
        Exclusion.objects.update(expires=date(2026, 5, 3))
        assert workbook(run, tmp_path)["Exceptions"][2][3] == "Exclusion · Bob Example · expired"

    def test_blind_spots_say_what_could_not_be_seen_and_why(self, run: AuditRun, tmp_path: Path) -> None:
        _, spot = workbook(run, tmp_path)["Blind spots"]
        assert spot[:2] == ("Telegram", "Lost <> BitSafe")
        assert "out of our account's sight" in spot[2]

    def test_the_summary_in_numbers(self, run: AuditRun, tmp_path: Path) -> None:
        summary = {what: value for what, value, _ in workbook(run, tmp_path)["Summary"]}
        assert summary["Finished (UTC)"] == datetime(2026, 5, 4, 12, 0)  # noqa: DTZ001  # XLSX has no zones
        expected = {"Groups": 6, "Complete": 3, "Coverage": 0.75, "Category: BD Customer": 5}
        expected |= {"Public groups": 1, "Deprecated names": 1, "Hidden history": 1, "Not visible": 1}
        expected |= {
            "API calls: Slack": 3,
            "API calls: Telegram": 2,
            "Waited for rate limits and outages (s)": 1.3,
        }
        assert {what: summary[what] for what in expected} == expected
        assert summary["Findings open"] == summary["Findings opened"] == run.open_findings

    def test_every_sheet_has_a_frozen_header_and_a_filter(self, run: AuditRun, tmp_path: Path) -> None:
        write_workbook(run, tmp_path / "audit.xlsx")
        for sheet in openpyxl.load_workbook(tmp_path / "audit.xlsx").worksheets:
            assert sheet.freeze_panes == "A2"
            assert sheet.auto_filter.ref == sheet.dimensions
            assert all(10 <= column.width <= 90 for column in sheet.column_dimensions.values())

    def test_by_platform_and_category_gaps_first(self, run: AuditRun, tmp_path: Path) -> None:
        rows = records(workbook(run, tmp_path)["Audit Results"])
        assert [(row["Platform"], row["Category"]) for row in rows] == [
            *3 * [("Slack", "BD Customer")],
            ("Slack", "Internal"),
            *2 * [("Telegram", "BD Customer")],
        ]
        assert rows[0]["Group Name"] == "globex-ibtc-bitsafe"

    @pytest.mark.parametrize(
        "name",
        ["=1+1 bitsafe", "+1 bitsafe", "-bitsafe", "@bitsafe", "\t=bitsafe", "🚀 bitsafe", "قناة bitsafe"],
    )
    def test_no_name_becomes_a_formula(self, name: str, tmp_path: Path) -> None:
        run = stored(judge(policy(ADA), seen([channel("C1", name)], in_groups("ada"))))
        write_workbook(run, tmp_path / "audit.xlsx")
        for sheet in openpyxl.load_workbook(tmp_path / "audit.xlsx").worksheets:
            assert not {"f", "e"} & {cell.data_type for row in sheet.iter_rows() for cell in row}
        for title in ("Audit Results", "Missing members"):
            assert records(workbook(run, tmp_path)[title])[0]["Group Name"] == name

    def test_a_control_character_breaks_nothing(self, tmp_path: Path) -> None:
        run = stored(judge(policy(ADA), seen([channel("C1", "bell\x07 \x1b[31mbitsafe")], in_groups("ada"))))
        assert "bell [31mbitsafe" in by_name(workbook(run, tmp_path)["Audit Results"])


class TestCsv:
    def rows(self, run: AuditRun, tmp_path: Path) -> list[dict[str, str]]:
        write_csv(run, tmp_path / "missing.csv")
        with (tmp_path / "missing.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def test_the_missing_members(self, run: AuditRun, tmp_path: Path) -> None:
        assert self.rows(run, tmp_path) == records(workbook(run, tmp_path)["Missing members"])

    def test_names_are_safe_to_open(self, tmp_path: Path) -> None:
        group = channel("C1", "=HYPERLINK(1)\nbitsafe, 🚀")
        run = stored(judge(policy(ADA), seen([group], in_groups("ada"))))
        assert self.rows(run, tmp_path)[0]["Group Name"] == "'=HYPERLINK(1)\nbitsafe, 🚀"

    def test_nobody_missing_leaves_the_header(self, tmp_path: Path) -> None:
        write_csv(empty(RunState.FAILED), tmp_path / "missing.csv")
        header = "Platform,Group ID,Group Name,Category,Employee,Employee Name,Completeness,Why"
        assert (tmp_path / "missing.csv").read_text().splitlines() == [header]


class TestJson:
    def test_the_document_is_the_contract(self, run: AuditRun) -> None:
        document = json.loads(json.dumps(audit_document(run)))
        groups = {group["id"]: group for group in document.pop("groups")}
        assert document == {
            "run": {
                "id": run.pk,
                "state": "complete",
                "platforms": ["slack", "telegram"],
                "started_at": "2026-05-04T11:59:18Z",
                "finished_at": "2026-05-04T12:00:00Z",
                "api_calls": {"slack": {"users.conversations": 3}, "telegram": {"GetCommonChats": 2}},
                "waited_seconds": 1.26,
            },
            "findings": {"opened": 8, "resolved": 0, "reopened": 0, "open": 8},
            "summary": {
                "groups": 6,
                "complete": 3,
                "coverage": 0.75,
                "by_category": {"customer": 5, "internal": 1},
                "public_channels": 1,
                "deprecated_names": 1,
                "hidden_history": 1,
                "not_visible": 1,
            },
        }
        assert groups.keys() == {"C1", "C2", "C3", "C5", "77", "78"}
        assert groups["C2"] == {
            "platform": "slack",
            "id": "C2",
            "name": "globex-ibtc-bitsafe",
            "category": "customer",
            "requires_full_team": True,
            "privacy": "public",
            "history": "n/a",
            "admin_status": "n/a",
            "total_members": 31,
            "required_present": ["ada"],
            "required_missing": ["bob"],
            "optional_present": ["eve"],
            "optional_missing": [],
            "excluded": [],
            "unresolved": [],
            "completeness": "1/2",
            "flags": ["public_channel", "deprecated_name"],
            "verdict": "incomplete",
        }
        assert groups["C5"]["excluded"] == ["bob"]
        assert (groups["77"]["history"], groups["77"]["admin_status"]) == ("hidden", "member")
        assert (groups["78"]["verdict"], groups["78"]["total_members"]) == ("not_visible", None)

    @pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
    def test_a_run_that_recorded_nothing_has_every_key_and_zeros(self, state: RunState) -> None:
        run = empty(state)
        assert audit_document(run) == {
            "run": {
                "id": run.pk,
                "state": str(state),
                "platforms": ["slack", "telegram"],
                "started_at": None,
                "finished_at": None,
                "api_calls": {"slack": {}, "telegram": {}},
                "waited_seconds": 0.0,
            },
            "groups": [],
            "findings": {"opened": 0, "resolved": 0, "reopened": 0, "open": 0},
            "summary": {
                "groups": 0,
                "complete": 0,
                "coverage": 0.0,
                "by_category": {},
                "public_channels": 0,
                "deprecated_names": 0,
                "hidden_history": 0,
                "not_visible": 0,
            },
        }

    def test_names_are_written_as_they_are(self, tmp_path: Path) -> None:
        name = 'قناة "bitsafe" 🚀 =1+1\x07'
        run = stored(judge(policy(ADA), seen([channel("C1", name)], in_groups("ada"))))
        write_json(run, tmp_path / "audit.json")
        text = (tmp_path / "audit.json").read_text(encoding="utf-8")
        assert "قناة" in text
        assert json.loads(text)["groups"][0]["name"] == name


class TestUnfinishedRuns:
    def test_a_failed_run_has_a_readable_workbook_that_says_why(self, tmp_path: Path) -> None:
        sheets = workbook(failed(), tmp_path)
        assert [len(rows) for rows in (sheets["Audit Results"], sheets["Missing members"])] == [1, 1]
        assert ("Trouble", None, "Slack: Slack refused the token. Set SLACK_USER_TOKEN anew.") in sheets[
            "Summary"
        ]
        assert sheets["Blind spots"][1][1] == "Slack"

    @pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
    def test_a_run_that_recorded_nothing_has_a_readable_workbook(
        self, state: RunState, tmp_path: Path
    ) -> None:
        sheets = workbook(empty(state, "Interrupted; nothing was recorded."), tmp_path)
        assert list(sheets) == SHEETS
        assert ("Groups", 0, "In scope, archived ones left out") in sheets["Summary"]

    def test_the_console_says_that_nothing_was_audited(self) -> None:
        assert list(console_summary(empty(RunState.FAILED, "Slack: no token."))) == [
            f"Audit {AuditRun.objects.get().pk}: failed",
            "No group was audited.",
        ]


class TestConsole:
    def test_says_when_there_was_nothing_to_audit(self) -> None:
        summary = list(console_summary(empty(RunState.COMPLETE)))
        assert summary == [
            f"Audit {AuditRun.objects.get().pk}: nothing in scope",
            "No group was audited.",
        ]

    def test_leaves_a_platforms_own_trouble_to_standard_error(self) -> None:
        spots = (BlindSpot(SLACK, "Slack", "Slack refused auth.test."), BlindSpot(SLACK, "Bo", "Not found."))
        run = stored(judge(policy(ADA), seen([channel("C1")], in_groups("ada", "C1"), blind_spots=spots)))
        text = "\n".join(console_summary(run))
        assert "Blind spots  1:\n  Slack: Bo: Not found." in text
        assert "auth.test" not in text

    def test_the_outcome_in_a_few_lines(self, run: AuditRun) -> None:
        text = "\n".join(console_summary(run))
        assert f"Audit {run.pk}: complete" in text
        assert "4 Slack, 2 Telegram" in text
        assert "coverage 75" in text
        assert "1 public, 1 with a deprecated name, 1 with hidden history, 1 not visible" in text
        assert "8 open: 8 opened, 0 reopened, 0 resolved, 0 excluded by this run" in text
        assert "Lost <> BitSafe" in text

    def test_a_name_cannot_steer_the_terminal(self) -> None:
        spots = (BlindSpot(SLACK, "\x1b[31mred", "It would not say.\x07"),)
        run = stored(judge(policy(ADA), seen([channel("C1")], in_groups("ada", "C1"), blind_spots=spots)))
        assert not {"\x1b", "\x07"} & set("".join(console_summary(run)))


class TestStoredReports:
    def test_a_run_keeps_one_file_of_each_format(self, run: AuditRun) -> None:
        store_reports(run_id=run.pk)
        reports = RunReport.objects.filter(run=run)
        assert [report.format for report in reports] == ["xlsx", "csv", "json"]
        name = f"customer_group_audit_20260504_115918_run{run.pk}"
        assert re.fullmatch(rf"audits/\d{{4}}/\d\d/{name}\w*\.xlsx", str(reports[0].file))

    def test_writing_them_again_leaves_no_old_file_behind(self, run: AuditRun) -> None:
        store_reports(run_id=run.pk)
        before = set(RunReport.objects.values_list("file", flat=True))
        store_reports(run_id=run.pk)
        after = set(RunReport.objects.values_list("file", flat=True))
        assert len(after) == 3
        assert all(default_storage.exists(name) for name in after)
        assert not any(default_storage.exists(name) for name in before - after)

    @pytest.mark.django_db(transaction=True)
    def test_two_may_write_them_at_the_same_time(self, run: AuditRun) -> None:
        """As when somebody asks for the files again while the run is still at it."""

        def write() -> None:
            try:
                store_reports(run_id=run.pk)
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            for writing in [pool.submit(write) for _ in range(4)]:
                writing.result()
        kept = RunReport.objects.filter(run=run)
        assert sorted(report.format for report in kept) == ["csv", "json", "xlsx"]
        assert all(default_storage.exists(str(report.file)) for report in kept)
