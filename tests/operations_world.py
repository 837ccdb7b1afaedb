"""What the tests of operations share: a workspace to write to, kinds of their own, the passing of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from groupadmin.sandbox.control import Write
from groupadmin.sandbox.slack import SlackChannel, SlackSandbox, SlackToken, SlackUser, SlackWorld
from groupadmin.sandbox.telegram.server import TelegramSandbox
from members.operations import connections, kinds, lease, runner, services
from members.operations.account_connection import AccountConnection
from members.operations.connections import Account
from members.operations.kinds import Connection, Kind
from members.operations.membership import ADD, REMOVE, MembershipExecutor
from members.operations.models import Lease, Operation, Step
from members.operations.plan import Cap, Plan, PlannedStep, Target
from members.operations.services import Actor
from members.operations.states import OperationState
from members.platforms.base import CallMeter
from members.platforms.configs import SlackConfig
from members.platforms.outcomes import Outcome
from members.platforms.slack_transport import Retry
from members.platforms.slack_writer import SlackWriter
from members.platforms.telegram_writer import TelegramWriter
from members.platforms.types import Platform
from members.platforms.writing import PlatformWriter
from tests.telegram_reading import ADA, add_groups, add_user, company, config

ACCOUNT, TOKEN = "U0ME", "xoxp-operations"
SCOPES = frozenset({"users:read", "channels:read", "channels:write", "groups:read", "groups:write"})
IMPATIENT = Retry(attempts=2, base_seconds=0.001, rate_limit_waits=3)
ADDITION, REMOVAL = "test_addition", "test_removal"
PLANNER, CONFIRMER = Actor("ada"), Actor("bob")
CHATS, ED, FAY = (1000, 1001, 1002), 301, 302


def channel_id(number: int) -> str:
    return f"C{number:04}"


def person_id(number: int) -> str:
    return f"U{number:04}"


def workspace(channels: int, people: int) -> SlackWorld:
    """Private channels of the account alone, and people in none of them."""
    world = SlackWorld(tokens={TOKEN: SlackToken(ACCOUNT, SCOPES)})
    for user_id in (ACCOUNT, *map(person_id, range(people))):
        world.add_user(SlackUser(user_id, user_id.lower(), f"{user_id} Example"))
    for number in range(channels):
        members = {ACCOUNT: None}
        world.add_channel(
            SlackChannel(channel_id(number), f"acme-{number}", ACCOUNT, members, is_private=True)
        )
    return world


def slack_step(channel: int, person: int, verb: str = ADD) -> PlannedStep:
    who = person_id(person)
    target = Target(Platform.SLACK, channel_id(channel), f"acme-{channel}", who.lower(), "Some Example", who)
    return PlannedStep(verb, target)


def telegram_step(chat_id: int, user_id: int, verb: str = ADD) -> PlannedStep:
    target = Target(
        Platform.TELEGRAM, str(chat_id), f"Group {chat_id}", f"t{user_id}", "Some Example", str(user_id)
    )
    return PlannedStep(verb, target)


def everybody_everywhere(channels: int, people: int) -> list[PlannedStep]:
    return [slack_step(channel, person) for channel in range(channels) for person in range(people)]


@dataclass
class SlackAccount:
    """The account of `workspace`, with less patience than for a real network."""

    api_url: str
    timeout: float = 5.0
    largest_invitation: int = SlackWriter.largest_invitation

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformWriter]:
        return SlackWriter(SlackConfig(TOKEN, self.api_url, self.timeout), meter=meter, retry=IMPATIENT)

    def keep_books(self) -> None:
        """Nothing was learnt."""


@dataclass
class TelegramAccount:
    """Ada's account on the sandbox's Telegram; she knows everybody."""

    sandbox: TelegramSandbox
    largest_invitation: int = TelegramWriter.largest_invitation

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformWriter]:
        return TelegramWriter(config(self.sandbox, attempts=2), meter=meter)

    def keep_books(self) -> None:
        """Nothing was learnt."""


def acquaintances(*user_ids: int) -> Any:
    """A Telegram on which Ada has written to all of them."""
    world = company()
    for user_id in user_ids:
        add_user(world, user_id)
        world.converse(ADA, user_id)
    return world


@dataclass
class Rules:
    """What the kinds of `Desk` do: to be changed by a test."""

    cap: Cap = field(default_factory=Cap)
    unwanted: Callable[[Sequence[PlannedStep]], Mapping[int, str]] = lambda steps: {}
    batch_size: int = 20
    connect: Callable[[Platform], Connection] | None = None
    replan: Callable[[Mapping[str, Any]], Plan] = lambda parameters: Plan(ADDITION, (slack_step(0, 0),))
    finished: list[int] = field(default_factory=list)
    """The operations whose end was told."""


@dataclass
class Desk:
    """A person at work: plans, confirms and runs operations of two kinds, additions and removals."""

    rules: Rules = field(default_factory=Rules)

    def plan(self, steps: Iterable[PlannedStep], kind: str = ADDITION, **fields: Any) -> Operation:
        return services.plan_operation(plan=Plan(kind, tuple(steps), **fields), actor=PLANNER)

    def confirm(self, operation: Operation, **changed: Any) -> Operation:
        said: dict[str, Any] = {
            "plan_hash": operation.plan_hash,
            "count": operation.count,
            "actor": CONFIRMER,
        } | changed
        return services.confirm_operation(operation_id=operation.pk, **said)

    def confirmed(self, steps: Iterable[PlannedStep], kind: str = ADDITION) -> Operation:
        return self.confirm(self.plan(steps, kind))

    def run(self, operation: Operation) -> Operation:
        """One slice."""
        return runner.run_operation(operation.pk)

    def run_to_end(self, operation: Operation) -> Operation:
        """Slice after slice, with no time between them."""
        for _ in range(50):
            if OperationState(operation.state).finished:
                return operation
            time_passes(operation)
            operation = self.run(operation)
        raise AssertionError(f"{operation} comes to no end: {operation.message}")


def install(desk: Desk, patch: pytest.MonkeyPatch) -> Desk:
    """Make its kinds known for the time of a test, or (in a process of its own) for good."""
    rules = desk.rules

    def connect(platform: Platform, connection: str) -> Connection:
        if rules.connect is not None:
            return rules.connect(platform)
        account = connections.account_on(platform, connection)
        return AccountConnection(account, MembershipExecutor, batch_size=rules.batch_size)

    def connect_one_by_one(platform: Platform, connection: str) -> Connection:
        return AccountConnection(connections.account_on(platform, connection), MembershipExecutor)

    def reverse(kind: str, verb: str) -> Callable[[Sequence[PlannedStep]], Plan]:
        return lambda steps: Plan(kind, tuple(PlannedStep(verb, step.target) for step in reversed(steps)))

    common: dict[str, Any] = {
        "cap": lambda: rules.cap,
        "plan_again": lambda parameters: rules.replan(parameters),
        "unwanted": lambda steps: rules.unwanted(steps),
        "finished": lambda operation_id: rules.finished.append(operation_id),
    }
    addition: dict[str, Any] = {"connect": connect, "undo": reverse(REMOVAL, REMOVE)}
    removal: dict[str, Any] = {"connect": connect_one_by_one, "destructive": True}
    for kind in (
        Kind(ADDITION, "Additions", "added", Outcome.ALREADY_THERE, **common | addition),
        Kind(REMOVAL, "Removals", "removed", Outcome.ALREADY_GONE, **common | removal),
    ):
        patch.setitem(kinds._kinds, kind.name, kind)
    return desk


class AtTheDesk:
    """What a class of tests finds: kinds of its own, and the platforms that they write to."""

    @pytest.fixture
    def desk(self, monkeypatch: pytest.MonkeyPatch) -> Desk:
        monkeypatch.setattr(runner, "HEARTBEAT_SECONDS", 0.05)
        return install(Desk(), monkeypatch)

    @pytest.fixture(scope="class")
    @classmethod
    def slack_server(cls) -> Iterator[SlackSandbox]:
        with SlackSandbox(workspace(0, 0)) as server:
            yield server

    @pytest.fixture
    def slack(self, slack_server: SlackSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackSandbox]:
        with fresh(slack_server, monkeypatch) as server:
            yield server

    @pytest.fixture
    def telegram(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[TelegramSandbox]:
        """Three groups of Ada's, whose account does the work, and Ed and Fay, whom she knows."""
        world = acquaintances(ED, FAY)
        for chat in add_groups(world, len(CHATS), ADA, first=CHATS[0]):
            chat.creator = ADA
        with TelegramSandbox(world) as server:
            use_account(monkeypatch, Platform.TELEGRAM, TelegramAccount(server))
            yield server
            assert server.bugs == []
            assert came_twice(server.writes.effects()) == set()


def use_account(patch: pytest.MonkeyPatch, platform: Platform, account: Account) -> None:
    """Write to `platform` through `account` until the test ends."""
    patch.setitem(connections._accounts, platform, lambda connection: account)


@contextmanager
def fresh(server: SlackSandbox, patch: pytest.MonkeyPatch) -> Iterator[SlackSandbox]:
    """A running server as new: four channels of the account alone, three people in none of them.

    Whatever the test does, nothing may reach it twice.
    """
    server.world = workspace(channels=4, people=3)
    for memory in (server.calls, server.writes, server.script):
        memory.clear()
    use_account(patch, Platform.SLACK, SlackAccount(server.api_url))
    yield server
    assert server.bugs == []
    assert came_twice(server.writes.all()) == set()


def time_passes(operation: Operation) -> None:
    """As much as a waiting operation still has to wait."""
    past = timezone.now() - timedelta(seconds=1)
    operation.refresh_from_db()
    operation.parts = {name: part | {"until": past.isoformat()} for name, part in operation.parts.items()}
    if operation.state == OperationState.WAITING:
        operation.resume_at = past
    operation.save(update_fields=["parts", "resume_at"])


def lease_of(platform: Platform) -> Lease:
    return Lease.objects.get(connection=lease.connection_of(platform))


def states(operation: Operation) -> list[str]:
    """Of its steps, in their order."""
    return list(operation.steps.order_by("position").values_list("state", flat=True))


def outcomes(operation: Operation) -> list[str]:
    """Of its steps, in their order."""
    return list(operation.steps.order_by("position").values_list("outcome", flat=True))


def step_of(operation: Operation, position: int) -> Step:
    return operation.steps.get(position=position)


def invited(sandbox: SlackSandbox) -> list[tuple[str, str]]:
    """Every (channel, person) that an invitation put there, in order."""
    return [(write.target, write.subject) for write in sandbox.writes.effects()]


def came_twice(writes: Iterable[Write]) -> set[tuple[str, str, str]]:
    """What reached the platform more than once, whether it changed anything or not."""
    seen: set[tuple[str, str, str]] = set()
    twice: set[tuple[str, str, str]] = set()
    for write in writes:
        key = write.method, write.target, write.subject
        (twice if key in seen else seen).add(key)
    return twice
