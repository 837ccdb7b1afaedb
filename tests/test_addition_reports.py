"""The report after an addition: what it tells, how it is called, and what no name can do to it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from audits.additions.lines import Section, count_lines, read_lines
from audits.additions.markdown import write_markdown
from audits.additions.report import report_name, store_reports, try_to_store_reports
from audits.additions.workbook import LINES, write_workbook
from audits.models import AuditRun, RunState
from audits.models import Trigger as AuditTrigger
from audits.remediation.draft import ALREADY_THERE
from members.markdown import escaped
from members.models import Employee
from members.operations.models import Operation, OperationReport, Step, Trigger
from members.operations.plan import Plan, PlannedStep, Skipped, Target
from members.operations.reports import file_safe
from members.operations.services import Actor, plan_operation
from members.operations.states import OperationState, StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform
from members.spreadsheet import naive_utc

pytestmark = pytest.mark.django_db

STARTED = datetime(2027, 1, 31, 14, 5, 9, tzinfo=UTC)
ADDED = StepState.DONE, Outcome.DONE
THERE = StepState.SKIPPED, Outcome.ALREADY_THERE
UNWANTED = StepState.SKIPPED, Outcome.CHANGED_MEANWHILE
NO_RIGHT = StepState.FAILED, Outcome.ADMIN_RIGHTS_NEEDED
NOT_TRIED = StepState.NOT_TRIED, ""

Ending = tuple[StepState, str]


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture(autouse=True)
def _staff() -> None:
    Employee.objects.create(
        key="ada", name="Ada Example", slack_user_id="U0ADA", slack_username="ada", telegram_user_id=700
    )
    Employee.objects.create(key="bo", name="Bo Sample", telegram_user_id=701, telegram_username="bosample")


def slack(subject: str, group: str, *, name: str = "") -> Target:
    names = {"ada": "Ada Example", "bo": "Bo Sample"}
    return Target(
        Platform.SLACK,
        group,
        name or f"{group}-bitsafe",
        subject,
        names.get(subject, ""),
        f"U0{subject.upper()}",
    )


def telegram(subject: str, group: str) -> Target:
    user_id = {"ada": "700", "bo": "701"}[subject]
    name = {"ada": "Ada Example", "bo": "Bo Sample"}[subject]
    return Target(Platform.TELEGRAM, group, f"Group {group}", subject, name, user_id)


def ended(
    steps: Iterable[tuple[Target, Ending]], *, skipped: Iterable[tuple[Target, str]] = (), message: str = ""
) -> Operation:
    """An operation at its end, as the runner leaves it: a minute a step, from 14:05:09 on."""
    listed = list(steps)
    plan = Plan(
        "add_missing",
        tuple(PlannedStep("add", target) for target, _ in listed),
        tuple(Skipped(target, reason) for target, reason in skipped),
    )
    operation = plan_operation(plan=plan, actor=Actor("Ola Operator", Trigger.PERSON))
    rows = list(operation.steps.order_by("position"))
    for minute, (row, (_, (state, outcome))) in enumerate(zip(rows, listed, strict=True)):
        row.state, row.outcome = state, outcome
        row.finished_at = STARTED.replace(minute=5 + minute % 50) if outcome else None
        if state == StepState.FAILED:
            row.message = "Only admins may add people here: ask one of them."
    Step.objects.bulk_update(rows, ["state", "outcome", "finished_at", "message"], batch_size=500)
    operation.state, operation.message = OperationState.PARTIAL, message
    operation.confirmed_by, operation.confirmed_at = "Ola Operator", STARTED
    operation.started_at, operation.finished_at = STARTED, STARTED.replace(minute=59)
    operation.save()
    return operation


def markdown(operation: Operation, folder: Path) -> str:
    path = folder / "report.md"
    write_markdown(operation, path)
    return path.read_text(encoding="utf-8")


def sheet(operation: Operation, folder: Path, name: str = "Additions") -> list[tuple[object, ...]]:
    path = folder / "report.xlsx"
    write_workbook(operation, path)
    return list(openpyxl.load_workbook(path)[name].values)


class TestWhatItTells:
    """The operating procedure: name and id, added to, already in, errors, the time of every step."""

    def test_one_person_section_by_section(self, tmp_path: Path) -> None:
        operation = ended(
            [
                (slack("ada", "C1"), ADDED),
                (slack("ada", "C2"), NO_RIGHT),
                (slack("ada", "C3"), THERE),
                (slack("ada", "C4"), ADDED),
                (slack("ada", "C5"), NOT_TRIED),
            ],
            skipped=[(slack("ada", "C6"), ALREADY_THERE), (slack("ada", "C7"), "Excluded: on leave.")],
        )

        text = markdown(operation, tmp_path)

        assert text.startswith("# Members added: Ada Example\n")
        about_ada = text[text.index("\n## ") : text.index("## Before and after")]
        assert about_ada == (
            "\n## Ada Example (ada; Slack @ada U0ADA)\n\n"
            "### Added to (2)\n\n"
            "| Platform | Group | Group ID | Time (UTC) | Outcome | Note |\n"
            "| --- | --- | --- | --- | --- | --- |\n"
            "| Slack | C1-bitsafe | C1 | 2027-01-31 14:05:09 | Added |  |\n"
            "| Slack | C4-bitsafe | C4 | 2027-01-31 14:08:09 | Added |  |\n\n"
            "### Already in (2)\n\n"
            "| Platform | Group | Group ID | Time (UTC) | Outcome | Note |\n"
            "| --- | --- | --- | --- | --- | --- |\n"
            "| Slack | C3-bitsafe | C3 | 2027-01-31 14:07:09 | Already there |  |\n"
            f"| Slack | C6-bitsafe | C6 | {operation.planned_at:%Y-%m-%d %H:%M:%S} | Already there |  |\n\n"
            "### Errors and permission issues (1)\n\n"
            "| Platform | Group | Group ID | Time (UTC) | Outcome | Note |\n"
            "| --- | --- | --- | --- | --- | --- |\n"
            "| Slack | C2-bitsafe | C2 | 2027-01-31 14:06:09 | Admin right needed "
            "| Only admins may add people here: ask one of them. |\n\n"
            "### Not tried (1)\n\n"
            "| Platform | Group | Group ID | Time (UTC) | Outcome | Note |\n"
            "| --- | --- | --- | --- | --- | --- |\n"
            "| Slack | C5-bitsafe | C5 | 2027-01-31 14:59:09 | Not tried |  |\n\n"
            "### Left out, and why (1)\n\n"
            "| Platform | Group | Group ID | Time (UTC) | Outcome | Note |\n"
            "| --- | --- | --- | --- | --- | --- |\n"
            f"| Slack | C7-bitsafe | C7 | {operation.planned_at:%Y-%m-%d %H:%M:%S} | Left out "
            "| Excluded: on leave. |\n\n"
        )

    def test_several_people_one_after_the_other_in_the_order_of_the_plan(self) -> None:
        operation = ended(
            [
                (slack("bo", "C1"), THERE),
                (slack("ada", "C1"), ADDED),
                (slack("bo", "C2"), ADDED),
                (telegram("ada", "77"), UNWANTED),
            ],
            skipped=[
                (Target(Platform.SLACK, "C9", "old-bitsafe"), "The group is archived."),
                (Target(Platform.SLACK, "", "", "cy", "Cy Third"), "No Slack account of Cy Third is known."),
            ],
        )

        lines = [(line.person, line.section, line.group_id) for line in read_lines(operation)]

        assert lines == [
            ("bo", Section.ADDED, "C2"),
            ("bo", Section.ALREADY, "C1"),
            ("ada", Section.ADDED, "C1"),
            ("ada", Section.LEFT_OUT, "77"),
            ("", Section.LEFT_OUT, "C9"),
            ("cy", Section.LEFT_OUT, ""),
        ]
        assert count_lines(operation)["bo", Section.ADDED] == 1

    def test_what_concerns_everybody_or_every_group_says_so(self, tmp_path: Path) -> None:
        operation = ended(
            [(telegram("bo", "77"), ADDED)],
            skipped=[
                (Target(Platform.SLACK, "C9", "old-bitsafe"), "The group is archived."),
                (Target(Platform.SLACK, "", "", "cy", "Cy Third"), "No Slack account of Cy Third is known."),
                (Target(Platform.SLACK, "", "misspelt"), "No group in scope is called so."),
            ],
        )

        text = markdown(operation, tmp_path)

        assert text.startswith("# Members added: Bo Sample\n"), "nobody else was to be added"
        assert "## For everybody\n" in text
        assert "| Slack | old-bitsafe | C9 |" in text
        assert "## Cy Third (cy)\n" in text
        assert "| Slack | All groups |  |" in text
        assert "\n|  | misspelt |  |" in text, "who knows of which platform it is"

    def test_the_operation_itself(self, tmp_path: Path) -> None:
        operation = ended([(slack("ada", "C1"), ADDED)], message="Slack took a break.\nSo did we.")

        facts = {row[0]: row[1] for row in sheet(operation, tmp_path, "Summary")}

        assert facts["Operation"] == f"{operation.pk}: Add missing members"
        assert (facts["Outcome"], facts["Added to"], facts["Not tried"]) == ("Partly done", 1, 0)
        assert facts["Confirmed by"] == "Ola Operator"
        assert facts["Started (UTC)"] == naive_utc(STARTED)
        assert "| Trouble | Slack took a break. |\n| Trouble | So did we. |" in markdown(operation, tmp_path)

    def test_the_workbook_has_a_row_for_every_line(self, tmp_path: Path) -> None:
        operation = ended([(slack("ada", "C1"), ADDED), (telegram("bo", "77"), NO_RIGHT)])

        titles, *rows = sheet(operation, tmp_path)

        assert list(titles) == [column.title for column in LINES]
        assert rows == [
            (
                *("Ada Example", "ada", "Slack", "U0ADA", "C1-bitsafe", "C1", "Added to", "Added", None),
                naive_utc(STARTED),
            ),
            (
                *("Bo Sample", "bo", "Telegram", "701", "Group 77", "77"),
                *("Errors and permission issues", "Admin right needed"),
                "Only admins may add people here: ask one of them.",
                naive_utc(STARTED.replace(minute=6)),
            ),
        ]

    def test_before_and_after(self, tmp_path: Path) -> None:
        operation = ended([(slack("ada", "C1"), ADDED)])
        operation.before = {"slack:C1": {"name": "acme", "completeness": "6/8", "verdict": "incomplete"}}
        run = AuditRun.objects.create(
            platforms=["slack"], trigger=AuditTrigger.EVENT, operation_id=operation.pk
        )

        assert "| Slack | acme | C1 | 6/8 |  |" in markdown(operation, tmp_path)
        assert f"| Audit {run.pk}, not finished yet" in markdown(operation, tmp_path)

        operation.after = {"slack:C1": {"name": "acme", "completeness": "8/8", "verdict": "complete"}}
        AuditRun.objects.update(state=RunState.COMPLETE)

        text = markdown(operation, tmp_path)
        assert "| Slack | acme | C1 | 6/8 | 8/8 |" in text
        assert "| Of them complete before | 0 |\n| Of them complete after | 1 |" in text
        assert f"| Verification audit | Audit {run.pk}, complete |" in text
        assert sheet(operation, tmp_path, "Before and after")[1] == ("Slack", "acme", "C1", "6/8", "8/8")

    def test_counts_as_complete_where_nobody_is_missing_though_nobody_need_be_there(
        self, tmp_path: Path
    ) -> None:
        operation = ended([(slack("ada", "C1"), ADDED)])
        operation.before = {"slack:C1": {"name": "acme", "completeness": "7/8", "verdict": "exempt"}}
        operation.after = {"slack:C1": {"name": "acme", "completeness": "8/8", "verdict": "exempt"}}
        AuditRun.objects.create(
            platforms=["slack"],
            trigger=AuditTrigger.EVENT,
            operation_id=operation.pk,
            state=RunState.COMPLETE,
        )

        text = markdown(operation, tmp_path)
        assert "| Of them complete before | 0 |\n| Of them complete after | 1 |" in text

    def test_does_not_claim_that_somebody_looked_when_the_audit_failed(self, tmp_path: Path) -> None:
        operation = ended([(slack("ada", "C1"), ADDED)])
        AuditRun.objects.create(
            platforms=["slack"],
            trigger=AuditTrigger.EVENT,
            operation_id=operation.pk,
            state=RunState.FAILED,
        )

        assert "failed: nobody has looked yet what came of it" in markdown(operation, tmp_path)


class TestItsName:
    @pytest.mark.parametrize(
        ("targets", "who"),
        [
            ([slack("ada", "C1")], "ada"),
            ([telegram("ada", "77"), slack("ada", "C1")], "ada"),
            ([telegram("bo", "77")], "bosample"),
            ([slack("bo", "C1")], "bo"),
            ([slack("ada", "C1"), slack("bo", "C1")], "2-people"),
        ],
        ids=["Slack's username", "on both", "Telegram's", "another account: the key", "several"],
    )
    def test_tells_who_and_when(self, targets: list[Target], who: str) -> None:
        operation = ended((target, ADDED) for target in targets)

        assert report_name(operation) == f"member_additions_{who}_20270131_140509"

    def test_is_of_those_who_were_to_be_added(self) -> None:
        operation = ended([(slack("ada", "C1"), ADDED)], skipped=[(slack("bo", "C1"), ALREADY_THERE)])

        assert report_name(operation).startswith("member_additions_ada_")

    @given(st.text(min_size=1, max_size=100))
    def test_is_safe_in_every_file_system(self, username: str) -> None:
        assert re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?", file_safe(username))

    def test_keeps_what_is_safe(self) -> None:
        Employee.objects.filter(key="ada").update(slack_username="../j_eisen.berg/x")

        operation = ended([(slack("ada", "C1"), ADDED)])

        assert report_name(operation) == "member_additions_j_eisen.berg-x_20270131_140509"


class TestNames:
    """Whatever a customer calls a group, it stays a name."""

    def test_cannot_break_out_of_a_cell_or_begin_a_line(self, tmp_path: Path) -> None:
        name = "acme | C1 |\n\n# Added to (9)\n| x"
        operation = ended([(slack("ada", "C1", name=name), ADDED)])

        text = markdown(operation, tmp_path)

        assert "| Slack | acme \\| C1 \\| \\# Added to (9) \\| x | C1 |" in text

    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("acme-bitsafe_pilot", "acme-bitsafe_pilot"),
            ("_so_ *so* ~so~ `so`", "\\_so\\_ \\*so\\* \\~so\\~ \\`so\\`"),
            ("[a](https://example.com)", "\\[a\\](https:\\//example.com)"),
            ("www.example.com", "www\\.example.com"),
            ("<b onclick=x>", "\\<b onclick=x\\>"),
            ("&lt;", "\\&lt;"),
            ("C:\\", "C:\\\\"),
            ("tab\there\r\nthere", "tab here there"),
            ("\x1b[31mred\x9b0m \u202edesrever", "\\[31mred0m desrever"),
            ("例 🎉 مجموعة", "例 🎉 مجموعة"),
        ],
    )
    def test_are_escaped_where_they_would_be_markup(self, name: str, written: str) -> None:
        assert escaped(name) == written

    @given(st.text())
    def test_are_one_line_with_no_bare_pipe(self, name: str) -> None:
        line = escaped(name)

        assert len(line.splitlines()) <= 1
        assert not re.search(r"(?<!\\)(?:\\\\)*\|", line)

    def test_are_no_formulas(self, tmp_path: Path) -> None:
        operation = ended(
            [(slack("ada", "C1", name="=1+1"), ADDED), (slack("ada", "C2", name="@SUM(1)"), ADDED)]
        )
        path = tmp_path / "report.xlsx"

        write_workbook(operation, path)

        column = openpyxl.load_workbook(path)["Additions"]["E"][1:]
        assert [(cell.value, cell.data_type, cell.quotePrefix) for cell in column] == [
            ("=1+1", "s", True),
            ("@SUM(1)", "s", True),
        ]


class TestTheFiles:
    def test_are_kept_with_the_operation(self) -> None:
        operation = ended([(slack("ada", "C1"), ADDED)])

        store_reports(operation)

        names = {report.format: Path(str(report.file)).name for report in operation.reports.all()}
        assert names == {
            "md": "member_additions_ada_20270131_140509.md",
            "xlsx": "member_additions_ada_20270131_140509.xlsx",
        }

    def test_are_written_again_in_the_same_place(self) -> None:
        operation = ended([(slack("ada", "C1"), ADDED)])
        store_reports(operation)
        first = OperationReport.objects.get(format="md")
        operation.message = "Something new."

        store_reports(operation)

        again = OperationReport.objects.get(format="md")
        assert (again.pk, again.file.name) == (first.pk, first.file.name)
        with again.file.open() as file:
            assert b"Something new." in file.read()
        folder = str(Path(str(again.file)).parent)
        assert len(default_storage.listdir(folder)[1]) == 2

    def test_of_two_operations_in_one_second_do_not_overwrite_each_other(self) -> None:
        first, second = (ended([(slack("ada", group), ADDED)]) for group in ("C1", "C2"))

        store_reports(first)
        store_reports(second)

        one, other = OperationReport.objects.filter(format="md")
        assert one.file.name != other.file.name
        store_reports(second)
        assert OperationReport.objects.get(pk=other.pk).file.name == other.file.name
        with one.file.open() as file:
            assert b"C1-bitsafe" in file.read()

    def test_that_the_disk_refuses_hold_nothing_up(self, settings: Settings, tmp_path: Path) -> None:
        settings.MEDIA_ROOT = tmp_path / "file"
        settings.MEDIA_ROOT.touch()
        operation = ended([(slack("ada", "C1"), ADDED)])

        try_to_store_reports(operation)

        with pytest.raises(OSError):
            store_reports(operation)

    def test_stay_as_they_were_when_the_disk_refuses_new_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        operation = ended([(slack("ada", "C1"), ADDED)])
        store_reports(operation)
        kept = Path(OperationReport.objects.get(format="md").file.path)
        before = kept.read_bytes()

        def half(source: Path, target: Path) -> None:
            target.write_bytes(source.read_bytes()[:10])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(shutil, "copyfile", half)
        operation.message = "Something new."
        try_to_store_reports(operation)

        assert kept.read_bytes() == before
        assert len(list(kept.parent.iterdir())) == 2

    def test_are_not_made_of_removals(self) -> None:
        operation = ended([(slack("ada", "C1"), ADDED)])
        operation.steps.update(verb="remove")

        try_to_store_reports(operation)

        assert not operation.reports.exists()

    def test_cost_the_same_number_of_queries_however_long_they_are(self, tmp_path: Path) -> None:
        def queries(groups: int) -> int:
            operation = ended((slack(key, f"C{n}"), ADDED) for n in range(groups) for key in ("ada", "bo"))
            with CaptureQueriesContext(
                connection,
            ) as captured:
                write_markdown(operation, tmp_path / "report.md")
                write_workbook(operation, tmp_path / "report.xlsx")
            return len(captured)

        assert queries(3) == queries(300)
