"""What it costs to change something: calls and time on Slack, and what the engine itself takes for a step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from django.conf import settings
from django.db import connection
from django.test.utils import override_settings
from django.utils import timezone

from groupadmin.sandbox.slack import SlackChannel, SlackSandbox, SlackToken, SlackUser, SlackWorld
from groupadmin.sandbox.slack.limits import TIER_3
from members.operations import kinds, runner, services
from members.operations.account_connection import AccountConnection
from members.operations.connections import account_on
from members.operations.kinds import Connection, Executor, Kind
from members.operations.membership import ADD, MembershipExecutor
from members.operations.models import Operation
from members.operations.plan import Cap, Plan, PlannedStep, Target
from members.operations.services import Actor
from members.operations.states import OperationState
from members.platforms.base import CallMeter
from members.platforms.configs import SlackConfig
from members.platforms.outcomes import Outcome
from members.platforms.slack_writer import SlackWriter
from members.platforms.types import GroupKind, Platform, PlatformGroup, PlatformUser, Privacy
from members.platforms.writing import Reply
from tests.bench.workplace import LATENCY, table

_ACCOUNT, _TOKEN = "U0ME", "xoxp-bench"
_SCOPES = frozenset({"users:read", "channels:read", "channels:write", "groups:read", "groups:write"})
_SPEED = 10.0
"""How much faster than real time Slack's rate windows pass where waiting for them would be long."""


def additions() -> None:
    """294 gaps in 118 channels: ours beside one call for each person and channel, tiers enforced."""
    gaps = [(number % 118, number // 118 + number % 10) for number in range(294)]
    rows: list[tuple[object, ...]] = []
    for name, work in (("ours", _ours), ("one call per person and channel", _one_by_one)):
        with _slack(_workspace(118, 12, gaps), speed=_SPEED) as sandbox:
            started = time.perf_counter()
            work(gaps, sandbox)
            seconds = time.perf_counter() - started
            calls = sandbox.calls.counts()
            reading = sum(calls.values()) - calls["conversations.invite"]
            added = len(sandbox.writes.effects())
            rows.append(
                (name, added, calls["conversations.invite"], reading, sandbox.throttled.total, seconds)
            )
    columns = ("way", "added", "conversations.invite", "reading calls", "calls refused (429)", "seconds")
    table(f"294 gaps in 118 channels, rate tiers at {_SPEED:.0f} × speed", columns, rows)


def pace() -> None:
    """67 channels × 2 people at Slack's own pace: the second half has to wait for the next minute."""
    gaps = [(channel, person) for channel in range(67) for person in range(2)]
    floor = (67 - 1) // TIER_3.calls * TIER_3.seconds
    with _slack(_workspace(67, 2, gaps), speed=1.0, latency=LATENCY["slack_latency"]) as sandbox:
        started = time.perf_counter()
        operation = _ours(gaps, sandbox)
        seconds = time.perf_counter() - started
    rows: list[tuple[object, ...]] = [("the tier's own floor", floor, 1.0)]
    rows.append((f"ours ({operation.state}, {operation.count} added)", seconds, seconds / floor))
    table("67 channels × 2 people inside tier 3, 60 ms a call", ("way", "seconds", "of the floor"), rows)


def engine() -> None:
    """10,000 steps through an executor that takes no time, on the database of `BENCH_DATABASE_URL`.

    For PostgreSQL: FSYNC=on scripts/test-services.sh sh -c \\
        'BENCH_DATABASE_URL=$TEST_DATABASE_URL .venv/bin/python -m tests.bench engine'
    """
    rows: list[tuple[object, ...]] = []
    for together in (1, 10):
        memory = _Memory(together)
        _know("bench_memory", _always(memory))
        steps = [_step(number // together, number % together) for number in range(10_000)]
        operation = _confirmed("bench_memory", steps)
        started = time.perf_counter()
        operation = runner.run_operation(operation.pk)
        seconds = time.perf_counter() - started
        rows.append((together, operation.state, memory.calls, seconds, seconds * 1000 / operation.count))
    columns = ("steps a call", "state", "calls", "seconds", "ms a step")
    table(f"The engine alone: 10,000 steps on {connection.vendor}", columns, rows)


# The two ways


def _ours(gaps: Sequence[tuple[int, int]], sandbox: SlackSandbox) -> Operation:
    """An operation, run as the command line runs it: waits included."""
    _know(
        "bench_additions",
        lambda platform, key: AccountConnection(
            account_on(platform, key), MembershipExecutor, batch_size=100
        ),
    )
    operation = _confirmed("bench_additions", [_step(*gap) for gap in sorted(gaps)])
    with override_settings(SLACK_USER_TOKEN=_TOKEN, SLACK_API_URL=sandbox.api_url):
        while not OperationState(operation.state).finished:
            if operation.resume_at is not None:
                time.sleep(max(0.0, (operation.resume_at - timezone.now()).total_seconds()))
            operation = runner.run_operation(operation.pk)
    return operation


def _one_by_one(gaps: Sequence[tuple[int, int]], sandbox: SlackSandbox) -> None:
    """The obvious way: look into the channel, invite the person, look again."""

    async def add() -> None:
        config = SlackConfig(_TOKEN, sandbox.api_url)
        async with SlackWriter(config, meter=CallMeter(patience=settings.AUDIT_PATIENCE_SECONDS)) as slack:
            for channel, person in gaps:
                group = PlatformGroup(
                    Platform.SLACK, _channel(channel), "", GroupKind.CHANNEL, Privacy.PRIVATE
                )
                user = PlatformUser(Platform.SLACK, _person(person))
                if not await slack.is_member(group, user):
                    await slack.invite(group, [user])
                    await slack.is_member(group, user)

    asyncio.run(add())


# The world, and the engine's part


def _channel(number: int) -> str:
    return f"C{number:04}"


def _person(number: int) -> str:
    return f"U{number:04}"


def _workspace(channels: int, people: int, gaps: Sequence[tuple[int, int]]) -> SlackWorld:
    """Everybody is everywhere, but for the gaps."""
    world = SlackWorld(tokens={_TOKEN: SlackToken(_ACCOUNT, _SCOPES)})
    everybody = [_ACCOUNT, *map(_person, range(people))]
    for user_id in everybody:
        world.add_user(SlackUser(user_id, user_id.lower(), f"{user_id} Example"))
    for number in range(channels):
        members = dict.fromkeys(everybody)
        world.add_channel(
            SlackChannel(_channel(number), f"acme-{number}", _ACCOUNT, members, is_private=True)
        )
    for channel, person in gaps:
        del world.channels[_channel(channel)].members[_person(person)]
    return world


def _slack(world: SlackWorld, **options: Any) -> SlackSandbox:
    return SlackSandbox(world, page_cap=200, empty_pages={"conversations.list"}, **options)


def _step(channel: int, person: int) -> PlannedStep:
    who = _person(person)
    return PlannedStep(
        ADD, Target(Platform.SLACK, _channel(channel), f"acme-{channel}", who, "Some Example", who)
    )


def _always(connection: Connection) -> Callable[[Platform, str], Connection]:
    return lambda platform, key: connection


def _know(name: str, connect: Callable[[Platform, str], Connection]) -> None:
    kinds._kinds[name] = Kind(
        name=name,
        label=name,
        done_word="added",
        fulfilled_outcome=Outcome.ALREADY_THERE,
        cap=Cap,
        connect=connect,
        plan_again=_no_other_plan,
        unwanted=lambda steps: {},
    )


def _no_other_plan(parameters: Mapping[str, Any]) -> Plan:
    raise NotImplementedError


def _confirmed(kind: str, steps: Sequence[PlannedStep]) -> Operation:
    actor = Actor("benchmark")
    operation = services.plan_operation(plan=Plan(kind, tuple(steps)), actor=actor)
    return services.confirm_operation(
        operation_id=operation.pk, plan_hash=operation.plan_hash, count=operation.count, actor=actor
    )


class _Memory:
    """A platform that is a set: connection and executor in one."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.calls = 0
        self._there: set[Target] = set()

    @asynccontextmanager
    async def open(self, meter: CallMeter) -> AsyncIterator[Executor]:
        yield self

    def keep_books(self) -> None:
        """Nothing was learnt."""

    async def fulfilled(self, steps: Sequence[PlannedStep], *, thorough: bool) -> Sequence[bool | None]:
        return [step.target in self._there for step in steps]

    async def apply(self, batch: Sequence[PlannedStep]) -> Sequence[Reply]:
        self.calls += 1
        self._there.update(step.target for step in batch)
        return [Reply(Outcome.DONE)] * len(batch)
