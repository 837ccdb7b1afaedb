"""What becomes of findings from audit to audit, while the company and its policy change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone

from audits.models import AuditRun, Finding
from groupadmin.sandbox.company.policy import exclusion
from members.models import Category, Employee, Group
from tests.audit_world import (
    Office,
    changes,
    channel_without_bo,
    clock_put_forward,
    findings,
    missing_bo,
    tiny_office,
)

pytestmark = pytest.mark.django_db

SLACK = "--platform=slack"


office = pytest.fixture(tiny_office)
pass_days = pytest.fixture(clock_put_forward)


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
        office.audit_first(SLACK)
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
        office.audit_first(SLACK)
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
        office.audit_first(SLACK)
        employee(office, "bo")["status"] = "active"
        office.load_policy()

        second = office.audit(SLACK)

        assert ("resolved", "employee is back", present.id, "departed_member_present", "bo") in changes(
            second
        )

    def test_who_was_taken_out_of_the_policy_is_forgotten(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit_first(SLACK)
        policy = office.company.policy
        policy["employees"].remove(employee(office, "bo"))
        policy["exclusions"] = [line for line in policy["exclusions"] if line["employee"] != "bo"]
        office.load_policy()

        second = office.audit(SLACK)

        assert ("resolved", "employee removed", channel.id, "missing_required", "bo") in changes(second)
        assert not [finding for finding in findings() if finding[3] == "bo"]


class TestThePolicy:
    def test_a_rule_that_is_gone_takes_its_findings_along(self, office: Office) -> None:
        office.audit_first(SLACK)
        asked_by_the_rule = {finding for finding in findings() if finding[3] in ("fay", "gus", "hal", "ivy")}
        rules = office.company.policy["rules"]
        rules.remove({"platform": "slack", "team": "slack-crew", "level": "required"})
        office.load_policy()

        second = office.audit(SLACK)

        assert {line[:2] for line in changes(second)} == {("resolved", "rule changed")}
        assert {("slack", *line[2:]) for line in changes(second)} == asked_by_the_rule != set()

    def test_a_rule_that_is_milder_changes_the_kind(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit_first(SLACK)
        for rule in office.company.policy["rules"]:
            if rule["platform"] == "slack":
                rule["level"] = "optional"
        office.load_policy()

        second = office.audit(SLACK)

        assert ("resolved", "rule changed", channel.id, "missing_required", "bo") in changes(second)
        assert ("opened", "", channel.id, "missing_optional", "bo") in changes(second)

    def test_a_category_that_does_not_need_everybody_misses_nobody(self, office: Office) -> None:
        channel = channel_without_bo(office)
        office.audit_first(SLACK)
        internal = Category.objects.get(key="internal")
        Group.objects.filter(external_id=channel.id).update(category=internal, category_pinned=True)

        second = office.audit(SLACK)

        row = second.rows()[channel.id]
        assert (row["category"], row["verdict"], row["required_missing"]) == ("internal", "exempt", ["bo"])
        assert missing_bo(channel) in findings("resolved")

    def test_an_exception_for_a_person(self, office: Office) -> None:
        channel = channel_without_bo(office)
        first = office.audit(SLACK)
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

        channel.members[office.slack_id("bo")] = None
        third = office.audit(SLACK)

        assert changes(third) == [("resolved", "fixed", channel.id, "missing_required", "bo")]
        numbers = [run.document["findings"] for run in (first, second, third)]
        assert [now["open"] - before["open"] for before, now in pairwise(numbers)] == [-1, 0]
        stored = AuditRun.objects.order_by("pk").values_list("resolved", "excluded")
        assert list(stored[1:]) == [(0, 1), (0, 0)], "it was not open any more when it ended"

    def test_an_exception_for_a_kind_of_finding(self, office: Office) -> None:
        channel = office.channel()
        channel.name = "acme-ibtc-bitsafe"
        office.audit_first(SLACK)
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
        office.audit_first(SLACK)
        pass_days(1)

        on_the_last_day = office.audit(SLACK)
        pass_days(2)
        afterwards = office.audit(SLACK)

        assert changes(on_the_last_day) == []
        assert changes(afterwards) == [("reopened", "exclusion ended", channel.id, "missing_required", "bo")]
        assert afterwards.rows()[channel.id]["required_missing"] == ["bo"]


class TestIdentity:
    @pytest.mark.parametrize("platform", ["slack", "telegram"])
    def test_a_new_username_is_followed_reported_and_then_known(self, office: Office, platform: str) -> None:
        office.audit_first()
        before = findings()
        office.company.staff["bo"].slack_account.name = "bo.renamed"
        office.company.staff["bo"].telegram_account.usernames[:] = ["borenamed"]

        second = office.audit(f"--platform={platform}")
        third = office.audit(f"--platform={platform}")

        assert changes(second) == [("opened", "", "", "identity_changed", "bo")]
        assert findings() == before, "Bo was found everywhere he was before"
        assert changes(third) == [("resolved", "fixed", "", "identity_changed", "bo")]
        bo = Employee.objects.get(key="bo")
        old, new = {"slack": ("bo", "bo.renamed"), "telegram": ("bosample", "borenamed")}[platform]
        assert getattr(bo, f"{platform}_username") == new
        remembered = {handle.username for handle in bo.handles.filter(platform=platform)}
        assert remembered == {old, new}

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
