"""Operations on bad days: limits, outages, calls in doubt, broken promises, an account in trouble, bugs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from groupadmin.sandbox.slack import SlackSandbox
from groupadmin.sandbox.slack.faults import Drop, HttpStatus, Perform, RateLimited, SlackError, Truncated
from groupadmin.sandbox.slack.wire import Request, Response, json_response
from groupadmin.sandbox.telegram.effects import Drop as Cut
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from members.operations import activity, custody, ledger, runner, services
from members.operations.account_connection import AccountConnection
from members.operations.display import step_label
from members.operations.kinds import Executor
from members.operations.membership import MembershipExecutor
from members.operations.models import ActivityEvent, Operation
from members.operations.plan import PlannedStep
from members.platforms.base import CallMeter
from members.platforms.types import Platform
from members.platforms.writing import Reply
from tests.audit_world import Meanwhile
from tests.operations_world import (
    ACCOUNT,
    CHATS,
    ED,
    PLANNER,
    REMOVAL,
    TOKEN,
    AtTheDesk,
    Desk,
    SlackAccount,
    channel_id,
    everybody_everywhere,
    lease_of,
    outcomes,
    person_id,
    slack_step,
    states,
    step_of,
    telegram_step,
)
from tests.slack_writing import Limited

pytestmark = pytest.mark.django_db


TO_CHATS = [telegram_step(chat, ED) for chat in CHATS]
TO_CHANNELS = everybody_everywhere(4, 1)


def seconds_to_wait(operation: Operation) -> float:
    assert operation.resume_at is not None
    return (operation.resume_at - timezone.now()).total_seconds()


class TestRateLimits(AtTheDesk):
    def test_a_short_one_is_waited_for(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", Limited("0.05"), times=3, skip=1)

        operation = desk.run(desk.confirmed(TO_CHANNELS))

        assert (operation.state, states(operation)) == ("done", ["done"] * 4)
        assert operation.waited_seconds > 0

    def test_a_wait_is_shown(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", RateLimited(1), skip=1)
        operation = desk.confirmed(TO_CHANNELS)
        shown: set[str] = set()

        def show() -> None:
            operation.refresh_from_db()
            shown.add(operation.message)

        assert runner.run_operation(operation.pk, show=show).message == ""
        assert "Slack asked to wait 1 s (conversations.invite)." in shown

    def test_a_long_one_frees_the_worker_and_goes_on_by_itself(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", RateLimited(90), skip=2)

        operation = desk.run(desk.confirmed(TO_CHANNELS))

        assert (operation.state, operation.attempts) == ("waiting", 0)
        assert "wait 90 seconds" in operation.message
        assert 85 < seconds_to_wait(operation) <= 90
        assert states(operation) == ["applied", "applied", "pending", "pending"]
        assert lease_of(Platform.SLACK).owner == ""
        assert runner.recover_operations() == []
        with pytest.raises(runner.OperationBusy):
            desk.run(operation)

        operation = desk.run_to_end(operation)
        assert (operation.state, operation.message, states(operation)) == ("done", "", ["done"] * 4)

    def test_the_step_that_it_put_back_says_so_until_it_ends(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", RateLimited(90), skip=1, times=2)
        operation = desk.run(desk.confirmed(TO_CHANNELS))
        other = desk.run(desk.confirmed([slack_step(0, 1)]))

        for step in (step_of(operation, 2), step_of(other, 1)):
            assert step_label(operation.kind, step.state, step.outcome) == "Rate limited"
            assert step.message.startswith("Rate limited until ")
            assert "90 seconds" in step.message
        assert outcomes(operation) == ["done", "rate_limited", "", ""]

        services.cancel_operation(operation_id=operation.pk, actor=PLANNER)
        operation = desk.run(operation)
        assert (operation.state, operation.message) == ("cancelled", "")
        assert states(operation) == ["done", "not_tried", "not_tried", "not_tried"]
        assert outcomes(operation) == ["done", "rate_limited", "", ""]
        assert step_of(operation, 1).message == "", "what was done was verified all the same"
        other = desk.run_to_end(other)
        assert (states(other), outcomes(other), step_of(other, 1).message) == (["done"], ["done"], "")

    def test_it_may_last_for_ever(self, desk: Desk, slack: SlackSandbox) -> None:
        """Each execution waits, none is counted as vain."""
        slack.script.add("conversations.invite", RateLimited(90), times=10)
        operation = desk.run_to_end(desk.confirmed(TO_CHANNELS))

        assert operation.state == "done"

    def test_somebody_may_have_it_go_on_at_once(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", RateLimited(90))
        operation = desk.run(desk.confirmed(TO_CHANNELS))

        services.resume_now(operation_id=operation.pk, actor=PLANNER)

        assert desk.run(operation).state == "done"

    def test_one_platform_waits_and_is_left_alone_while_the_other_is_taken_up_again(
        self, desk: Desk, slack: SlackSandbox, telegram: TelegramSandbox
    ) -> None:
        telegram.script.add("InviteToChannel", RpcFault("FLOOD_WAIT_3600"))
        slack.script.add("conversations.invite", RateLimited(60), skip=1)
        operation = desk.run(desk.confirmed([*TO_CHANNELS, *TO_CHATS]))

        assert len(operation.message.splitlines()) == 2
        assert 50 < seconds_to_wait(operation) <= 60
        asked = telegram.calls.total
        Operation.objects.filter(pk=operation.pk).update(
            resume_at=timezone.now(), parts=operation.parts | {"slack": elapsed(operation.parts["slack"])}
        )

        operation = desk.run(operation)
        assert states(operation) == ["done"] * 4 + ["pending"] * 3
        assert telegram.calls.total == asked
        assert 3500 < seconds_to_wait(operation) <= 3600
        assert desk.run_to_end(operation).state == "done"


def elapsed(part: dict[str, Any]) -> dict[str, Any]:
    return part | {"until": (timezone.now() - timedelta(seconds=1)).isoformat()}


class TestTroubleWithTheAccount(AtTheDesk):
    def test_a_missing_scope_stops_everything_and_says_where_to_add_it(
        self, desk: Desk, slack: SlackSandbox
    ) -> None:
        token = slack.world.tokens[TOKEN]
        token.scopes -= {"groups:write", "channels:write"}

        operation = desk.run(desk.confirmed(TO_CHANNELS))

        assert (operation.state, operation.account_trouble) == ("failed", True)
        assert outcomes(operation) == ["missing_scope", "", "", ""]
        assert states(operation) == ["failed", "not_tried", "not_tried", "not_tried"]
        assert "groups:write" in operation.message and "api.slack.com/apps" in operation.message
        assert slack.calls.counts()["conversations.invite"] == 1

    def test_a_token_that_is_revoked_on_the_way(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", Meanwhile(lambda: slack.world.revoke(TOKEN)), skip=1)

        operation = desk.run(desk.confirmed(TO_CHANNELS))

        assert (operation.state, operation.account_trouble) == ("partial", True)
        assert states(operation) == ["done", "failed", "not_tried", "not_tried"]
        assert "SLACK_USER_TOKEN" in operation.message

    def test_no_account_at_all(self, desk: Desk, settings: Settings) -> None:
        settings.SLACK_USER_TOKEN = ""

        operation = desk.run(desk.confirmed(TO_CHANNELS))

        assert (operation.state, set(states(operation))) == ("failed", {"not_tried"})
        assert operation.message == "Slack is not configured: set SLACK_USER_TOKEN to a user token (xoxp-…)"

    def test_peer_flood_stops_and_says_what_to_do(self, desk: Desk, telegram: TelegramSandbox) -> None:
        telegram.script.add("InviteToChannel", RpcFault("PEER_FLOOD"), skip=1)

        operation = desk.run(desk.confirmed(TO_CHATS))

        assert (operation.state, outcomes(operation)) == ("partial", ["done", "peer_flood", ""])
        assert states(operation) == ["done", "failed", "not_tried"]
        assert "@SpamBot" in operation.message
        assert telegram.calls.counts()["InviteToChannel"] == 2

    def test_a_flooded_account_is_left_alone_while_the_other_platform_waits(
        self, desk: Desk, slack: SlackSandbox, telegram: TelegramSandbox
    ) -> None:
        telegram.script.add("InviteToChannel", RpcFault("PEER_FLOOD"))
        slack.script.add("conversations.invite", RateLimited(60))
        operation = desk.run(desk.confirmed([*TO_CHATS, *TO_CHANNELS]))
        assert (operation.state, states(operation)[:3]) == ("waiting", ["failed", "not_tried", "not_tried"])
        asked = telegram.calls.total

        operation = desk.run_to_end(operation)

        assert (operation.state, operation.account_trouble) == ("partial", True)
        assert telegram.calls.total == asked
        assert "@SpamBot" in operation.message


class TestCallsInDoubt(AtTheDesk):
    """The connection broke, and nobody knows whether before or after: reading settles it."""

    def test_what_was_done_is_not_repeated(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", Drop(0, performed=True), skip=1)

        operation = desk.run(desk.confirmed(TO_CHANNELS))

        assert (operation.state, states(operation)) == ("done", ["done"] * 4)
        assert "reading the truth afterwards" in step_of(operation, 2).message
        assert len(slack.writes.all()) == 4

    def test_what_was_not_done_is_done_now(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", Drop(0, performed=False), skip=1)

        operation = desk.run_to_end(desk.confirmed(TO_CHANNELS))

        assert (operation.state, states(operation)) == ("done", ["done"] * 4)
        assert step_of(operation, 2).attempts == 1

    def test_of_one_call_some_may_be_done_and_some_not(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", OnlyFirst())

        operation = desk.run_to_end(desk.confirmed(everybody_everywhere(1, 3)))

        assert (operation.state, states(operation)) == ("done", ["done"] * 3)
        assert [step.attempts for step in operation.steps.order_by("position")] == [0, 1, 1]

    @pytest.mark.parametrize(
        "fault", [Truncated(), HttpStatus(500, performed=True), SlackError("fatal_error", performed=True)]
    )
    def test_an_answer_may_be_no_answer(self, desk: Desk, slack: SlackSandbox, fault: Any) -> None:
        slack.script.add("conversations.invite", fault)

        operation = desk.run(desk.confirmed(TO_CHANNELS))

        assert (operation.state, states(operation)) == ("done", ["done"] * 4)

    def test_a_removal_is_settled_like_an_addition(self, desk: Desk, slack: SlackSandbox) -> None:
        for channel in slack.world.channels.values():
            channel.members[person_id(0)] = None
        slack.script.add("conversations.kick", Drop(0, performed=True), skip=1)
        steps = [slack_step(channel, 0, "remove") for channel in range(4)]

        operation = desk.run(desk.confirmed(steps, REMOVAL))

        assert (operation.state, states(operation)) == ("done", ["done"] * 4)

    def test_a_step_is_not_tried_for_ever(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add(
            "conversations.invite",
            Drop(0, performed=False),
            times=None,
            when=lambda arguments: arguments["channel"] == channel_id(1),
        )

        operation = desk.run_to_end(desk.confirmed(TO_CHANNELS))

        assert (operation.state, states(operation)) == ("partial", ["done", "failed", "done", "done"])
        assert (outcomes(operation)[1], step_of(operation, 2).attempts) == ("unreachable", 2)
        assert slack.calls.counts()["conversations.invite"] == 3 + ledger.MAX_ATTEMPTS

    def test_what_cannot_be_read_is_not_repeated(self, desk: Desk, slack: SlackSandbox) -> None:
        def vanish() -> None:
            del slack.world.channels[channel_id(1)]
            del slack.world.users[person_id(0)]

        slack.script.add("conversations.invite", Drop(0, performed=True), skip=1)
        slack.script.add("users.conversations", Meanwhile(vanish), skip=1)

        operation = desk.run_to_end(desk.confirmed(TO_CHANNELS[:2]))

        assert outcomes(operation) == ["done", "unreachable"]
        assert "cannot be read" in step_of(operation, 2).message
        assert slack.calls.counts()["conversations.invite"] == 2

    def test_on_telegram_as_well(self, desk: Desk, telegram: TelegramSandbox) -> None:
        telegram.script.add("InviteToChannel", Cut(done=True))
        telegram.script.add("InviteToChannel", Cut(done=False), skip=1)

        operation = desk.run_to_end(desk.confirmed(TO_CHATS))

        assert (operation.state, states(operation)) == ("done", ["done"] * 3)
        assert [step.attempts for step in operation.steps.order_by("position")] == [0, 0, 1]

    def test_cancelled_with_a_call_in_doubt_it_is_settled_first(
        self, desk: Desk, slack: SlackSandbox
    ) -> None:
        operation = desk.confirmed(TO_CHANNELS)
        slack.script.add("conversations.invite", Drop(0, performed=True), skip=1)
        slack.script.add("users.conversations", HttpStatus(503), skip=1, times=2)
        operation = desk.run(operation)
        assert states(operation) == ["applied", "running", "pending", "pending"]

        services.cancel_operation(operation_id=operation.pk, actor=PLANNER)
        operation = desk.run_to_end(operation)

        assert operation.state == "cancelled"
        assert states(operation) == ["done", "done", "not_tried", "not_tried"]


class OnlyFirst:
    """An effect: of those invited only the first gets in, and the connection breaks."""

    def respond(self, request: Request, perform: Perform) -> Response:
        first = request.arguments["users"].partition(",")[0]
        perform(Request(request.method, {**request.arguments, "users": first}, request.token))
        return Drop(0, performed=False).respond(request, perform)


class Liar:
    """An effect: says yes and does nothing."""

    def respond(self, request: Request, perform: Perform) -> Response:
        return json_response({"ok": True, "channel": {"id": request.arguments["channel"]}})


class TestPromises(AtTheDesk):
    def test_what_was_promised_and_not_done_is_found(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", Liar(), skip=1)

        operation = desk.run(desk.confirmed(TO_CHANNELS))

        assert (operation.state, outcomes(operation)) == ("partial", ["done", "not_verified", "done", "done"])
        told = ActivityEvent.objects.filter(operation_id=operation.pk, group_id=channel_id(1))
        assert list(told.values_list("outcome", flat=True)) == ["done", "not_verified"]

    def test_it_is_tried_again_by_a_new_plan(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", Liar())
        operation = desk.run(desk.confirmed(TO_CHANNELS))

        again = services.retry_operation(operation=operation, actor=PLANNER)
        assert again.count == 1
        assert desk.run(desk.confirm(again)).state == "done"

    def test_what_cannot_be_read_afterwards_counts_as_told(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("users.conversations", SlackError("user_not_found"), skip=1)
        slack.script.add("conversations.members", SlackError("channel_not_found"))

        operation = desk.run(desk.confirmed(TO_CHANNELS[:1]))

        assert (operation.state, outcomes(operation)) == ("done", ["done"])
        assert "not read afterwards" in step_of(operation, 1).message


class TestOutages(AtTheDesk):
    def test_are_survived_when_they_are_short(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("*", HttpStatus(503), times=3, skip=3)

        assert desk.run_to_end(desk.confirmed(TO_CHANNELS)).state == "done"

    def test_end_in_one_clear_line_when_they_last(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = desk.confirmed(TO_CHANNELS)
        slack.stop()
        try:
            waits = []
            for _ in range(custody.MAX_ATTEMPTS - 1):
                operation = desk.run(operation)
                assert operation.state == "waiting"
                waits.append(round(seconds_to_wait(operation)))
                services.resume_now(operation_id=operation.pk, actor=PLANNER)
            operation = desk.run(operation)
        finally:
            slack.start()

        assert waits == [10, 20, 40]
        assert (operation.state, set(states(operation))) == ("failed", {"not_tried"})
        assert len(operation.message.splitlines()) == 1
        assert "cannot be reached" in operation.message
        assert desk.rules.finished == [operation.pk]

    def test_end_on_one_platform_while_the_other_waits_long(
        self, desk: Desk, slack: SlackSandbox, telegram: TelegramSandbox
    ) -> None:
        telegram.script.add("InviteToChannel", RpcFault("FLOOD_WAIT_3600"))
        operation = desk.confirmed([*TO_CHANNELS, *TO_CHATS])
        slack.stop()
        try:
            waits = []
            for _ in range(custody.MAX_ATTEMPTS):
                operation = desk.run(operation)
                waits.append(round(seconds_to_wait(operation), -1))
                slack_again = operation.parts | {"slack": elapsed(operation.parts["slack"])}
                Operation.objects.filter(pk=operation.pk).update(resume_at=timezone.now(), parts=slack_again)
        finally:
            slack.start()

        assert waits == [10, 20, 40, 3600]
        assert states(operation) == ["not_tried"] * 4 + ["pending"] * 3
        assert "cannot be reached" in operation.message
        operation = desk.run_to_end(operation)
        assert (operation.state, states(operation)) == ("partial", ["not_tried"] * 4 + ["done"] * 3)

    @pytest.mark.parametrize("fault", [HttpStatus(500), SlackError("internal_error")])
    def test_of_one_method_do_not_last_for_ever_either(
        self, desk: Desk, slack: SlackSandbox, fault: Any
    ) -> None:
        slack.script.add("users.conversations", fault, times=None)

        operation = desk.run_to_end(desk.confirmed(TO_CHANNELS))

        assert operation.state == "failed"
        assert "users.conversations" in operation.message

    def test_in_the_middle_keep_what_was_done(self, desk: Desk, slack: SlackSandbox) -> None:
        slack.script.add("conversations.invite", Meanwhile(lambda: stopped.append(True)), skip=1)
        stopped: list[bool] = []
        slack.script.add("*", HttpStatus(503), times=None, when=lambda arguments: bool(stopped))

        operation = desk.run(desk.confirmed(TO_CHANNELS))
        assert (operation.state, operation.parts["slack"]["outages"]) == ("waiting", 1)
        slack.script.clear()

        operation = desk.run_to_end(operation)
        assert (operation.state, states(operation)) == ("done", ["done"] * 4)

    def test_count_anew_after_every_step_that_was_done(self, desk: Desk, slack: SlackSandbox) -> None:
        """Ten times killed or cut off is no reason to give up, as long as it gets on."""
        operation = desk.confirmed(everybody_everywhere(4, 3))
        desk.rules.batch_size = 1
        for _ in range(10):
            slack.script.clear()
            slack.script.add("conversations.invite", HttpStatus(503), skip=1, times=None)
            slack.script.add("users.conversations", HttpStatus(503), skip=3, times=None)
            operation = desk.run(operation)
            assert operation.state == "waiting"
            services.resume_now(operation_id=operation.pk, actor=PLANNER)
        slack.script.clear()

        assert desk.run_to_end(operation).state == "done"


class TestBugs(AtTheDesk):
    """Whatever an executor does, the rest goes on and nothing is tried for ever."""

    @pytest.fixture
    def broken(self, desk: Desk, slack: SlackSandbox) -> type[Broken]:
        account = SlackAccount(slack.api_url)
        Broken.account = account
        desk.rules.connect = lambda platform: Broken()
        return Broken

    def run_to_end(self, desk: Desk, operation: Operation) -> tuple[Operation, int]:
        """And how often it crashed."""
        crashes = 0
        for _ in range(20):
            if operation.state in ("done", "partial", "failed"):
                return operation, crashes
            if operation.state == "waiting":
                services.resume_now(operation_id=operation.pk, actor=PLANNER)
            try:
                operation = desk.run(operation)
            except ZeroDivisionError:
                crashes += 1
                operation.refresh_from_db()
        raise AssertionError("it comes to no end")

    def test_a_crash_before_the_call_costs_its_step(self, desk: Desk, broken: type[Broken]) -> None:
        broken.crashes_at, broken.after = channel_id(1), False

        operation, crashes = self.run_to_end(desk, desk.confirmed(TO_CHANNELS))

        assert (operation.state, states(operation)) == ("partial", ["done", "failed", "done", "done"])
        assert crashes == ledger.MAX_ATTEMPTS
        assert desk.rules.finished == [operation.pk]

    def test_a_crash_after_the_call_costs_nothing(self, desk: Desk, broken: type[Broken]) -> None:
        broken.crashes_at, broken.after = channel_id(1), True

        operation, crashes = self.run_to_end(desk, desk.confirmed(TO_CHANNELS))

        assert (operation.state, crashes) == ("done", 1)

    def test_a_crash_at_every_step_comes_to_an_end(self, desk: Desk, broken: type[Broken]) -> None:
        broken.crashes_at, broken.after = "", False

        operation, _ = self.run_to_end(desk, desk.confirmed(TO_CHANNELS))

        assert (operation.state, set(states(operation))) == ("failed", {"failed"})

    def test_a_crash_before_anything_ends_in_one_clear_line(self, desk: Desk, broken: type[Broken]) -> None:
        desk.rules.connect = lambda platform: 1 // 0  # type: ignore[return-value, assignment]

        operation, crashes = self.run_to_end(desk, desk.confirmed(TO_CHANNELS))

        assert (operation.state, crashes) == ("failed", custody.MAX_ATTEMPTS)
        assert operation.message == "Unexpected error (ZeroDivisionError); the log has the details."
        assert set(states(operation)) == {"not_tried"}
        assert desk.rules.finished == [operation.pk]


class Broken:
    """A connection whose executor has a bug in one channel, or ("") in every one."""

    batch_size = 1
    account: SlackAccount
    crashes_at = ""
    after = False

    @asynccontextmanager
    async def open(self, meter: CallMeter) -> AsyncIterator[Executor]:
        async with AccountConnection(self.account, MembershipExecutor).open(meter) as sound:
            yield BrokenExecutor(self, sound)

    def keep_books(self) -> None:
        """Nothing was learnt."""


class BrokenExecutor:
    def __init__(self, broken: Broken, sound: Executor) -> None:
        self._broken, self._sound = broken, sound
        self.fulfilled = sound.fulfilled

    async def apply(self, batch: Sequence[PlannedStep]) -> Sequence[Reply]:
        crashes = self._broken.crashes_at in batch[0].target.group_id
        if crashes and not self._broken.after:
            raise ZeroDivisionError
        replies = await self._sound.apply(batch)
        if crashes:
            raise ZeroDivisionError
        return replies


class TestDeadProcesses(AtTheDesk):
    LONG_AGO = timedelta(minutes=2)

    def left_behind(self, desk: Desk, **fields: Any) -> Operation:
        operation = desk.confirmed(TO_CHANNELS)
        values = {"state": "running", "owner": "another-machine:1:x", "heartbeat_at": timezone.now()}
        Operation.objects.filter(pk=operation.pk).update(**values | fields)
        operation.refresh_from_db()
        return operation

    def silent(self) -> datetime:
        return timezone.now() - self.LONG_AGO

    def test_a_silent_operation_is_taken_up(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = self.left_behind(desk, heartbeat_at=self.silent(), attempts=1)
        operation.steps.filter(position=1).update(state="running")
        operation.steps.filter(position=2).update(state="running")
        slack.world.channels[channel_id(0)].members[person_id(0)] = None

        assert runner.recover_operations() == [operation.pk]
        operation = desk.run_to_end(operation)

        assert (operation.state, states(operation)) == ("done", ["done"] * 4)
        assert len(slack.writes.all()) == 3

    def test_one_whose_heart_beats_is_left_alone(self, desk: Desk) -> None:
        self.left_behind(desk)

        assert runner.recover_operations() == []

    def test_one_that_kills_its_process_is_given_up(self, desk: Desk) -> None:
        operation = self.left_behind(desk, heartbeat_at=self.silent(), attempts=custody.MAX_ATTEMPTS)
        operation.steps.filter(position=1).update(state="applied")
        operation.steps.filter(position=2).update(state="running")

        assert runner.recover_operations() == []

        operation.refresh_from_db()
        assert (operation.state, operation.owner) == ("partial", "")
        assert states(operation) == ["done", "failed", "not_tried", "not_tried"]
        assert outcomes(operation)[1] == "unreachable"
        assert "4 executions in a row" in operation.message
        assert desk.rules.finished == [operation.pk]
        assert activity.verify().problem == ""

    def test_an_end_that_nobody_told_is_told(self, desk: Desk) -> None:
        """The process died between the end and the report."""
        operation = self.left_behind(desk, state="done", heartbeat_at=self.silent())

        runner.recover_operations()
        assert desk.rules.finished == []

        Operation.objects.filter(pk=operation.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))
        runner.recover_operations()
        runner.recover_operations()
        assert desk.rules.finished == [operation.pk]

    def test_a_kind_that_is_gone_ends_like_any_trouble(self, desk: Desk) -> None:
        operation = self.left_behind(
            desk, kind="long_gone", heartbeat_at=self.silent(), attempts=custody.MAX_ATTEMPTS
        )

        runner.recover_operations()

        operation.refresh_from_db()
        assert (operation.state, operation.owner) == ("failed", "")

    def test_the_account_itself_is_among_those_to_be_added(self, desk: Desk, slack: SlackSandbox) -> None:
        """The one person whom nobody needs to add, or can."""
        target = slack_step(0, 0).target
        own = PlannedStep("add", type(target)(**{**as_fields(target), "user_id": ACCOUNT}))
        operation = desk.run(desk.confirmed([own, slack_step(0, 1)]))

        assert outcomes(operation) == ["already_there", "done"]


def as_fields(target: Any) -> dict[str, Any]:
    return {name: getattr(target, name) for name in target.__slots__}
