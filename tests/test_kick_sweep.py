"""Sweeps over the real wire: plan first, everything asked again before each kick, repaired and undone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

import pytest
from django.db import connection, connections
from pytest_django import Settings

from groupadmin.sandbox.control import Arguments
from groupadmin.sandbox.telegram.effects import Hold
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat
from members.management.base import ExitCode
from members.notices.models import Notice
from members.operations.models import ActivityEvent, Operation, Step
from members.operations.progress import time_allowed
from members.operations.runner import OperationBusy, recover_operations, run_operation
from members.operations.services import Actor, confirm_operation, plan_operation, undo_operation
from members.operations.states import OperationState, StepState
from tests.command_line import run
from tests.processes import eventually, product_environment, running
from tests.telegram_reading import ADA, BOB, CY, ROBO
from tests.test_bot import TOKEN, bot, said
from tests.test_whitelist_seeding import CHAT, gated_sandbox, seed
from whitelist import community, flags, services, tasks
from whitelist.burning import Cause
from whitelist.decision import SubscriptionStatus
from whitelist.models import Subscription
from whitelist.subscriber_file import SubscriberRow
from whitelist.subscriptions import load_subscribers
from whitelist.sweep import plan_sweep

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.now(UTC)
OVER = NOW - timedelta(days=30)
CUSTOMERS = tuple(range(50_000, 50_100))
EXPIRED = CUSTOMERS[:3]
OLIVIA = Actor("olivia", may_override_cap=True)


@pytest.fixture
def sandbox(settings: Settings, tmp_path: Path) -> Iterator[TelegramSandbox]:
    """A seeded community of a hundred customers; three have expired and are burned, and so have those whom
    nobody may kick: owner, admin, bot. Kicks are on, and the bot's owner is Bob."""
    settings.SWEEP_PAUSE_SECONDS = 0.0
    settings.TELEGRAM_BOT_TOKEN, settings.TELEGRAM_BOT_OWNERS = TOKEN, [BOB]
    with gated_sandbox(settings, tmp_path, crowd=len(CUSTOMERS)) as sandbox:
        sandbox.world.bot_tokens[TOKEN] = ROBO
        seed("--yes")
        never = (ADA, BOB, ROBO)
        rows = [SubscriberRow(who, SubscriptionStatus.EXPIRED, OVER, OVER) for who in (*EXPIRED, *never)]
        rows += [SubscriberRow(who, SubscriptionStatus.ACTIVE) for who in CUSTOMERS[3:]]
        load_subscribers(rows=rows, actor="test", source="test", now=NOW)
        services.burn(telegram_ids=[*EXPIRED, *never], cause=Cause.MANUAL, actor="test")
        flags.turn_kicks_on(actor="olivia")
        yield sandbox


@pytest.fixture
def chat(sandbox: TelegramSandbox) -> TelegramChat:
    return sandbox.world.chats[CHAT]


def confirmed() -> Operation:
    plan = plan_sweep(now=datetime.now(UTC)).plan
    operation = plan_operation(plan=plan, actor=OLIVIA)
    return confirm_operation(
        operation_id=operation.pk, plan_hash=plan.hash, count=plan.count, actor=OLIVIA, typed_count=plan.count
    )


def outcomes(operation: Operation) -> list[tuple[str, str]]:
    return list(operation.steps.order_by("position").values_list("state", "message"))


def test_it_kicks_the_expired_and_nobody_else_and_keeps_both_times(chat: TelegramChat) -> None:
    told = run("kicks", "sweep", "--yes")

    assert (told.code, told.document["state"], told.document["count"]) == (0, "done", 3)
    assert not set(EXPIRED) & chat.members.keys()
    assert not set(EXPIRED) & chat.banned, "they may come back"
    assert {ADA, BOB, CY, ROBO, *CUSTOMERS[3:]} <= chat.members.keys()
    for step in Step.objects.all():
        assert step.after["banned_at"] < step.after["unbanned_at"]
    assert not set(EXPIRED) & community.present_ids(CHAT)
    assert ActivityEvent.objects.filter(subject=str(EXPIRED[0]), outcome="done").exists()


def test_without_yes_it_only_plans(chat: TelegramChat) -> None:
    told = run("kicks", "sweep")
    assert told.document["state"] == "planned"
    assert set(EXPIRED) <= chat.members.keys()


def test_while_kicks_are_off_it_only_says_whom_it_would_kick(chat: TelegramChat) -> None:
    flags.turn_kicks_off(actor="olivia")
    operation = run_operation(confirmed().pk)
    assert outcomes(operation) == [(StepState.SKIPPED, "Would kick: kicks are off.")] * 3
    assert set(EXPIRED) <= chat.members.keys()


def test_everything_is_asked_again_before_each_kick(chat: TelegramChat) -> None:
    operation = confirmed()
    Subscription.objects.filter(pk=EXPIRED[0]).update(status="active")
    services.revive(telegram_ids=[EXPIRED[1]], actor="omar")
    chat.admins[EXPIRED[2]] = AdminRights()

    run_operation(operation.pk)

    assert outcomes(operation) == [
        (StepState.SKIPPED, "Kept: the subscription has not expired."),
        (StepState.SKIPPED, "Kept: they are whitelisted."),
        (StepState.SKIPPED, "Kept: they are an admin there."),
    ]
    assert set(EXPIRED) <= chat.members.keys()


def kicks(sandbox: TelegramSandbox) -> list[str]:
    """Whom the wire saw banned, in order; ends of bans are not among them."""
    writes = sandbox.writes.effects()
    return [write.subject for write in writes if write.method == "EditBanned" and "view" in write.subject]


def test_the_switch_turned_in_the_middle_stops_the_next_kick(sandbox: TelegramSandbox) -> None:
    """As with nothing but the database: while Telegram carries out the first kick."""

    flipped = Event()

    def flip() -> None:
        eventually(lambda: sandbox.world.chats[CHAT].banned)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE feature_flags SET bool_value=false WHERE key='kick_enabled'")
        connection.close()
        flipped.set()

    sandbox.script.add("EditBanned", Hold(flipped, done=True))
    thread = Thread(target=flip)
    thread.start()
    operation = run_operation(confirmed().pk)
    thread.join()

    assert len(kicks(sandbox)) == 1
    assert [state for state, _ in outcomes(operation)] == ["done", "skipped", "skipped"]


def test_an_owner_turns_it_off_through_the_bot_in_the_middle(sandbox: TelegramSandbox) -> None:
    """A sweep that the admin began, and /kicks_off, at the same time."""
    off = Event()

    def write(arguments: Arguments) -> bool:
        sandbox.send_private(BOB, ROBO, "/kicks_off")
        return True

    def wait_for_the_answer() -> None:
        eventually(lambda: "Kicks are off." in said(sandbox)[-1])
        off.set()

    operation = confirmed()
    with bot(sandbox) as robo:
        robo.ask("/help")
        sandbox.script.add("EditBanned", Hold(off, done=True), when=write)
        watch = Thread(target=wait_for_the_answer)
        watch.start()
        run_operation(operation.pk)
        watch.join()

    assert len(kicks(sandbox)) == 1
    assert [state for state, _ in outcomes(operation)] == ["done", "skipped", "skipped"]


def test_two_sweeps_at_once_kick_nobody_twice(sandbox: TelegramSandbox) -> None:
    first, second = confirmed(), confirmed()

    def run_to_the_end(operation: Operation) -> None:
        try:
            while not OperationState(operation.state).finished:
                with suppress(OperationBusy):
                    run_operation(operation.pk)
                operation.refresh_from_db()
        finally:
            connections.close_all()

    threads = [Thread(target=run_to_the_end, args=[operation]) for operation in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(kicks(sandbox)) == len(set(kicks(sandbox))) == 3
    assert Step.objects.filter(state="done", outcome="done").count() == 3
    assert not Step.objects.filter(state="failed").exists()


def test_it_pauses_after_each_kick_and_the_plan_says_so(sandbox: TelegramSandbox, settings: Settings) -> None:
    settings.SWEEP_PAUSE_SECONDS = 0.3
    operation = confirmed()
    allowed = time_allowed(operation, datetime.now(UTC))
    assert allowed is not None and "One kick every 0.3 seconds" in allowed.why
    run_operation(operation.pk)
    times = [datetime.fromisoformat(step.after["banned_at"]) for step in operation.steps.order_by("position")]
    assert all(later - earlier > timedelta(seconds=0.3) for earlier, later in pairwise(times))


def test_one_above_the_cap_kicks_nobody(chat: TelegramChat, settings: Settings) -> None:
    settings.SWEEP_CAP_PEOPLE = 2
    refused = run("kicks", "sweep", "--yes")
    assert (refused.code, refused.document["state"]) == (ExitCode.USAGE, "refused")
    assert "a sweep would kick 3 people" in Notice.objects.get(kind="sweep_refused").text
    tasks.sweep_on_schedule()
    assert Operation.objects.latest("pk").state == OperationState.REFUSED
    told = Notice.objects.filter(kind="sweep_refused", deliveries__channel="bot").latest("pk").text
    assert told.startswith("Nobody was kicked: a scheduled sweep would kick 3 people.")
    assert ActivityEvent.objects.filter(action="operation.notice", detail=told).exists()
    settings.SWEEP_CAP_PEOPLE, settings.SWEEP_CAP_SHARE = 20, 0.01
    assert "of 105 people are more than the 1% allowed" in run("kicks", "sweep", "--yes").complaint
    assert set(EXPIRED) <= chat.members.keys()


def test_without_the_right_to_ban_nothing_starts(chat: TelegramChat) -> None:
    chat.creator, chat.admins = BOB, {ADA: AdminRights(ban_users=False)}
    operation = run_operation(confirmed().pk)
    assert (operation.state, {state for state, _ in outcomes(operation)}) == ("failed", {"not_tried"})
    assert "may not ban anybody" in str(operation.parts)


def test_a_sweep_killed_between_ban_and_unban_is_repaired_even_when_kicks_are_off(
    sandbox: TelegramSandbox, chat: TelegramChat, tmp_path: Path
) -> None:
    sandbox.script.add("EditBanned", Hold(Event()), skip=1)  # the end of the first ban
    log = tmp_path / "sweep.log"
    command = [sys.executable, "manage.py", "kicks", "sweep", "--yes"]
    with running(command, env=product_environment(), log=log) as process:
        eventually(lambda: chat.banned or process.poll() is not None)
        assert chat.banned == {EXPIRED[0]}, log.read_text()
        process.kill()
    sandbox.script.clear()
    flags.turn_kicks_off(actor="olivia")

    (operation_id,) = recover_operations()
    operation = run_operation(operation_id)

    assert chat.banned == set()
    assert [state for state, _ in outcomes(operation)] == ["done", "skipped", "skipped"]
    assert len(kicks(sandbox)) == 1


def test_while_kicks_are_off_a_scheduled_sweep_writes_down_whom_it_would_kick(chat: TelegramChat) -> None:
    flags.turn_kicks_off(actor="olivia")
    tasks.sweep_on_schedule()
    run_operation(Operation.objects.get().pk)
    record = ActivityEvent.objects.filter(detail="Would kick: kicks are off.", actor="schedule")
    assert set(record.values_list("subject", flat=True)) == set(map(str, EXPIRED))
    assert set(EXPIRED) <= chat.members.keys()


def test_undo_lets_them_back_with_a_link_and_protects_them(chat: TelegramChat) -> None:
    operation = run_operation(confirmed().pk)
    undo = undo_operation(operation=operation, actor=OLIVIA)
    confirm_operation(operation_id=undo.pk, plan_hash=undo.plan_hash, count=undo.count, actor=OLIVIA)

    undone = run_operation(undo.pk)

    assert [state for state, _ in outcomes(undone)] == ["done"] * 3
    assert all("https://t.me/" in message for _, message in outcomes(undone))
    assert all(services.is_whitelisted(who) for who in EXPIRED)
    assert plan_sweep(now=datetime.now(UTC)).plan.count == 0
