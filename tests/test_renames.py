"""Renaming many groups, on both platforms: planned, done once, verified, kept, reported, taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audits.models import Finding
from audits.rebranding import load_rebranding, replay
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack import SlackSandbox
from groupadmin.sandbox.slack.faults import Drop as SlackDrop
from groupadmin.sandbox.slack.faults import RateLimited, SlackError
from groupadmin.sandbox.telegram.effects import Drop, RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from members.models import Category, Exclusion, Group, NamingRule, ScopeLine
from members.operations import runner, services
from members.operations.models import Operation
from members.operations.plan import Plan
from members.operations.progress import load_progress
from members.operations.services import OperationRefused
from members.platforms.types import Platform
from members.policy import FindingKind
from telegram_ops.rename_selections import RenameSelection, Way
from telegram_ops.renames import plan_renames, warnings_about
from tests.audit_world import TINY, Office
from tests.command_line import run
from tests.operations_world import (
    CHATS,
    AtTheDesk,
    channel_id,
    outcomes,
    states,
    time_passes,
)
from tests.remediation_world import OPERATOR, confirmed, planned
from tests.visitors import client_of

pytestmark = pytest.mark.django_db
RULES = RenameSelection(Way.RULES)


@pytest.fixture(autouse=True)
def _own_reports(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


def stored(platform: str, external_id: str, name: str, **fields: Any) -> Group:
    now = timezone.now()
    values: dict[str, Any] = {"in_scope": True, "first_seen_at": now, "last_seen_at": now}
    return Group.objects.create(platform=platform, external_id=external_id, name=name, **values | fields)


def new_names(plan: Plan) -> dict[str, str]:
    return {step.target.group_id: step.arguments["new"] for step in plan.steps}


def reasons(plan: Plan) -> dict[str, str]:
    return {line.target.group_name: line.reason for line in plan.skipped}


def run_to_end(operation: Operation) -> Operation:
    """Slice after slice, with no time between them."""
    while operation.finished_at is None:
        time_passes(operation)
        operation = runner.run_operation(operation.pk)
    return operation


class TestPlanning:
    """What becomes of the stored groups, before anybody does anything."""

    @pytest.fixture(autouse=True)
    def _rule(self) -> None:
        NamingRule.objects.create(pattern="iBTC", replacement="BitSafe (CBTC)")

    def test_the_naming_rules_rename_what_the_finding_is_about(self) -> None:
        stored("telegram", "1", "Acme ibtc", admin_status="owner")
        stored("telegram", "2", "Acme BitSafe", admin_status="owner")
        stored("slack", "C1", "acme-ibtc")
        plan = plan_renames(RULES)

        assert new_names(plan) == {"C1": "acme-bitsafe-cbtc", "1": "Acme BitSafe (CBTC)"}
        assert plan.skipped == ()
        assert plan.reach == 3

    def test_a_name_in_which_a_word_would_stand_twice_is_warned_of(self) -> None:
        stored("slack", "C1", "acme-ibtc-bitsafe")
        stored("slack", "C2", "globex-ibtc")
        plan = plan_renames(RULES)

        assert warnings_about(plan.steps) == [
            "A word would stand twice in “acme-bitsafe-cbtc-bitsafe” (bitsafe): "
            "rename them by hand or with a mapping, if that is not meant."
        ]

    def test_what_nobody_can_or_shall_rename_says_why(self) -> None:
        stored("telegram", "1", "a iBTC", admin_status="admin", may_rename=False)
        stored("telegram", "2", "b iBTC", admin_status="owner", visible=False)
        stored("slack", "C3", "c-ibtc", archived=True, in_scope=False)
        stored("slack", "C4", "d-ibtc")
        stored("slack", "C5", "out-of-scope-ibtc", in_scope=False)
        Exclusion.objects.create(
            platform="slack",
            group_external_id="C4",
            kind=FindingKind.DEPRECATED_NAME,
            reason="the customer wants it so",
            expires=date(2999, 1, 31),
        )
        plan = plan_renames(RULES)

        assert plan.steps == ()
        assert reasons(plan) == {
            "a iBTC": "Our account may not rename the group: it needs an admin's right to change its info.",
            "b iBTC": "Our account does not see the group: it has to be let in first.",
            "c-ibtc": "The group is archived: somebody has to bring it back first.",
            "d-ibtc": "The name is accepted as it is until 31 Jan 2999: the customer wants it so",
        }

    def test_a_rule_that_never_comes_to_an_end_renames_nothing(self) -> None:
        NamingRule.objects.create(pattern="CBTC", replacement="CBTC")
        stored("telegram", "1", "a iBTC", admin_status="owner")
        plan = plan_renames(RULES)

        again = "The new name would have “CBTC” in it again: correct the naming rule."
        assert (plan.steps, reasons(plan)) == ((), {"a iBTC": again})

    def test_only_where_it_was_asked_for(self) -> None:
        intro = Category.objects.create(key="intro", name="Intro")
        for number in range(3):
            stored("telegram", str(number), f"{number} iBTC", admin_status="owner")
        stored("slack", "C1", "1-ibtc", category=intro)

        def named(**fields: Any) -> set[str]:
            selection = RenameSelection(Way.TEXT, pattern="ibtc", replacement="x", **fields)
            return set(new_names(plan_renames(selection)))

        assert named(platforms=(Platform.TELEGRAM,)) == {"0", "1", "2"}
        assert named(category="intro") == {"C1"}
        assert named(groups=((Platform.TELEGRAM, "2"),)) == {"2"}
        assert named(names=("1 ibtc", "Nobody")) == {"1"}

    def test_people_are_told_of_equal_titles_and_of_what_leaves_the_scope(self) -> None:
        ScopeLine.objects.create(platform="telegram", kind="include", pattern="acme")
        stored("telegram", "1", "Acme one", admin_status="owner")
        stored("telegram", "2", "Acme two", admin_status="owner")
        stored("telegram", "3", "Globex", admin_status="owner")
        mapping = {"1": "Globex", "2": "Initech Acme"}
        operation = planned(plan_renames(RenameSelection(Way.MAPPING, mapping=mapping)))

        assert services.warnings_of(operation) == [
            "By the scope lines, no audit would look at “Globex” any more: adapt the scope first.",
            "2 Telegram groups would be called “Globex”.",
        ]

    def test_a_large_plan_needs_somebody_who_overrides_the_cap(self, settings: Settings) -> None:
        settings.OPERATION_CAP_RENAMES = 1
        for number in range(2):
            stored("slack", f"C{number}", f"{number}-ibtc")
        operation = planned(plan_renames(RULES))

        assert operation.over_cap == "2 groups are more than the 1 allowed at once."
        with pytest.raises(OperationRefused):
            confirmed(operation)


class TestDoing(AtTheDesk):
    """Through the wire; the platforms' logs prove that nothing was written twice."""

    @pytest.fixture(autouse=True)
    def _groups(self, slack: SlackSandbox, telegram: TelegramSandbox) -> None:
        for number in range(4):
            stored("slack", channel_id(number), f"acme-{number}")
        for number in CHATS:
            stored("telegram", str(number), f"Group {number}", admin_status="owner")

    def operation(self, **mapping: str) -> Operation:
        return confirmed(planned(plan_renames(RenameSelection(Way.MAPPING, mapping=mapping))))

    def title(self, telegram: TelegramSandbox, chat: int) -> str:
        return telegram.world.chats[chat].title

    def test_both_platforms_have_the_new_names_and_so_have_the_stored_groups(
        self, slack: SlackSandbox, telegram: TelegramSandbox
    ) -> None:
        telegram.world.chats[1001].kind = "basic"
        operation = runner.run_operation(
            self.operation(**{"acme-0": "Acme <> BitSafe", "1000": "Acme <> BitSafe", "1001": "Basic"}).pk
        )

        assert (operation.state, states(operation)) == ("done", ["done"] * 3)
        assert self.title(telegram, 1001) == "Basic"
        assert slack.world.channels[channel_id(0)].name == "acme-bitsafe"
        assert self.title(telegram, 1000) == "Acme <> BitSafe"
        group = Group.objects.get(external_id="1000")
        assert group.name == "Acme <> BitSafe"
        assert group.history.latest().history_change_reason == f"renamed by operation {operation.pk}"
        assert [(step.before, step.after) for step in operation.steps.order_by("position")] == [
            ({"name": "acme-0"}, {"name": "acme-bitsafe"}),
            ({"name": "Group 1000"}, {"name": "Acme <> BitSafe"}),
            ({"name": "Group 1001"}, {"name": "Basic"}),
        ]

    def test_taken_back_is_what_still_has_the_name_that_was_given(self, telegram: TelegramSandbox) -> None:
        operation = run_to_end(self.operation(**{str(chat): f"New {chat}" for chat in CHATS}))
        telegram.world.chats[1000].title = "Somebody's own"  # not seen by any audit
        Group.objects.filter(external_id="1001").update(name="Seen by an audit")
        undo = run_to_end(confirmed(services.undo_operation(operation=operation, actor=OPERATOR)))

        assert [line["reason"] for line in undo.skipped] == [
            "It is called “Seen by an audit” by now, which is not the name that we gave it."
        ]
        assert outcomes(undo) == ["changed_meanwhile", "done"]
        titles = [self.title(telegram, chat) for chat in CHATS]
        assert titles == ["Somebody's own", "New 1001", "Group 1002"]

    def test_what_changed_since_the_plan_is_left_alone(
        self, slack: SlackSandbox, telegram: TelegramSandbox
    ) -> None:
        operation = self.operation(**{"1000": "New", "1001": "New too", "1002": "Newest", "acme-0": "new"})
        telegram.world.chats[1000].title = "Changed by hand"
        telegram.world.chats[1001].title = "New too"
        telegram.world.chats[1002].creator = None
        slack.world.channels[channel_id(0)].is_archived = True
        operation = run_to_end(operation)

        told = {step.group_id: (step.outcome, step.message) for step in operation.steps.all()}
        assert told["1000"] == (
            "changed_meanwhile",
            "Changed meanwhile: it is called “Changed by hand” by now. Look at a new plan.",
        )
        assert told["1001"][0] == "already_there"
        assert told["1002"][0] == "admin_rights_needed"
        assert told[channel_id(0)][0] == "archived"
        assert telegram.writes.effects() == []

    def test_telegrams_limit_gives_the_worker_back_and_tells_the_time_to_go(
        self, telegram: TelegramSandbox
    ) -> None:
        telegram.script.add("EditTitle", RpcFault("FLOOD_WAIT_840"), skip=1)
        operation = runner.run_operation(self.operation(**{str(chat): f"New {chat}" for chat in CHATS}).pk)

        assert (operation.state, operation.owner) == ("waiting", "")
        now = timezone.now()
        progress = load_progress(operation, now)
        assert progress.seconds_to_go == pytest.approx(840, abs=20)
        assert progress.whole_seconds == pytest.approx(840, abs=20), "two are left, and ten would be allowed"

        operation = run_to_end(operation)
        assert (operation.state, states(operation)) == ("done", ["done"] * 3)
        assert telegram.calls.counts()["EditTitle"] == 4

    def test_slacks_limit_and_a_taken_name(self, slack: SlackSandbox) -> None:
        slack.script.add("conversations.rename", RateLimited(60))
        slack.script.add("conversations.rename", SlackError("name_taken"))
        operation = run_to_end(self.operation(**{"acme-0": "one", "acme-1": "two"}))

        assert sorted(outcomes(operation)) == ["done", "refused"]
        message = operation.steps.get(outcome="refused").message
        assert message.startswith("Another channel, maybe an archived one, has this name already")

    def test_a_call_whose_answer_was_lost_is_looked_up_and_not_repeated(
        self, slack: SlackSandbox, telegram: TelegramSandbox
    ) -> None:
        telegram.script.add("EditTitle", Drop(done=True))
        slack.script.add("conversations.rename", SlackDrop(share=0, performed=True))
        operation = run_to_end(self.operation(**{"1000": "New", "1001": "Newer", "acme-0": "new"}))

        assert states(operation) == ["done"] * 3
        assert [self.title(telegram, chat) for chat in CHATS] == ["New", "Newer", "Group 1002"]
        names = dict(Group.objects.values_list("external_id", "name"))
        assert (names["1000"], names[channel_id(0)]) == ("New", "new")

    def test_what_a_dead_process_left_under_way_is_settled_by_reading(
        self, telegram: TelegramSandbox
    ) -> None:
        operation = self.operation(**{"1000": "New", "1001": "Newer"})
        telegram.world.chats[1000].title = "New"  # the last that it did
        operation.steps.filter(group_id__in=("1000", "1001")).update(state="running")
        operation = run_to_end(operation)

        assert states(operation) == ["done", "done"]
        assert [write.subject for write in telegram.writes.effects()] == ["Newer"]

    def test_the_report_has_every_old_and_new_name(self) -> None:
        operation = run_to_end(self.operation(**{"1000": "=New|er", "Nobody": "x"}))
        markdown, workbook = operation.reports.order_by("format")

        text = Path(markdown.file.path).read_text(encoding="utf-8")
        assert "| Telegram | 1000 | Group 1000 | =New\\|er | Renamed |" in text
        assert "| Nobody |  | Left out | No audit has seen a group of this name" in text
        book = openpyxl.load_workbook(workbook.file.path)
        rows = [[cell.value for cell in row][:5] for row in book["Renames"].iter_rows(min_row=2)]
        assert rows[0] == ["Telegram", "1000", "Group 1000", "=New|er", "Renamed"]
        book.close()


class TestTheRebranding:
    """From the findings of an audit to groups with better names, and an audit that says so."""

    @pytest.fixture
    def office(self, start_sandbox: Callable[..., Sandbox]) -> Office:
        office = Office(start_sandbox(build_company(TINY)))
        channel = office.channel(lambda truth, channel: channel.is_private)
        (token,) = office.company.slack.tokens.values()
        channel.name, channel.creator = "acme-ibtc-bitsafe", token.user_id
        office.audit_first()
        return office

    def test_from_the_command_line(self, office: Office, tmp_path: Path) -> None:
        found = Finding.objects.filter(kind=FindingKind.DEPRECATED_NAME, state="open")
        before = found.count()
        only_planned = run("rename_groups", "--naming-rules")
        assert only_planned.code == 0
        assert office.slack.writes.effects() == office.telegram.writes.effects() == []
        assert " → " in only_planned.printed

        told = run("rename_groups", "--naming-rules", "--yes")

        assert told.code in (0, 3), told.complaint
        done = [step for step in told.document["steps"] if step["outcome"] == "done"]
        assert {step["platform"] for step in done} == {"slack", "telegram"}
        assert all(step["verb"] == "rename" and step["subject"] == "" for step in done)
        titles = {str(chat.id): chat.title for chat in office.company.telegram.chats.values()}
        names = {channel.id: channel.name for channel in office.company.slack.channels.values()}
        for step in done:
            assert (titles | names)[step["group"]] == step["arguments"]["new"]
        assert found.count() == before - len(done), "the audit that followed has ended their findings"
        assert f"deprecated names still open: {before - len(done)}" in told.printed
        rebranding = load_rebranding()
        assert rebranding is not None
        assert [(point.renamed, point.left) for point in rebranding.points] == [
            (0, before),
            (len(done), before - len(done)),
        ]

    def test_from_findings_exactly_those_about_names(self, office: Office, admin_client: Client) -> None:
        url = reverse("admin:audits_finding_changelist")
        about_names = list(Finding.objects.filter(kind=FindingKind.DEPRECATED_NAME)[:2])
        others = list(Finding.objects.exclude(kind=FindingKind.DEPRECATED_NAME)[:1])

        def act(findings: list[Finding], **answer: str) -> Any:
            keys = [finding.pk for finding in findings]
            return admin_client.post(url, {"action": "rename", "_selected_action": keys} | answer)

        assert "2 groups selected" in act(about_names + others).content.decode()
        act(about_names + others, plan="1", way="rules")
        operation = Operation.objects.get()
        answered = {step.group_id for step in operation.steps.all()}
        answered |= {line["target"]["group_id"] for line in operation.skipped}
        assert answered == {finding.group_external_id for finding in about_names}
        said = admin_client.get(act(others)["Location"]).content.decode()
        assert "Nothing of what was selected is about a group&#x27;s name." in said

    def test_a_mapping_with_words_that_lead_nowhere(self, office: Office, tmp_path: Path) -> None:
        group = Group.objects.filter(platform="telegram", in_scope=True, admin_status="owner")[0]
        file = tmp_path / "names.json"
        file.write_text(json.dumps({f"telegram:{group.external_id}": "Ünïcode", "Nobody": "x"}))
        told = run("rename_groups", f"--mapping={file}", "--yes")

        assert (told.code, len(told.document["steps"])) == (3, 1)
        assert "Left out, because no one group is meant: 'Nobody'." in told.complaint
        assert Group.objects.get(pk=group.pk).name == "Ünïcode"

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--pattern=(", "--replace=x", "--regex"), "Not a regular expression: missing )"),
            (("--pattern=a",), "Say --replace too"),
            (("--naming-rules", "--replace=x"), "--replace and --regex go with --pattern."),
            (("--mapping=/nowhere.json",), "Cannot read /nowhere.json"),
            (("--naming-rules", "--category=none"), "There is no category 'none'."),
        ],
    )
    def test_what_it_cannot_make_sense_of(self, arguments: tuple[str, ...], said: str) -> None:
        stored("slack", "C1", "acme")
        told = run("rename_groups", *arguments)

        assert told.code == 2
        assert told.complaint.startswith(said)
        assert not Operation.objects.exists()


def test_the_share_follows_what_became_of_each_name() -> None:
    start = timezone.now()
    runs = [(number, start + timedelta(days=number)) for number in range(4)]
    changes = [
        (runs[1][1], 1, "opened", ""),
        (runs[1][1], 2, "opened", ""),
        (runs[1][1], 3, "excluded", ""),
        (runs[2][1], 1, "resolved", "fixed"),
        (runs[3][1], 1, "reopened", "seen again"),
        (runs[3][1], 2, "resolved", "group archived"),
        (runs[3][1], 4, "opened", ""),
        (runs[3][1], 4, "resolved", "fixed"),
    ]
    points = replay(runs, changes)
    assert [(point.run_id, point.renamed, point.left, point.share) for point in points] == [
        (1, 0, 2, "0 %"),
        (2, 1, 1, "50 %"),
        (3, 1, 1, "50 %"),
    ]


class TestInTheAdmin:
    PAGE = "admin:members_group_rename"

    @pytest.fixture(autouse=True)
    def _groups(self) -> None:
        NamingRule.objects.create(pattern="iBTC", replacement="BitSafe (CBTC)")
        for number in range(12):
            stored("telegram", str(number), f"Acme {number} iBTC", admin_status="owner")

    @pytest.fixture
    def rosa(self) -> Client:
        """May look at everything, and plan."""
        return client_of("run_operation")

    def plan_page(self, client: Client, response: Any) -> str:
        (operation,) = Operation.objects.all()
        url = reverse("admin:operations_operation_change", args=[operation.pk])
        assert response["Location"] == url
        return client.get(url).content.decode()

    def test_from_the_page_to_a_plan_with_old_and_new_names_and_the_time_it_takes(self, rosa: Client) -> None:
        assert "iBTC → BitSafe (CBTC)" in rosa.get(reverse(self.PAGE)).content.decode()
        answer = {"way": "rules", "platforms": ["telegram"], "plan": "1"}
        page = self.plan_page(rosa, rosa.post(reverse(self.PAGE), answer))

        assert "Acme 3 iBTC → Acme 3 BitSafe (CBTC)" in page
        assert "Rename 12" in page
        assert "15\N{NO-BREAK SPACE}min" in page
        assert "Telegram lets an account rename about 10 groups in 15 minutes." in page

    def test_selected_groups_by_an_uploaded_mapping(self, rosa: Client) -> None:
        rows = list(Group.objects.order_by("pk")[:2])
        answer = {"action": "rename", "_selected_action": [row.pk for row in rows]}
        url = reverse("admin:members_group_changelist")
        assert "2 groups selected" in rosa.post(url, answer).content.decode()
        mapping = json.dumps({row.external_id: f"New {row.pk}" for row in rows} | {"11": "Not selected"})
        file = SimpleUploadedFile("names.json", mapping.encode())
        self.plan_page(rosa, rosa.post(url, answer | {"plan": "1", "way": "mapping", "mapping": file}))

        operation = Operation.objects.get()
        assert {step.group_id for step in operation.steps.all()} == {row.external_id for row in rows}

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ({"way": "regex", "pattern": "("}, "Not a regular expression: missing )"),
            ({"way": "text"}, "Say which part of the names shall be replaced."),
            ({"way": "mapping"}, "Choose the file."),
            ({"way": "mapping", "mapping": SimpleUploadedFile("x", b"[1]")}, "must be an object"),
        ],
    )
    def test_a_form_that_makes_no_sense_is_asked_again(
        self, rosa: Client, answer: dict[str, Any], said: str
    ) -> None:
        response = rosa.post(reverse(self.PAGE), answer | {"platforms": ["telegram"], "plan": "1"})

        assert said in response.content.decode()
        assert not Operation.objects.exists()

    def test_whoever_may_only_look_plans_nothing(self, rosa: Client) -> None:
        User.objects.get().user_permissions.remove(Permission.objects.get(codename="run_operation"))
        assert "you need the right" in rosa.get(reverse(self.PAGE)).content.decode()
        answer = {"way": "rules", "platforms": ["telegram"], "plan": "1"}
        assert rosa.post(reverse(self.PAGE), answer).status_code == 403
        assert not Operation.objects.exists()
