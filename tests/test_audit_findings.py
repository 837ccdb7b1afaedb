"""What becomes of findings from audit to audit, while the company and its policy change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from audits.models import Finding
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.company.policy import exclusion
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack import SlackChannel
from groupadmin.sandbox.slack.faults import SlackError
from groupadmin.sandbox.telegram.world import TelegramChat
from members.models import Category, Employee, Group
from tests.audit_world import TINY, Office, changes, findings

pytestmark = pytest.mark.django_db

SLACK, TELEGRAM = "--platform=slack", "--platform=telegram"
NEVER_ANSWERS = {"effect": SlackError("internal_error"), "times": None}


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox]) -> Office:
    return Office(start_sandbox(build_company(TINY)))


@pytest.fixture
def pass_days(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`pass_days(n)`: from now on it is n days later than it really is."""
    real_now = timezone.now

    def set_clock(days: int) -> None:
        monkeypatch.setattr(timezone, "now", lambda: real_now() + timedelta(days=days))

    return set_clock


@pytest.fixture
def impatient(settings: Settings) -> None:
    """No pause is waited for: what does not work at once has failed."""
    settings.AUDIT_PATIENCE_SECONDS = 0


def channel_without_bo(office: Office) -> SlackChannel:
    """A customer's private channel where Bo is missing, and nobody else, and nothing else is wrong."""
    channel = office.channel(
        lambda truth, channel: truth.category == "customer" and channel.is_private and not truth.excluded
    )
    truth = office.company.truth_now().groups["slack", channel.id]
    everybody = truth.required_missing | truth.optional_missing
    channel.members |= dict.fromkeys(office.slack_id(key) for key in everybody)
    channel.members.pop(office.slack_id("bo"))
    channel.name = "acme-bitsafe"
    return channel


def missing_bo(channel: SlackChannel) -> tuple[str, str, str, str]:
    return "slack", channel.id, "missing_required", "bo"


def employee(office: Office, key: str) -> dict[str, Any]:
    """The employee's line in the policy file."""
    line: dict[str, Any] = next(row for row in office.company.policy["employees"] if row["key"] == key)
    return line


class TestAMissingPerson:
    def test_who_joined_is_missing_no_more(self, office: Office) -> None:
        channel = channel_without_bo(office)
        first = office.audit(SLACK)
        assert missing_bo(channel) in findings()
        channel.members[office.slack_id("bo")] = None

        second = office.audit(SLACK)

        assert changes(second) == [("resolved", "fixed", channel.id, "missing_required", "bo")]
        assert missing_bo(channel) in findings("resolved")
        assert first.rows()[channel.id]["verdict"] == "incomplete"
        assert second.rows()[channel.id]["verdict"] == "complete"

    def test_a_finding_stays_the_same_one_while_it_is_open(self, office: Office) -> None:
        first, second = office.audit(SLACK), office.audit(SLACK)

        assert (second.document["findings"]["opened"], changes(second)) == (0, [])
        runs = set(Finding.objects.filter(platform="slack").values_list("first_seen_run", "last_seen_run"))
        assert runs == {(first.run.pk, second.run.pk)}

    def test_who_leaves_again_reopens_the_finding(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit(SLACK)
        channel.members[office.slack_id("bo")] = None
        office.audit(SLACK)
        del channel.members[office.slack_id("bo")]

        third = office.audit(SLACK)

        assert changes(third) == [("reopened", "seen again", channel.id, "missing_required", "bo")]
        finding = Finding.objects.get(group_external_id=channel.id, kind="missing_required", subject="bo")
        assert (finding.state, finding.times_reopened, finding.resolved_at, finding.end_reason) == (
            "open",
            1,
            None,
            "",
        )

    def test_who_left_the_company_is_not_missed(self, office: Office) -> None:
        absent = channel_without_bo(office)
        present = office.channel(lambda truth, channel: "bo" in truth.required_present)
        office.audit(SLACK)
        employee(office, "bo")["status"] = "offboarded"
        office.load_policy()

        second = office.audit(SLACK)

        assert ("resolved", "employee offboarded", absent.id, "missing_required", "bo") in changes(second)
        assert ("opened", "", present.id, "departed_member_present", "bo") in changes(second)
        assert "bo" not in second.rows()[present.id]["required_present"]

    def test_who_comes_back_is_departed_no_more(self, office: Office) -> None:
        present = office.channel(lambda truth, channel: "bo" in truth.required_present)
        employee(office, "bo")["status"] = "offboarded"
        office.load_policy()
        office.audit(SLACK)
        employee(office, "bo")["status"] = "active"
        office.load_policy()

        second = office.audit(SLACK)

        assert ("resolved", "employee is back", present.id, "departed_member_present", "bo") in changes(
            second
        )

    def test_who_was_taken_out_of_the_policy_is_forgotten(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit(SLACK)
        policy = office.company.policy
        policy["employees"].remove(employee(office, "bo"))
        policy["exclusions"] = [line for line in policy["exclusions"] if line["employee"] != "bo"]
        office.load_policy()

        second = office.audit(SLACK)

        assert ("resolved", "employee removed", channel.id, "missing_required", "bo") in changes(second)
        assert not [finding for finding in findings() if finding[3] == "bo"]


class TestThePolicy:
    def test_a_rule_that_is_gone_takes_its_findings_along(self, office: Office) -> None:
        office.audit(SLACK)
        asked_by_the_rule = {finding for finding in findings() if finding[3] in ("fay", "gus", "hal", "ivy")}
        rules = office.company.policy["rules"]
        rules.remove({"platform": "slack", "team": "slack-crew", "level": "required"})
        office.load_policy()

        second = office.audit(SLACK)

        assert {line[:2] for line in changes(second)} == {("resolved", "rule changed")}
        assert {("slack", *line[2:]) for line in changes(second)} == asked_by_the_rule != set()

    def test_a_rule_that_is_milder_changes_the_kind(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit(SLACK)
        for rule in office.company.policy["rules"]:
            if rule["platform"] == "slack":
                rule["level"] = "optional"
        office.load_policy()

        second = office.audit(SLACK)

        assert ("resolved", "rule changed", channel.id, "missing_required", "bo") in changes(second)
        assert ("opened", "", channel.id, "missing_optional", "bo") in changes(second)

    def test_a_category_that_does_not_need_everybody_misses_nobody(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit(SLACK)
        internal = Category.objects.get(key="internal")
        Group.objects.filter(external_id=channel.id).update(category=internal, category_pinned=True)

        second = office.audit(SLACK)

        row = second.rows()[channel.id]
        assert (row["category"], row["verdict"], row["required_missing"]) == ("internal", "exempt", ["bo"])
        assert missing_bo(channel) in findings("resolved")

    def test_an_exception_for_a_person(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit(SLACK)
        office.company.policy["exclusions"].append(
            exclusion("slack", channel.id, employee="bo", reason="The customer asked for it.")
        )
        office.load_policy()

        second = office.audit(SLACK)

        assert changes(second) == [("excluded", "", channel.id, "missing_required", "bo")]
        row = second.rows()[channel.id]
        present = len(row["required_present"])
        assert (row["excluded"], row["verdict"], row["completeness"]) == (
            ["bo"],
            "complete",
            f"{present}/{present}",
        )

    def test_an_exception_for_a_kind_of_finding(self, office: Office) -> None:
        channel = office.channel()
        channel.name = "acme-ibtc-bitsafe"
        office.audit(SLACK)
        office.company.policy["exclusions"].append(
            exclusion("slack", channel.id, kind="deprecated_name", reason="Renamed when the contract ends.")
        )
        office.load_policy()

        second = office.audit(SLACK)

        assert changes(second) == [("excluded", "", channel.id, "deprecated_name", "")]
        assert second.rows()[channel.id]["flags"] == ["deprecated_name"], "it is accepted, and still true"

    def test_an_exception_that_runs_out(self, office: Office, pass_days: Callable[[int], None]) -> None:
        channel = channel_without_bo(office)
        last_day = timezone.now().date() + timedelta(days=1)
        office.company.policy["exclusions"].append(
            exclusion("slack", channel.id, employee="bo", reason="On leave.", expires=last_day.isoformat())
        )
        office.load_policy()
        office.audit(SLACK)
        pass_days(1)

        on_the_last_day = office.audit(SLACK)
        pass_days(2)
        afterwards = office.audit(SLACK)

        assert changes(on_the_last_day) == []
        assert changes(afterwards) == [("reopened", "exclusion ended", channel.id, "missing_required", "bo")]
        assert afterwards.rows()[channel.id]["required_missing"] == ["bo"]


class TestAGroup:
    def test_that_is_archived_leaves_the_audit_and_comes_back(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit(SLACK)
        channel.is_archived = True

        archived = office.audit(SLACK)
        channel.is_archived = False
        back = office.audit(SLACK)

        assert {line[:3] for line in changes(archived)} == {("resolved", "group archived", channel.id)}
        assert channel.id not in archived.rows()
        assert archived.run.archived_groups
        assert {line[:3] for line in changes(back)} == {("reopened", "seen again", channel.id)}

    def test_that_nobody_lets_us_see_is_a_blind_spot_and_no_good_news(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit(SLACK)
        del channel.members[office.slack_id("ada")]
        channel.members[office.slack_id("bo")] = None

        hidden = office.audit(SLACK)

        assert changes(hidden) == [("opened", "", channel.id, "not_visible", "")]
        assert missing_bo(channel) in findings(), "nobody saw that Bo joined"
        assert hidden.rows()[channel.id]["verdict"] == "not_visible"
        assert channel.name in dict(hidden.blind_spots())
        assert (hidden.state, hidden.document["summary"]["not_visible"]) == ("complete", 1)

    def test_that_can_be_seen_again(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit(SLACK)
        del channel.members[office.slack_id("ada")]
        office.audit(SLACK)
        channel.members |= dict.fromkeys([office.slack_id("ada"), office.slack_id("bo")])

        back = office.audit(SLACK)

        assert sorted(changes(back)) == [
            ("resolved", "fixed", channel.id, "missing_required", "bo"),
            ("resolved", "fixed", channel.id, "not_visible", ""),
        ]

    def test_that_has_a_new_name_is_the_same_group(self, office: Office) -> None:
        channel = channel_without_bo(office)
        channel.name = "acme-ibtc-bitsafe"
        office.audit(SLACK)
        channel.name = "renamed-bitsafe"

        second = office.audit(SLACK)

        assert changes(second) == [("resolved", "fixed", channel.id, "deprecated_name", "")]
        assert missing_bo(channel) in findings()
        assert second.rows()[channel.id]["name"] == "renamed-bitsafe"
        assert Group.objects.get(platform="slack", external_id=channel.id).name == "renamed-bitsafe"

    def test_whose_new_name_is_out_of_scope(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit(SLACK)
        channel.name = "somebody-elses"

        second = office.audit(SLACK)

        assert {line[:3] for line in changes(second)} == {("resolved", "group out of scope", channel.id)}
        assert channel.id not in second.rows()

    @pytest.mark.parametrize("still_listed", [True, False])
    def test_that_became_a_supergroup(self, office: Office, still_listed: bool) -> None:
        """Telegram lists the old basic group beside the new one, until we delete it from our list."""
        old = office.chat(lambda truth, chat: chat.kind == "basic" and truth.required_missing != frozenset())
        office.audit(TELEGRAM)
        mine = {finding[2:] for finding in findings() if finding[1] == str(old.id)}
        new = migrate(office, old)
        if not still_listed:
            office.company.telegram.part(old, office.telegram_id("ada"), banned=False)

        second = office.audit(TELEGRAM)

        ended = {line for line in changes(second) if line[0] == "resolved"}
        opened = {line for line in changes(second) if line[0] == "opened"}
        assert ended == {("resolved", "group became a supergroup", str(old.id), *finding) for finding in mine}
        assert opened == {("opened", "", str(new.id), *finding) for finding in mine}
        assert str(old.id) not in second.rows()
        assert changes(office.audit(TELEGRAM)) == []


class TestHistory:
    def test_a_setting_is_trusted_for_a_week(self, office: Office, pass_days: Callable[[int], None]) -> None:
        chat = office.chat(lambda truth, chat: truth.history == "visible")
        office.audit(TELEGRAM)
        chat.hidden_prehistory = True
        pass_days(6)

        assert "GetFullChannel" not in office.audit(TELEGRAM).calls("telegram")
        pass_days(8)
        later = office.audit(TELEGRAM)

        assert changes(later) == [("opened", "", str(chat.id), "hidden_history", "")]
        assert later.rows()[str(chat.id)]["history"] == "hidden"


class TestIdentity:
    @pytest.mark.parametrize("platform", ["slack", "telegram"])
    def test_a_new_username_is_followed_reported_and_then_known(self, office: Office, platform: str) -> None:
        office.audit()
        before = findings()
        office.company.staff["bo"].slack_account.name = "bo.renamed"
        office.company.staff["bo"].telegram_account.usernames[:] = ["borenamed"]

        second = office.audit(f"--platform={platform}")
        third = office.audit(f"--platform={platform}")

        assert changes(second) == [("opened", "", "", "identity_changed", "bo")]
        assert findings() == before, "Bo was found everywhere he was before"
        assert changes(third) == [("resolved", "fixed", "", "identity_changed", "bo")]
        bo = Employee.objects.get(key="bo")
        assert getattr(bo, f"{platform}_username") in ("bo.renamed", "borenamed")
        assert {handle.username for handle in bo.handles.filter(platform=platform)} >= {"bo.renamed"} or {
            "borenamed"
        }

    def test_somebody_who_cannot_be_found_is_a_finding_until_corrected(self, office: Office) -> None:
        line = employee(office, "bo")
        right, line["slack_username"] = line["slack_username"], "nobody.has.this"
        office.load_policy()
        first = office.audit(SLACK)
        line["slack_username"] = right
        office.load_policy()

        second = office.audit(SLACK)

        assert ("opened", "", "", "unresolved_identity", "bo") in changes(first)
        assert all("bo" in row["unresolved"] for row in first.rows().values())
        assert ("resolved", "fixed", "", "unresolved_identity", "bo") in changes(second)
        assert not any(row["unresolved"] for row in second.rows().values())


@pytest.mark.usefixtures("impatient")
class TestWhatARunDidNotSee:
    def test_stays_as_it_was_where_a_persons_channels_could_not_be_read(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit(SLACK)
        channel.members[office.slack_id("bo")] = None
        bo = office.slack_id("bo")
        office.slack.script.add(
            "users.conversations", when=lambda arguments: arguments["user"] == bo, **NEVER_ANSWERS
        )

        partial = office.audit(SLACK)

        assert (partial.code, partial.state, changes(partial)) == (3, "partial", [])
        assert missing_bo(channel) in findings()
        assert partial.rows()[channel.id]["unresolved"] == ["bo"]
        assert partial.rows()[channel.id]["verdict"] == "error"

    def test_stays_as_it_was_where_the_list_of_groups_ends_early(self, office: Office) -> None:
        office.slack.page_cap = 5
        office.audit(SLACK)
        before = findings()
        for channel in office.company.slack.channels.values():
            channel.members.setdefault(office.slack_id("bo"))
        office.slack.script.add("conversations.list", skip=2, **NEVER_ANSWERS)

        partial = office.audit(SLACK)

        assert (partial.code, partial.state, changes(partial)) == (3, "partial", [])
        assert findings() == before
        assert {row["verdict"] for row in partial.rows().values()} <= {"error", "exempt"}
        assert len(partial.rows()) == TINY.slack_in_scope, "known groups are listed all the same"

    def test_is_nothing_of_the_other_platform(self, office: Office) -> None:
        office.audit()
        before = {finding for finding in findings() if finding[0] == "telegram"}
        for chat in office.company.telegram.chats.values():
            chat.title = "Out of scope - archived"

        office.audit(SLACK)

        assert {finding for finding in findings() if finding[0] == "telegram"} == before != set()


def migrate(office: Office, old: TelegramChat) -> TelegramChat:
    """What Telegram makes of a basic group that outgrew its kind: a supergroup with another id."""
    new = replace(
        old, id=1_700_000_001, kind="supergroup", members=dict(old.members), migrated_from=old.id, messages=[]
    )
    office.company.telegram.add_chat(new)
    old.migrated_to = new.id
    return new
