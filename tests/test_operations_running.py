"""Operations against real servers: what is done and passed over, what is read afterwards, what stops it."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from groupadmin.sandbox.slack import SlackSandbox
from groupadmin.sandbox.slack.faults import Delay, Drop, RateLimited
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from members.operations import activity, lane, lease, runner, services
from members.operations.models import ActivityEvent, Operation
from members.operations.plan import PlannedStep
from members.platforms.types import Platform
from tests.audit_world import Meanwhile
from tests.operations_world import (
    ACCOUNT,
    CHATS,
    ED,
    FAY,
    PLANNER,
    REMOVAL,
    AtTheDesk,
    Desk,
    SlackAccount,
    channel_id,
    everybody_everywhere,
    invited,
    lease_of,
    outcomes,
    person_id,
    slack_step,
    states,
    step_of,
    telegram_step,
)
from tests.telegram_reading import ADA

pytestmark = pytest.mark.django_db
CHAT = CHATS[0]


class Hopeless(list[int]):
    """A kind whose follow-up always fails."""

    def append(self, value: int) -> None:
        raise RuntimeError(f"no report of {value}")


class AwayOnce(list[int]):
    """A kind that finds the database gone, and there again."""

    away = True

    def append(self, value: int) -> None:
        if self.away:
            self.away = False
            raise OperationalError("server closed the connection unexpectedly")
        super().append(value)


def members(slack: SlackSandbox, channel: int) -> set[str]:
    return set(slack.world.channels[channel_id(channel)].members)


class TestOnSlack(AtTheDesk):
    def test_everybody_is_added_with_one_call_a_channel(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.run(desk.confirmed(everybody_everywhere(4, 3)))

        assert (operation.state, operation.message, operation.owner) == ("done", "", "")
        assert set(states(operation)) == {"done"}
        assert all(len(members(slack, channel)) == 4 for channel in range(4))
        assert slack.calls.counts()["conversations.invite"] == 4
        assert operation.api_calls["slack"] == slack.calls.counts()

    def test_it_is_verified_by_person_not_by_channel(self, desk: Desk, slack: SlackSandbox) -> None:
        desk.run(desk.confirmed(everybody_everywhere(4, 3)))

        assert slack.calls.counts()["users.conversations"] == 2 * 3
        assert "conversations.members" not in slack.calls.counts()

    def test_every_step_says_when_and_every_end_is_on_record(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.run(desk.confirmed([slack_step(0, 0), slack_step(1, 1)]))

        for step in operation.steps.all():
            times = operation.started_at, step.started_at, step.finished_at, operation.finished_at
            assert list(times) == sorted(filter(None, times))
        events = ActivityEvent.objects.filter(operation_id=operation.pk).values_list(
            "actor", "action", "group_id", "subject", "outcome"
        )
        assert list(events) == [
            ("ada", "operation.planned", "", "", ""),
            ("bob", "operation.confirmed", "", "", ""),
            ("bob", "step.add", channel_id(0), person_id(0).lower(), "done"),
            ("bob", "step.add", channel_id(1), person_id(1).lower(), "done"),
            ("bob", "operation.finished", "", "", "done"),
        ]
        assert activity.verify().problem == ""

    def test_its_end_is_told_once(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.run(desk.confirmed([slack_step(0, 0)]))
        runner.recover_operations()

        assert desk.rules.finished == [operation.pk]

    def test_trouble_with_what_follows_is_not_its_own(self, desk: Desk, slack: SlackSandbox) -> None:
        desk.rules.finished = Hopeless()

        operation = desk.run(desk.confirmed([slack_step(0, 0)]))

        assert (operation.state, operation.owner) == ("done", "")

    def test_what_follows_waits_for_the_database(self, desk: Desk, slack: SlackSandbox) -> None:
        desk.rules.finished = AwayOnce()
        operation = desk.run(desk.confirmed([slack_step(0, 0)]))
        assert (operation.state, desk.rules.finished) == ("done", [])

        Operation.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
        runner.recover_operations()
        operation.refresh_from_db()
        assert (operation.owner, desk.rules.finished) == ("", [operation.pk])

    def test_what_has_ended_cannot_be_run_again(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.run(desk.confirmed([slack_step(0, 0)]))

        with pytest.raises(runner.OperationBusy):
            desk.run(operation)

    @pytest.mark.parametrize("state", ["planned", "cancelled", "expired", "refused", "running"])
    def test_only_what_was_confirmed_is_run(self, desk: Desk, slack: SlackSandbox, state: str) -> None:
        operation = desk.plan([slack_step(0, 0)])
        Operation.objects.filter(pk=operation.pk).update(state=state)

        with pytest.raises(runner.OperationBusy):
            desk.run(operation)
        assert slack.calls.total == 0

    def test_it_is_undone(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.world.channels[channel_id(0)].members[person_id(0)] = None
        added = desk.run(desk.confirmed(everybody_everywhere(1, 3)))

        undo = desk.run(desk.confirm(services.undo_operation(operation=added, actor=PLANNER)))

        assert (undo.state, states(undo)) == ("done", ["done", "done"])
        assert members(slack, 0) == {ACCOUNT, person_id(0)}


class TestAWorldThatChanged(AtTheDesk):
    """Between the preview and the confirmation: only what is still true is done, the rest is told."""

    def test_somebody_was_added_meanwhile(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed(everybody_everywhere(1, 2))
        slack.world.channels[channel_id(0)].members[person_id(0)] = None

        operation = desk.run(operation)

        assert (operation.state, outcomes(operation)) == ("done", ["already_there", "done"])
        assert invited(slack) == [(channel_id(0), person_id(1))]

    def test_everybody_was_added_meanwhile(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed(everybody_everywhere(2, 1))
        for channel in slack.world.channels.values():
            channel.members[person_id(0)] = None

        operation = desk.run(operation)

        assert (operation.state, states(operation)) == ("done", ["skipped", "skipped"])
        assert slack.writes.all() == []

    def test_somebody_is_added_at_the_last_moment(self, desk: Desk, slack: SlackSandbox) -> None:
        """After we read, before we invite: Slack says so itself."""
        channel = slack.world.channels[channel_id(0)]
        slack.script.add(
            "conversations.invite", Meanwhile(lambda: channel.members.update({person_id(0): None}))
        )

        operation = desk.run(desk.confirmed(everybody_everywhere(1, 2)))

        assert (operation.state, outcomes(operation)) == ("done", ["already_there", "done"])

    def test_a_channel_was_archived(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed(everybody_everywhere(2, 1))
        slack.world.channels[channel_id(0)].is_archived = True

        operation = desk.run(operation)

        assert (operation.state, outcomes(operation)) == ("partial", ["archived", "done"])
        assert "unarchive" in step_of(operation, 1).message

    def test_a_channel_is_gone(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed(everybody_everywhere(2, 2))
        del slack.world.channels[channel_id(0)]

        operation = desk.run(operation)

        assert outcomes(operation) == ["group_not_found", "group_not_found", "done", "done"]
        assert slack.calls.counts()["conversations.invite"] == 1

    def test_a_person_is_gone(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed(everybody_everywhere(2, 2))
        del slack.world.users[person_id(0)]

        operation = desk.run(operation)

        assert outcomes(operation) == ["person_not_found", "done"] * 2

    def test_our_rules_do_not_want_it_any_more(self, desk: Desk, slack: SlackSandbox) -> None:
        def unwanted(steps: Any) -> dict[int, str]:
            return {at: "The customer asked." for at, step in enumerate(steps) if "1" in step.target.group_id}

        operation = desk.confirmed(everybody_everywhere(4, 2))
        desk.rules.unwanted = unwanted

        operation = desk.run(operation)

        changed = operation.steps.filter(outcome="changed_meanwhile")
        assert (operation.state, len(invited(slack))) == ("done", 6)
        assert set(changed.values_list("group_id", "state", "message")) == {
            (channel_id(1), "skipped", "The customer asked.")
        }

    def test_our_rules_are_asked_right_before_each_call(self, desk: Desk, slack: SlackSandbox) -> None:
        """Somebody grants an exception while the operation runs."""
        exceptions: set[str] = set()

        def unwanted(steps: Any) -> dict[int, str]:
            return {at: "Excluded." for at, step in enumerate(steps) if step.target.user_id in exceptions}

        desk.rules.unwanted = unwanted
        slack.script.add("conversations.invite", Meanwhile(lambda: exceptions.add(person_id(1))))

        operation = desk.run(desk.confirmed([slack_step(0, 0), slack_step(1, 0), slack_step(2, 1)]))

        assert outcomes(operation) == ["done", "done", "changed_meanwhile"]

    def test_everything_is_unwanted(self, desk: Desk, slack: SlackSandbox) -> None:
        desk.rules.unwanted = lambda steps: dict.fromkeys(range(len(steps)), "No.")

        operation = desk.run(desk.confirmed(everybody_everywhere(4, 2)))

        assert (operation.state, set(states(operation))) == ("done", {"skipped"})
        assert slack.writes.all() == []

    def test_somebody_left_before_they_were_removed(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.world.channels[channel_id(0)].members[person_id(1)] = None
        operation = desk.confirmed([slack_step(0, 0, "remove"), slack_step(0, 1, "remove")], REMOVAL)

        operation = desk.run(operation)

        assert (operation.state, outcomes(operation)) == ("done", ["already_gone", "done"])
        assert len(slack.writes.all()) == 1


class TestOnTelegram(AtTheDesk):
    def test_people_are_added(self, desk: Desk, telegram: TelegramSandbox) -> None:
        operation = desk.run(desk.confirmed([telegram_step(CHAT, ED), telegram_step(CHAT, FAY)]))

        assert (operation.state, operation.message) == ("done", "")
        assert set(telegram.world.chats[CHAT].members) == {ADA, ED, FAY}
        assert telegram.calls.counts()["InviteToChannel"] == 1

    def test_and_taken_out_again(self, desk: Desk, telegram: TelegramSandbox) -> None:
        added = desk.run(desk.confirmed([telegram_step(CHAT, ED)]))

        undo = desk.run(desk.confirm(services.undo_operation(operation=added, actor=PLANNER)))

        assert undo.state == "done"
        assert set(telegram.world.chats[CHAT].members) == {ADA}

    def test_whoever_joins_by_themselves_meanwhile_was_not_added_and_stays_after_an_undo(
        self, desk: Desk, telegram: TelegramSandbox
    ) -> None:
        """After we read, before we invite: Telegram takes the invitation for a success."""
        chat = telegram.world.chats[CHAT]
        telegram.script.add("GetParticipant", None, when=lambda fields: chat.members.update({ED: 1}))

        added = desk.run(desk.confirmed([telegram_step(CHAT, ED), telegram_step(CHAT, FAY)]))
        assert (added.state, outcomes(added)) == ("done", ["already_there", "done"])

        desk.run(desk.confirm(services.undo_operation(operation=added, actor=PLANNER)))
        assert set(chat.members) == {ADA, ED}

    def test_somebody_refuses(self, desk: Desk, telegram: TelegramSandbox) -> None:
        telegram.world.users[ED].refuses_invites = True

        operation = desk.run(desk.confirmed([telegram_step(CHAT, ED), telegram_step(CHAT, FAY)]))

        assert (operation.state, outcomes(operation)) == ("partial", ["privacy_restricted", "done"])
        assert "invite link" in step_of(operation, 1).message

    def test_the_group_is_gone(self, desk: Desk, telegram: TelegramSandbox) -> None:
        operation = desk.confirmed([telegram_step(CHAT, ED)])
        telegram.world.remove_chat(CHAT)

        operation = desk.run(operation)

        assert (operation.state, outcomes(operation)) == ("failed", ["group_not_found"])


BOTH: list[PlannedStep] = [slack_step(0, 0), telegram_step(CHAT, ED), slack_step(1, 0)]


class TestOnBoth(AtTheDesk):
    def test_side_by_side(self, desk: Desk, slack: SlackSandbox, telegram: TelegramSandbox) -> None:
        operation = desk.run(desk.confirmed(BOTH))

        assert (operation.state, states(operation)) == ("done", ["done"] * 3)
        assert set(operation.api_calls) == {"slack", "telegram"}

    def test_trouble_with_one_leaves_the_other_alone(
        self, desk: Desk, slack: SlackSandbox, telegram: TelegramSandbox
    ) -> None:
        telegram.script.add("*", RpcFault("AUTH_KEY_UNREGISTERED"), times=None)

        operation = desk.run(desk.confirmed(BOTH))

        assert (operation.state, operation.account_trouble) == ("partial", True)
        assert states(operation) == ["done", "not_tried", "done"]
        assert operation.message == step_of(operation, 2).message != ""

    def test_they_use_one_connection_each(
        self, desk: Desk, slack: SlackSandbox, telegram: TelegramSandbox
    ) -> None:
        desk.run(desk.confirmed(BOTH))

        assert [lease_of(platform).owner for platform in Platform] == ["", ""]
        assert [lease_of(platform).token for platform in Platform] == [1, 1]


class TestSeveralCallsAtATime(AtTheDesk):
    """A setting: quicker where calls are slow, at the price of more that is in doubt after a death."""

    @pytest.fixture(autouse=True)
    def four(self, settings: Settings) -> None:
        settings.OPERATION_CONCURRENCY = 4

    def test_overlap(self, desk: Desk, slack: SlackSandbox) -> None:
        together = Barrier(4)
        slack.script.add("conversations.invite", Meanwhile(lambda: together.wait(10)), times=4)

        operation = desk.run(desk.confirmed(everybody_everywhere(4, 3)))

        assert (operation.state, set(states(operation))) == ("done", {"done"})
        assert slack.calls.counts()["conversations.invite"] == 4

    def test_a_limit_stops_all_and_loses_none(self, desk: Desk, slack: SlackSandbox) -> None:
        desk.rules.batch_size = 1
        slack.script.add("conversations.invite", Delay(0.1), times=4)
        slack.script.add("conversations.invite", RateLimited(90), times=4)

        operation = desk.run(desk.confirmed(everybody_everywhere(4, 3)))
        assert operation.state == "waiting"
        assert states(operation).count("applied") == 4
        assert "running" not in states(operation)
        slack.script.clear()

        operation = desk.run_to_end(operation)
        assert (operation.state, set(states(operation))) == ("done", {"done"})
        assert len(slack.writes.all()) == 12

    def test_each_settles_its_own_doubts(self, desk: Desk, slack: SlackSandbox) -> None:
        desk.rules.batch_size = 1
        slack.script.add("conversations.invite", Drop(0, performed=True), times=2)
        slack.script.add("conversations.invite", Delay(0.2), times=2)

        operation = desk.run_to_end(desk.confirmed(everybody_everywhere(4, 3)))

        assert (operation.state, set(states(operation))) == ("done", {"done"})
        assert len(slack.writes.all()) == 12
        assert {step.attempts for step in operation.steps.all()} == {0}


class TestSlices(AtTheDesk):
    def test_a_short_slice_does_something_and_hands_the_rest_over(
        self, desk: Desk, slack: SlackSandbox, settings: Settings
    ) -> None:
        settings.OPERATION_SLICE_SECONDS = 0.02
        slack.script.add("conversations.invite", Delay(0.03), times=None)
        operation = desk.run(desk.confirmed(everybody_everywhere(4, 1)))

        assert (operation.state, operation.attempts, operation.message) == ("waiting", 0, "")
        assert operation.resume_at is not None
        assert operation.resume_at <= timezone.now()
        assert states(operation) == ["applied", "pending", "pending", "pending"]

        operation = desk.run_to_end(operation)
        assert (operation.state, states(operation)) == ("done", ["done"] * 4)
        assert len(slack.writes.all()) == 4
        assert slack.calls.counts()["conversations.list"] == 4 + 1  # the last one verifies

    def test_reading_ends_in_time_as_well_and_goes_on_where_it_ended(
        self, desk: Desk, slack: SlackSandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Otherwise an operation about many people would read for ever and never do anything."""
        monkeypatch.setattr(lane, "PORTION_PEOPLE", 1)
        settings.OPERATION_SLICE_SECONDS = 0.05
        slack.script.add("users.conversations", Delay(0.06), times=None)

        operation = desk.run(desk.confirmed(everybody_everywhere(1, 3)))
        assert states(operation) == ["applied", "pending", "pending"]

        operation = desk.run_to_end(operation)
        assert (operation.state, states(operation)) == ("done", ["done"] * 3)
        assert len(slack.writes.all()) == 3
        assert slack.calls.counts()["users.conversations"] == 2 * 3
        assert slack.calls.counts()["conversations.list"] == 3 + 3  # a slice for each reading

    def test_a_worker_that_stops_hands_over_between_two_calls(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed(everybody_everywhere(4, 1))

        operation = runner.run_operation(operation.pk, stopping=lambda: len(slack.writes.all()) == 2)

        assert (operation.state, operation.attempts) == ("waiting", 0)
        assert states(operation) == ["applied", "applied", "pending", "pending"]
        assert desk.run(operation).state == "done"
        assert len(slack.writes.all()) == 4

    @pytest.mark.parametrize(
        ("method", "reads", "state"),
        [("conversations.list", 1, "pending"), ("users.conversations", 2, "applied")],
        ids=["before the first call", "after the last"],
    )
    def test_a_worker_that_stops_does_not_wait_for_what_it_reads(
        self, desk: Desk, slack: SlackSandbox, method: str, reads: int, state: str
    ) -> None:
        operation = desk.confirmed([slack_step(0, 0)])
        slack.script.add(method, Delay(SlackAccount(slack.api_url).timeout - 1), skip=reads - 1)

        operation = runner.run_operation(
            operation.pk, stopping=lambda: slack.calls.counts().get(method, 0) == reads
        )

        assert (operation.state, operation.attempts, operation.message) == ("waiting", 0, "")
        assert states(operation) == [state]
        assert desk.run(operation).state == "done"
        assert len(slack.writes.all()) == 1


class TestCancelling(AtTheDesk):
    def test_takes_effect_between_two_calls(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed(everybody_everywhere(4, 1))
        slack.script.add("conversations.invite", Delay(0.3), skip=1)

        def show() -> None:
            operation.refresh_from_db()
            if len(slack.writes.all()) == 1 and not operation.cancel_requested:
                services.cancel_operation(operation_id=operation.pk, actor=PLANNER)

        operation = runner.run_operation(operation.pk, show=show)

        assert operation.state == "cancelled"
        assert states(operation) == ["done", "done", "not_tried", "not_tried"]
        assert desk.rules.finished == [operation.pk]
        assert step_of(operation, 1).message == "", "what was done is verified before the end"

    def test_of_what_waits_tells_the_end_as_well(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed(everybody_everywhere(4, 1))
        operation = runner.run_operation(operation.pk, stopping=lambda: len(slack.writes.all()) == 1)

        services.cancel_operation(operation_id=operation.pk, actor=PLANNER)
        operation = desk.run(operation)

        assert (operation.state, operation.message) == ("cancelled", "")
        assert states(operation) == ["done", "not_tried", "not_tried", "not_tried"]
        assert desk.rules.finished == [operation.pk]
        assert step_of(operation, 1).message == ""

    def test_goes_on_verifying_where_a_worker_stopped(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed(everybody_everywhere(4, 1))
        operation = runner.run_operation(operation.pk, stopping=lambda: len(slack.writes.all()) == 1)
        services.cancel_operation(operation_id=operation.pk, actor=PLANNER)

        operation = runner.run_operation(operation.pk, stopping=lambda: True)
        assert (operation.state, states(operation)[0]) == ("waiting", "applied")

        operation = desk.run(operation)
        assert (operation.state, states(operation)[0]) == ("cancelled", "done")

    def test_that_comes_too_late_cancels_nothing(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed([slack_step(0, 0)])
        slack.script.add("users.conversations", Delay(0.2), skip=1)  # while it is verified

        def show() -> None:
            if slack.writes.all():
                Operation.objects.filter(pk=operation.pk).update(cancel_requested=True)

        operation = runner.run_operation(operation.pk, show=show)

        assert (operation.cancel_requested, operation.state) == (True, "done")


class TestOneWriterPerConnection(AtTheDesk):
    def test_a_connection_that_is_used_is_waited_for(self, desk: Desk, slack: SlackSandbox) -> None:
        held = lease.take(connection=lease.connection_of(Platform.SLACK), owner="another-machine:1:x")
        assert held is not None
        operation = desk.run(desk.confirmed([slack_step(0, 0)]))

        assert (operation.state, operation.attempts) == ("waiting", 0)
        assert "another job uses the account" in operation.message
        assert slack.calls.total == 0

        lease.release(held)
        operation = desk.run_to_end(operation)
        assert (operation.state, operation.message) == ("done", "")

    def test_it_is_waited_for_as_long_as_it_takes(self, desk: Desk, slack: SlackSandbox) -> None:
        held = lease.take(connection=lease.connection_of(Platform.SLACK), owner="another-machine:1:x")
        assert held is not None
        operation = desk.confirmed([slack_step(0, 0)])
        for _ in range(10):
            operation = desk.run(operation)
            assert operation.state == "waiting"
            services.resume_now(operation_id=operation.pk, actor=PLANNER)

    def test_who_lost_it_does_nothing_more(self, desk: Desk, slack: SlackSandbox) -> None:
        """As when a machine slept for an hour: somebody else has the connection by now."""
        operation = desk.confirmed(everybody_everywhere(4, 1))

        def rob() -> None:
            row = lease_of(Platform.SLACK)
            row.expires_at = timezone.now() - timedelta(hours=1)
            row.save()
            assert lease.take(connection=row.connection, owner="another-machine:1:x") is not None

        slack.script.add("conversations.invite", Delay(1.5), skip=1)  # longer than a heartbeat
        shown: list[bool] = []

        def show() -> None:
            if slack.calls.counts().get("conversations.invite") == 2 and not shown:
                shown.append(True)
                rob()

        operation = runner.run_operation(operation.pk, show=show)

        assert (operation.state, states(operation)) == (
            "waiting",
            ["applied", "running", "pending", "pending"],
        )
        assert lease_of(Platform.SLACK).owner == "another-machine:1:x"
        assert slack.calls.counts()["conversations.invite"] == 2
        assert desk.rules.finished == []

    @pytest.mark.parametrize("taken", [True, False])
    def test_a_lease_dies_with_its_holder(self, taken: bool) -> None:
        first = lease.take(connection="slack:default", owner="another-machine:1:x")
        assert first is not None
        row = lease_of(Platform.SLACK)
        row.expires_at = timezone.now() + timedelta(seconds=-1 if taken else 1)
        row.save()

        second = lease.take(connection="slack:default", owner="this-machine:2:y")

        assert (second is not None) is taken
        assert lease.renew(first) is not taken
