"""Fifty staff at their desks while an audit and a long operation run, on two years of data.

On PostgreSQL with Redis, as the Procfile runs it:

    FSYNC=on scripts/test-services.sh sh -c 'BENCH_DATABASE_URL=$TEST_DATABASE_URL \\
        BENCH_REDIS_URL=$TEST_REDIS_URL .venv/bin/python -m tests.bench load'

Without them: a tenth of the data on SQLite, in the single process. BENCH_SECONDS says how long the staff are
at work.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from statistics import median, quantiles
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import override_settings
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from audits.models import AuditRun, RunState, Trigger
from audits.remediation.missing import plan_missing
from audits.remediation.selections import MissingSelection
from audits.services import request_audit
from groupadmin.sandbox.company import Company, Size, build_company
from groupadmin.sandbox.company.staff import ACCOUNT, ANCHOR
from groupadmin.sandbox.runner import Sandbox
from members.operations.models import Operation, Step
from members.operations.plan import Plan
from members.operations.services import (
    Actor,
    OperationRefused,
    confirm_operation,
    plan_operation,
    undo_operation,
)
from members.operations.states import OperationState, StepState
from members.platforms.types import Platform
from tests.bench import load_stack
from tests.bench.load_data import Amounts, fill
from tests.bench.load_pages import Look, walk
from tests.bench.workplace import LATENCY, pointed_at, table

PEOPLE, THINK_SECONDS = 50, (4.0, 12.0)
SECONDS = float(os.environ.get("BENCH_SECONDS", "300"))
AIM_MS = 300
STEPS_A_GROUP = 5
"""So that a thousand groups make an operation of five thousand steps."""
_CHAT = 4200
_ACTOR = Actor("owner", may_override_cap=True)


def load() -> None:
    """Queries a page at two sizes; then how long each page takes the staff."""
    amounts = Amounts() if connection.vendor == "postgresql" else Amounts().divided_by(10)
    few = _queries(amounts.divided_by(10))
    with _company(amounts) as (company, sandbox, environment):
        started = time.perf_counter()
        fill(amounts, company.policy)
        filled = time.perf_counter() - started
        looks = walk()
        with _work_under_way(amounts, sandbox) as work, load_stack.serving(environment) as port:
            answers = _staff_at_work(port, looks, work)
    _tell(amounts, looks, few, answers)
    print(f"\nThe data were made in {filled:.0f} s. {work}")


def _queries(amounts: Amounts) -> dict[tuple[str, str], int]:
    """(page, way) → queries, with this little data."""
    with _company(amounts) as (company, _, _):
        fill(amounts, company.policy)
        return {(look.page, look.way): look.queries for look in walk()}


@contextmanager
def _company(amounts: Amounts) -> Iterator[tuple[Company, Sandbox, dict[str, str]]]:
    """A company on its servers whose staff are in few of its groups, and the settings that lead there."""
    company = build_company(Size.of(amounts.groups))
    for rule in company.policy["rules"]:
        rule["level"] = "required"
    for (platform, group_id), truth in company.truth.groups.items():
        for key in (truth.required_present | truth.optional_present) - {ACCOUNT, ANCHOR}:
            staff = company.staff[key]
            if platform == Platform.SLACK:
                company.slack.channels[group_id].members.pop(staff.slack_account.id, None)
            else:
                company.telegram.chats[int(group_id)].members.pop(staff.telegram_account.id, None)
    with Sandbox(company, **LATENCY) as sandbox:
        known = sandbox.environment() | {"TELEGRAM_BOT_TOKEN": "", "SLACK_APP_TOKEN": ""}
        process = {
            "REDIS_URL": os.environ.get("BENCH_REDIS_URL", ""),
            "TELEGRAM_GATED_CHAT_ID": str(_CHAT),
            "ALLOWED_HOSTS": "127.0.0.1",
            "LIVE_EVENTS": "False",
            "SECRET_KEY": settings.SECRET_KEY,
        }
        with (
            pointed_at(known),
            override_settings(TELEGRAM_GATED_CHAT_ID=_CHAT, ALLOWED_HOSTS=["*"], REQUIRE_SECOND_FACTOR=False),
        ):
            yield company, sandbox, known | process


class Work:
    """What goes on beside: an audit of Slack after the other, and an operation, back and forth."""

    def __init__(self, amounts: Amounts, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        plan = plan_missing(MissingSelection())
        steps = plan.steps[: STEPS_A_GROUP * amounts.groups]
        self._operation = _confirmed(plan_operation(plan=Plan(plan.kind, steps), actor=_ACTOR))
        self._first_run = self._run = self._ask()

    def _ask(self) -> AuditRun:
        # Telegram's account is the operation's: an audit that looks there waits for it.
        return request_audit(platforms=[Platform.SLACK], trigger=Trigger.SCHEDULE)

    def go_on(self) -> None:
        """Ask for what is to come next, where something has come to its end."""
        self._run.refresh_from_db(fields=["state"])
        if self._run.finished:
            self._run = self._ask()
        self._operation.refresh_from_db(fields=["state"])
        if OperationState(self._operation.state).finished:
            with suppress(OperationRefused):
                self._operation = _confirmed(undo_operation(operation=self._operation, actor=_ACTOR))

    def __str__(self) -> str:
        steps = Step.objects.filter(operation__planned_by=_ACTOR.name).exclude(state=StepState.PENDING)
        runs = AuditRun.objects.filter(pk__gte=self._first_run.pk, finished_at__isnull=False)
        whole = runs.filter(state=RunState.COMPLETE)
        writes = len(self._sandbox.writes.effects())
        return (
            f"Meanwhile {runs.count()} audits ended ({whole.count()} complete), {steps.count():,} steps "
            f"were done and {writes:,} people moved."
        )


@contextmanager
def _work_under_way(amounts: Amounts, sandbox: Sandbox) -> Iterator[Work]:
    """It begins as soon as somebody works: rows wait, and a schedule wakes them."""
    soon, _ = IntervalSchedule.objects.get_or_create(every=2, period=IntervalSchedule.SECONDS)
    for task in ("audits.tasks.wake_audits", "members.operations.tasks.wake_operations"):
        PeriodicTask.objects.update_or_create(task=task, defaults={"name": task, "interval": soon})
    PeriodicTasks.update_changed()
    yield Work(amounts, sandbox)


def _confirmed(operation: Operation) -> Operation:
    return confirm_operation(
        operation_id=operation.pk,
        plan_hash=operation.plan_hash,
        count=operation.count,
        actor=_ACTOR,
        typed_count=operation.count,
    )


# --- Staff -------------------------------------------------------------------------------------


def _staff_at_work(port: int, looks: Sequence[Look], work: Work) -> dict[str, list[float]]:
    """Page → milliseconds of each time that it was opened."""
    with load_stack.staff(
        port=port,
        cookies=[_cookie(number) for number in range(PEOPLE)],
        pages={page: [look.url for look in ways] for page, ways in _by_page(looks).items()},
        seconds=SECONDS,
        think_seconds=THINK_SECONDS,
    ) as process:
        while process.poll() is None:
            work.go_on()
            time.sleep(1)
    times: dict[str, list[float]] = defaultdict(list)
    for page, milliseconds, status in load_stack.answers():
        times[page if status == 200 else f"{page}: answered {status or 'nothing'}"].append(milliseconds)
    return times


def _by_page(looks: Sequence[Look]) -> dict[str, list[Look]]:
    pages: dict[str, list[Look]] = defaultdict(list)
    for look in looks:
        pages[look.page].append(look)
    return pages


def _cookie(number: int) -> str:
    client = Client()
    client.force_login(User.objects.create_superuser(f"staff{number}"))
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def _tell(
    amounts: Amounts,
    looks: Sequence[Look],
    few: dict[tuple[str, str], int],
    answers: dict[str, list[float]],
) -> None:
    rows: list[tuple[object, ...]] = []
    for page, ways in _by_page(looks).items():
        times = sorted(answers.get(page, ()))
        both = [(look.queries, few[look.page, look.way]) for look in ways if (look.page, look.way) in few]
        now, before = (max(each) for each in zip(*both, strict=True))
        slowest = max(ways, key=lambda look: look.sql_ms)
        rows.append((page, *_times(times), now, before, f"{slowest.sql_ms:.0f}", slowest.way or "–"))
    rows += [(name, *_times(sorted(answers[name])), *[""] * 4) for name in answers.keys() - _by_page(looks)]
    everything = sorted(each for times in answers.values() for each in times)
    rows.append(("all pages", *_times(everything), "", "", "", ""))
    where = "the Procfile's processes" if os.environ.get("BENCH_REDIS_URL") else "the single process"
    title = f"{PEOPLE} staff for {SECONDS:.0f} s on {connection.vendor}: {amounts}; {where}"
    table(title, _COLUMNS, rows)
    slow = [page for page, times in answers.items() if _p95(sorted(times)) > AIM_MS]
    print(f"\np95 above {AIM_MS} ms: {', '.join(sorted(slow)) or 'no page'}.")


_COLUMNS = (
    *("page", "requests", "median, ms", "p95", "max", "queries", "at a tenth"),
    *("SQL of the slowest way alone, ms", "which is"),
)


def _times(times: Sequence[float]) -> tuple[Any, ...]:
    if not times:
        return 0, "–", "–", "–"
    return len(times), *(f"{each:.0f}" for each in (median(times), _p95(times), times[-1]))


def _p95(times: Sequence[float]) -> float:
    return quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else times[0]
