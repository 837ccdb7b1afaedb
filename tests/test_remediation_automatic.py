"""Rules that add by themselves: to new groups, on a schedule; under a cap, and never without a notice."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django_celery_beat.models import PeriodicTask
from pytest_django import Settings

from audits.tasks import add_missing_on_schedule
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack import SlackChannel
from groupadmin.sandbox.slack.faults import SlackError
from members import policy_load
from members.models import Employee, MembershipRule
from members.notices.delivery import deliver
from members.operations import notices, runner
from members.operations.models import ActivityEvent, Operation
from members.operations.states import UNDER_WAY
from members.platforms.types import Platform
from tests.audit_world import TINY, Office
from tests.remediation_world import OPERATOR, confirmed, outcomes

SLACK = Platform.SLACK


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """Nobody has audited it yet."""
    return Office(start_sandbox(build_company(TINY)))


def add_by_itself(*keys: str) -> None:
    """From now on these people are required on Slack by a rule of their own that adds them by itself."""
    for key in keys:
        employee = Employee.objects.get(key=key)
        MembershipRule.objects.create(platform=SLACK, employee=employee, auto_add=True)


def new_channel(office: Office, *members: str) -> SlackChannel:
    """A customer's channel that no audit has seen, with our account and `members` in it."""
    inside = dict.fromkeys(office.slack_id(key) for key in ("ada", *members))
    channel = SlackChannel("C9NEW", "new-customer-bitsafe", office.slack_id("ada"), inside, is_private=True)
    return office.company.slack.add_channel(channel)


def run_waiting() -> list[Operation]:
    """Do what waits to be done, as a worker does."""
    waiting = Operation.objects.filter(state__in=UNDER_WAY).order_by("pk")
    return [runner.run_operation(operation.pk) for operation in list(waiting)]


def told() -> list[str]:
    """The notices in the record, the oldest first."""
    notes = ActivityEvent.objects.filter(action=notices.ACTION).order_by("pk")
    return list(notes.values_list("detail", flat=True))


class TestNewGroups:
    def test_get_whom_the_rules_add_and_nobody_else(self, office: Office) -> None:
        add_by_itself("bo")
        office.audit_first()
        channel = new_channel(office)

        office.audit("--platform=slack")
        (operation,) = run_waiting()

        assert set(outcomes(operation)) == {(SLACK, channel.id, "bo")}
        assert (operation.state, operation.trigger, operation.confirmed_by) == ("done", "event", "auto-add")
        assert set(channel.members) == {office.slack_id("ada"), office.slack_id("bo")}

    def test_are_told_of_when_they_are_planned_and_when_it_is_done(self, office: Office) -> None:
        add_by_itself("bo")
        office.audit_first()
        new_channel(office)
        office.audit()

        (operation,) = run_waiting()

        assert told() == [
            f"{operation} adds one person who is missing in a new group",
            f"{operation} (one person to add, planned by itself) is done: 1 added.",
        ]

    def test_are_none_in_the_first_audit_of_a_platform(self, office: Office) -> None:
        add_by_itself("bo")

        office.audit_first("--platform=telegram")
        office.audit("--platform=slack")

        assert not Operation.objects.exists()

    def test_are_new_once(self, office: Office) -> None:
        add_by_itself("bo")
        office.audit_first()
        new_channel(office)

        for _ in range(3):
            office.audit()

        assert Operation.objects.count() == 1

    def test_are_left_alone_when_no_rule_adds_by_itself(self, office: Office) -> None:
        office.audit_first()
        new_channel(office)

        office.audit()

        assert not Operation.objects.exists()

    def test_are_audited_all_the_same_when_something_goes_wrong_here(
        self, office: Office, settings: Settings
    ) -> None:
        add_by_itself("bo")
        office.audit_first()
        new_channel(office)
        settings.OPERATION_CAP_AUTOMATIC_ADDITIONS = "not a number"

        assert office.audit().state == "complete"


class TestOnSchedule:
    def test_is_off_until_somebody_switches_it_on(self, db: None) -> None:
        entry = PeriodicTask.objects.get(name="Add missing members")

        assert (entry.enabled, entry.task) == (False, add_missing_on_schedule.name)
        assert json.loads(entry.args) == [["slack", "telegram"]]

    def test_adds_whom_the_rules_add_everywhere(self, office: Office) -> None:
        add_by_itself("bo")
        office.audit_first()
        missing = {
            key[1]
            for key, truth in office.company.truth_now().groups.items()
            if key[0] == "slack" and truth.requires_full_team and "bo" in truth.required_missing
        }
        assert missing

        add_missing_on_schedule(["slack", "telegram"])
        (operation,) = run_waiting()

        assert {key[1:] for key in outcomes(operation)} == {(group_id, "bo") for group_id in missing}
        assert (operation.trigger, operation.state) == ("schedule", "done")

    def test_waits_for_a_person_when_it_is_above_the_cap(self, office: Office, settings: Settings) -> None:
        settings.OPERATION_CAP_AUTOMATIC_ADDITIONS = 1
        add_by_itself("bo")
        for channel in office.company.slack.channels.values():
            channel.members.pop(office.slack_id("bo"), None)
        office.audit()

        add_missing_on_schedule(["slack"])

        operation = Operation.objects.get()
        assert (operation.state, run_waiting()) == ("planned", [])
        (note,) = told()
        too_many = f"{operation.count} steps are more than the 1 allowed at once."
        assert note.endswith(f"when somebody confirms it: {too_many}")
        assert confirmed(operation).confirmed_by == OPERATOR.name

    def test_does_not_begin_anew_before_the_last_one_has_ended(self, office: Office) -> None:
        add_by_itself("bo")
        office.audit_first()

        add_missing_on_schedule(["slack"])
        add_missing_on_schedule(["slack"])

        assert Operation.objects.count() == 1

    @pytest.mark.parametrize(("error", "operations"), [("user_is_restricted", 1), ("missing_scope", 2)])
    def test_leaves_alone_for_a_week_whom_it_could_not_add_unless_the_fault_was_its_own(
        self, office: Office, error: str, operations: int
    ) -> None:
        add_by_itself("bo")
        office.audit_first()
        office.slack.script.add("conversations.invite", SlackError(error), times=None)
        add_missing_on_schedule(["slack"])
        (operation,) = run_waiting()
        assert operation.state == "failed"

        add_missing_on_schedule(["slack"])

        assert Operation.objects.count() == operations

    def test_does_nothing_when_no_rule_adds_by_itself(self, office: Office) -> None:
        office.audit_first()

        add_missing_on_schedule(["slack", "telegram"])

        assert not Operation.objects.exists()

    @pytest.mark.parametrize("platforms", [["discord"], ["slack", "discord"], []])
    def test_says_so_when_somebody_mistyped_the_platforms(self, db: None, platforms: list[str]) -> None:
        add_missing_on_schedule(platforms)

        (note,) = told()
        assert "names no such platforms" in note


class TestNoticesOnSlack:
    @pytest.fixture
    def board(self, office: Office, settings: Settings) -> SlackChannel:
        """The channel that notices are posted to."""
        channel = SlackChannel("C9BOARD", "board", office.slack_id("ada"), {office.slack_id("ada"): None})
        settings.SLACK_NOTIFY_CHANNEL = channel.id
        return office.company.slack.add_channel(channel)

    def test_are_posted_to_the_channel_for_them(self, office: Office, board: SlackChannel) -> None:
        add_by_itself("bo")
        office.audit_first()

        add_missing_on_schedule(["slack"])
        run_waiting()
        deliver()

        first, second = (note.partition(" (")[0] for note in told())
        texts = [message["text"].partition("\n")[0] for message in board.messages]
        assert first in texts
        assert any(text.startswith(second) for text in texts), "its end is told as that of any other"


class TestTheSetting:
    def test_is_no_part_of_a_policy_file_and_survives_one(self, office: Office) -> None:
        MembershipRule.objects.filter(platform=SLACK).update(auto_add=True)
        before = set(MembershipRule.objects.values_list("platform", "team__key", "auto_add"))
        policy = office.company.policy
        policy["rules"] = list(reversed(policy["rules"]))

        policy_load.load(json.dumps(policy).encode(), reason="another order")

        assert set(MembershipRule.objects.values_list("platform", "team__key", "auto_add")) == before
        assert "auto_add" not in json.dumps(policy)

    def test_does_not_make_two_rules_different(self, office: Office) -> None:
        MembershipRule.objects.update(auto_add=True)

        changes = policy_load.load(json.dumps(office.company.policy).encode(), reason="the same again")

        assert changes.entries == []
