"""Finding people and planning their removal, on the company of the requirements and at 40 ms a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from members.platforms.types import Platform
from tests.bench.workplace import LATENCY, load_policy, pointed_at, table


def finding() -> None:
    """Calls and seconds of a search, and of the plan of an offboarding."""
    from audits import services
    from audits.models import Trigger
    from telegram_ops.find import find_people
    from telegram_ops.removal_plans import RemovalSelection
    from telegram_ops.removals import plan_removal

    rows: list[tuple[object, ...]] = []
    with Sandbox(build_company(), **LATENCY) as sandbox, pointed_at(sandbox.environment()):
        load_policy(sandbox.company.policy)
        services.audit_here(platforms=tuple(Platform), trigger=Trigger.COMMAND)
        for key in ("bo", "kim"):

            def found(who: str = key) -> int:
                return len(find_people([who])[0].places)

            def steps(who: str = key) -> int:
                return plan_removal(RemovalSelection((who,), tuple(Platform))).count

            rows.append((f"Find {key}: groups", *_measured(sandbox, found)))
            rows.append((f"Plan to remove {key}: steps", *_measured(sandbox, steps)))
    table("Finding and removing a person", ("What", "Number", "Telegram calls", "Slack calls", "s"), rows)


def _measured(sandbox: Sandbox, work: Callable[[], int]) -> tuple[Any, ...]:
    servers = (sandbox.telegram, sandbox.slack)
    for server in servers:
        server.calls.clear()
    started = time.perf_counter()
    number = work()
    seconds = time.perf_counter() - started
    return number, *(sum(server.calls.counts().values()) for server in servers), seconds
