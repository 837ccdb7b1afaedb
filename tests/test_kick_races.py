"""The moments between plan and kick, and between a ban and its end: nothing may slip in there, or be lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from pytest_django import Settings

from groupadmin.sandbox.telegram.effects import Drop, Hold, RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import AdminRights
from members.operations.models import Lease, Operation
from members.operations.runner import run_operation
from members.operations.services import confirm_operation, resume_now, undo_operation
from tests.processes import manage, product_environment
from tests.telegram_reading import ADA, add_group
from tests.test_kick_sweep import CUSTOMERS, EXPIRED, OLIVIA, confirmed, kicks, outcomes, sandbox
from tests.test_whitelist_seeding import CHAT, seed
from whitelist import flags, services, tasks
from whitelist.burning import Cause
from whitelist.decision import SubscriptionStatus
from whitelist.models import Subscription
from whitelist.subscriber_file import SubscriberRow
from whitelist.subscriptions import load_subscribers

__all__ = ["sandbox"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alone(sandbox: TelegramSandbox) -> Iterator[TelegramSandbox]:
    """Only one of the customers is at risk."""
    services.revive(telegram_ids=EXPIRED[1:], actor="olivia")
    yield sandbox


def after(operation: Operation) -> dict[str, str]:
    return dict(operation.steps.get().after)


def test_a_limit_on_bans_is_waited_for_before_the_last_look_not_after_it(alone: TelegramSandbox) -> None:
    alone.script.add("EditBanned", RpcFault("FLOOD_WAIT_9"))

    operation = run_operation(confirmed().pk)

    assert (operation.state, kicks(alone)) == ("waiting", [])
    flags.turn_kicks_off(actor="omar")
    resume_now(operation_id=operation.pk, actor=OLIVIA)
    run_operation(operation.pk)
    assert outcomes(operation) == [("skipped", "Would kick: kicks are off.")]
    assert EXPIRED[0] in alone.world.chats[CHAT].members


def test_a_renewal_that_the_claim_had_to_wait_for_keeps(alone: TelegramSandbox) -> None:
    """It is stored after the sweep had looked, and before the sweep could write down that it begins."""
    looking, renewed = Event(), Event()

    def watch(arguments: object) -> bool:
        looking.set()
        return True

    def renew() -> None:
        looking.wait(30)
        now = datetime.now(UTC)
        with transaction.atomic():
            list(Lease.objects.select_for_update())
            row = SubscriberRow(EXPIRED[0], SubscriptionStatus.ACTIVE)
            load_subscribers(rows=[row], actor="omar", source="test", now=now)
            renewed.set()
            time.sleep(0.5)  # the sweep looks meanwhile, and sees the old
        connections.close_all()

    operation = confirmed()
    alone.script.add("GetParticipant", Hold(renewed), when=watch)
    thread = Thread(target=renew)
    thread.start()
    run_operation(operation.pk)
    thread.join()

    assert outcomes(operation) == [("skipped", "Kept: the subscription has not expired.")]
    assert kicks(alone) == []


@pytest.mark.parametrize("lost", ["the answer to the ban", "the end of the ban"])
def test_no_ban_is_left_where_a_line_breaks_between_ban_and_unban(alone: TelegramSandbox, lost: str) -> None:
    if lost == "the answer to the ban":
        alone.script.add("EditBanned", Drop(done=True))
    else:
        alone.script.add("EditBanned", Drop(), skip=1)

    operation = run_operation(confirmed().pk)

    chat = alone.world.chats[CHAT]
    assert (operation.state, chat.banned, len(kicks(alone))) == ("done", set(), 1)
    assert EXPIRED[0] not in chat.members
    assert "unbanned_at" in after(operation)


def test_a_ban_that_could_not_be_lifted_is_lifted_by_the_next_sweep(alone: TelegramSandbox) -> None:
    chat = alone.world.chats[CHAT]
    alone.script.add("EditBanned", RpcFault("CHAT_ADMIN_REQUIRED"), skip=1, times=2)
    first = run_operation(confirmed().pk)
    assert chat.banned == {EXPIRED[0]}
    assert "a ban keeps them from coming back" in first.steps.get().message
    Subscription.objects.filter(pk=CUSTOMERS[10]).update(status="expired")
    services.burn(telegram_ids=[CUSTOMERS[10]], cause=Cause.MANUAL, actor="olivia")
    flags.turn_kicks_off(actor="olivia")

    run_operation(confirmed().pk)

    assert chat.banned == set()
    assert after(first)["banned_at"] < after(first)["unbanned_at"]


def test_whom_we_kicked_and_protected_since_is_not_taken_for_somebody_who_left(
    sandbox: TelegramSandbox,
) -> None:
    """The sweep is not at its end yet, nobody listens, and the members are read."""
    operation = run_operation(confirmed().pk, stopping=lambda: bool(kicks(sandbox)))
    assert len(kicks(sandbox)) == 1 and operation.state == "waiting"
    services.revive(telegram_ids=EXPIRED, actor="olivia", note="Kicked by mistake")

    tasks.reconcile_members()

    assert all(services.is_whitelisted(who) for who in EXPIRED)
    run_operation(operation.pk)
    assert [state for state, _ in outcomes(operation)] == ["done", "skipped", "skipped"]


def test_an_admin_who_hides_it_is_an_admin(alone: TelegramSandbox) -> None:
    chat = alone.world.chats[CHAT]
    chat.admins[EXPIRED[0]] = AdminRights()
    chat.anonymous.add(EXPIRED[0])
    operation = run_operation(confirmed().pk)
    assert outcomes(operation) == [("skipped", "Kept: they are an admin there.")]


@pytest.mark.services
def test_a_worker_whose_clock_is_ahead_kicks_nobody_and_ends_no_subscription(
    alone: TelegramSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is the database's, which all share: by it the dates of the one to be kicked lie ahead."""
    operation = confirmed()
    ends = timezone.now() + timedelta(days=10)
    renewed = Subscription.objects.filter(pk__in=[EXPIRED[0], CUSTOMERS[9]])
    renewed.update(expires_at=ends, grace_until=ends)
    flags.turn_kicks_on(actor="olivia", until=ends)
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + timedelta(days=60))

    tasks.let_time_pass()
    run_operation(operation.pk)

    assert flags.kick_enabled() and kicks(alone) == []
    assert Subscription.objects.get(pk=CUSTOMERS[9]).status == SubscriptionStatus.ACTIVE
    kept = "Kept: the subscription says expired, but its dates lie ahead: look at it."
    assert outcomes(operation) == [("skipped", kept)]


def test_where_another_community_is_guarded_by_now_nobody_is_kicked_nor_let_into_it(
    alone: TelegramSandbox, settings: Settings
) -> None:
    add_group(alone.world, 4299, ADA, *EXPIRED, creator=ADA)
    waiting, done = confirmed(), run_operation(confirmed().pk)
    settings.TELEGRAM_GATED_CHAT_ID = -1_000_000_000_000 - 4299
    undo = undo_operation(operation=done, actor=OLIVIA)
    confirm_operation(operation_id=undo.pk, plan_hash=undo.plan_hash, count=undo.count, actor=OLIVIA)

    for operation in (waiting, undo):
        run_operation(operation.pk)
        assert outcomes(operation) == [("skipped", "The gated community is another one by now.")]
    assert set(EXPIRED) <= alone.world.chats[4299].members.keys()
    assert not services.is_whitelisted(EXPIRED[0])


def test_a_community_that_moved_to_another_id_is_named(sandbox: TelegramSandbox, settings: Settings) -> None:
    """A basic group keeps its id when it becomes a supergroup, which gets a new one."""
    add_group(sandbox.world, 4300, ADA, kind="basic", creator=ADA, migrated_to=4301)
    settings.TELEGRAM_GATED_CHAT_ID = -4300
    assert "became a supergroup: set TELEGRAM_GATED_CHAT_ID to -1000000004301" in seed().complaint


def test_kicks_go_off_with_nothing_but_the_database(sandbox: TelegramSandbox, tmp_path: Path) -> None:
    """Redis and Telegram are down, a setting is wrong, a table is missing, and nothing can be logged."""
    with connection.schema_editor() as editor:
        editor.execute("ALTER TABLE operations_activityhead RENAME TO away")
    dead = product_environment(
        REDIS_URL="redis://127.0.0.1:9/0",
        TELEGRAM_SERVER="1:127.0.0.1:9",
        TELEGRAM_SERVER_KEY="/nowhere",
        VAR_DIR=str(tmp_path),
    )
    (tmp_path / "logs").write_text("no folder")
    try:
        told = manage("kicks", "off", env=dead)
    finally:
        with connection.schema_editor() as editor:
            editor.execute("ALTER TABLE away RENAME TO operations_activityhead")
    assert (told.returncode, told.stdout) == (0, "Kicks are off.\n"), told.stderr
    assert not flags.kick_enabled()
