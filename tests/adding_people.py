"""A small Slack, and a kind of operation that adds people to its channels: what tests of operations share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from pytest_django import Settings

from groupadmin.sandbox.slack import SlackSandbox
from members.operations import kinds, services
from members.operations.account_connection import AccountConnection
from members.operations.connections import account_on
from members.operations.kinds import Kind
from members.operations.membership import ADD, REMOVE, MembershipExecutor
from members.operations.models import Operation
from members.operations.plan import Cap, Plan, PlannedStep, Skipped, Target
from members.operations.services import Actor
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform
from tests.slack_writing import TOKEN, fresh

ADDING, REMOVING = "adding", "removing"
NAMES = {"C0ACME": "acme-bitsafe", "C0OLD": "old-times", "C0LOUNGE": "lounge"}
PEOPLE = {"U0NEW1": "Nora Example", "U0NEW2": "Nils Example", "U0NEW3": "Nia Example", "U0BOB": "Bob Example"}

Pair = tuple[str, str]
"""Channel and user."""


def target(channel_id: str, user_id: str) -> Target:
    name = PEOPLE.get(user_id, user_id)
    return Target(
        platform=Platform.SLACK,
        group_id=channel_id[-32:],  # what is meant as a long name is no id
        group_name=NAMES.get(channel_id, channel_id),
        subject=name.split()[0].lower(),
        subject_name=name,
        user_id=user_id,
    )


def plan_of(
    *pairs: Pair, kind: str = ADDING, verb: str = ADD, skipped: Mapping[Pair, str] | None = None
) -> Plan:
    """A plan that adds these people to these channels, remembering them so that it can be planned again."""
    return Plan(
        kind=kind,
        steps=tuple(PlannedStep(verb, target(*pair)) for pair in pairs),
        skipped=tuple(Skipped(target(*pair), reason) for pair, reason in (skipped or {}).items()),
        parameters={"pairs": [list(pair) for pair in pairs], "kind": kind, "verb": verb},
        reach=100,
    )


def planned(*pairs: Pair, by: str = "ada", **options: Any) -> Operation:
    """Such a plan, stored and confirmed by nobody yet."""
    return services.plan_operation(plan=plan_of(*pairs, **options), actor=Actor(by))


def confirmed(*pairs: Pair, by: str = "ada", **options: Any) -> Operation:
    operation = planned(*pairs, by=by, **options)
    return services.confirm_operation(
        operation_id=operation.pk, plan_hash=operation.plan_hash, count=operation.count, actor=Actor(by)
    )


def _plan_again(parameters: Mapping[str, Any]) -> Plan:
    pairs = [(channel_id, user_id) for channel_id, user_id in parameters["pairs"]]
    return plan_of(*pairs, kind=parameters["kind"], verb=parameters["verb"])


def _reversed(kind: str, verb: str) -> Callable[[Sequence[PlannedStep]], Plan]:
    def undo(steps: Sequence[PlannedStep]) -> Plan:
        return plan_of(*((s.target.group_id, s.target.user_id) for s in steps), kind=kind, verb=verb)

    return undo


def _kind(name: str, label: str, done_word: str, fulfilled: Outcome, **options: Any) -> Kind:
    return Kind(
        name=name,
        label=label,
        done_word=done_word,
        fulfilled_outcome=fulfilled,
        connect=lambda platform, connection: AccountConnection(
            account_on(platform, connection), MembershipExecutor, batch_size=100
        ),
        plan_again=_plan_again,
        unwanted=lambda steps: {},
        **{"cap": Cap, **options},
    )


@contextmanager
def kinds_known(patch: pytest.MonkeyPatch, **adding: Any) -> Iterator[None]:
    """Adding and removing are kinds; `adding` are further properties of the first."""
    both = {
        ADDING: _kind(ADDING, "Add people", "added", Outcome.ALREADY_THERE, undo=_reversed(REMOVING, REMOVE)),
        REMOVING: _kind(
            REMOVING, "Remove people", "removed", Outcome.ALREADY_GONE, undo=_reversed(ADDING, ADD)
        ),
    }
    both[ADDING] = replace(both[ADDING], **adding)
    both[REMOVING] = replace(both[REMOVING], destructive=True)
    for name, kind in both.items():
        patch.setitem(kinds._kinds, name, kind)
    yield


@contextmanager
def small_slack(server: SlackSandbox, settings: Settings) -> Iterator[SlackSandbox]:
    """The workspace of `tests.slack_writing` as new, with the settings pointing at it."""
    with fresh(server) as sandbox:
        settings.SLACK_USER_TOKEN, settings.SLACK_API_URL = TOKEN, sandbox.api_url
        yield sandbox
