"""Forty renames on a Telegram that allows ten in a quarter of an hour, which passes thirty times as fast."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.test.utils import override_settings
from django.utils import timezone

from groupadmin.sandbox.control import Arguments
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from members.models import Group
from members.operations import connections, runner, services
from members.operations.models import Operation
from members.operations.services import Actor
from members.operations.states import OperationState
from members.platforms.types import Platform
from telegram_ops.rename_selections import RenameSelection, Way
from telegram_ops.renames import plan_renames
from tests.bench.workplace import LATENCY, table
from tests.operations_world import TelegramAccount
from tests.telegram_reading import ADA, add_groups, company

GROUPS, AT_ONCE, WAIT = 40, 10, 30
"""After so many renames Telegram asks for a pause of so many seconds: 15 minutes at 30 × speed."""


def renames() -> None:
    """How much longer than the limit's own floor it takes, and how long a worker is held meanwhile."""
    world = company()
    for chat in add_groups(world, GROUPS, ADA):
        chat.creator, chat.title = ADA, f"{chat.title} iBTC"
    with TelegramSandbox(world, latency=LATENCY["telegram_latency"]) as sandbox:
        connections.register(Platform.TELEGRAM, lambda key: TelegramAccount(sandbox), lambda key: "")
        sandbox.script.add("EditTitle", RpcFault(f"FLOOD_WAIT_{WAIT}"), times=None, when=_every(AT_ONCE + 1))
        operation = _confirmed(sandbox)
        held, executions, started = 0.0, 0, time.perf_counter()
        with override_settings(OPERATION_PATIENCE_SECONDS=1.0):  # as 20 seconds are beside 15 minutes
            while not OperationState(operation.state).finished:
                if operation.resume_at is not None:
                    time.sleep(max(0.0, (operation.resume_at - timezone.now()).total_seconds()))
                began = time.perf_counter()
                operation = runner.run_operation(operation.pk)
                held += time.perf_counter() - began
                executions += 1
        seconds = time.perf_counter() - started
    floor = (GROUPS - 1) // AT_ONCE * WAIT
    done = operation.steps.filter(state="done").count()
    rows: list[tuple[object, ...]] = [("the limit's own floor", GROUPS, float(floor), 1.0, "", "")]
    rows.append(("ours", done, seconds, seconds / floor, held, executions))
    columns = ("way", "renamed", "seconds", "of the floor", "a worker held, seconds", "executions")
    table(f"{GROUPS} renames, {AT_ONCE} in 15 minutes at 30 × speed, 40 ms a call", columns, rows)


def _confirmed(sandbox: TelegramSandbox) -> Operation:
    now = timezone.now()
    Group.objects.bulk_create(
        Group(
            platform=Platform.TELEGRAM,
            external_id=str(chat.id),
            name=chat.title,
            in_scope=True,
            admin_status="owner",
            first_seen_at=now,
            last_seen_at=now,
        )
        for chat in sandbox.world.chats.values()
    )
    selection = RenameSelection(Way.TEXT, pattern="iBTC", replacement="BitSafe (CBTC)")
    actor = Actor("benchmark")
    operation = services.plan_operation(plan=plan_renames(selection), actor=actor)
    return services.confirm_operation(
        operation_id=operation.pk, plan_hash=operation.plan_hash, count=operation.count, actor=actor
    )


def _every(number: int) -> Callable[[Arguments], bool]:
    """True for every `number`th call."""
    calls = 0

    def accept(arguments: Arguments) -> bool:
        nonlocal calls
        calls += 1
        return calls % number == 0

    return accept
