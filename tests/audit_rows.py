"""Runs as an audit stores them: what a pure evaluation found, put into the database by `record`."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from audits.engine import Evaluation
from audits.models import AuditRun, RunState, Trigger
from audits.observation import PersonSeen
from audits.record import record
from members.models import Category, Employee
from members.platforms.types import PlatformUser
from tests.worlds import NOW, SLACK, TELEGRAM, channel, in_groups, judge, person, policy, seen

ADA, BOB = person("ada"), person("bob")


def stored(
    evaluation: Evaluation,
    *,
    state: RunState = RunState.COMPLETE,
    message: str = "",
    deep: bool = False,
    at: datetime = NOW,
) -> AuditRun:
    """The run that found `evaluation`, with its policy's people and categories."""
    for position, category in enumerate(evaluation.policy.categories):
        Category.objects.get_or_create(
            key=category.key,
            defaults={
                "name": category.name,
                "position": position,
                "full_team": category.full_team,
                "default": category.default,
            },
        )
    for one in evaluation.policy.people:
        Employee.objects.get_or_create(key=one.key, defaults={"name": one.name, "status": one.status})
    run = AuditRun.objects.create(
        state=RunState.RUNNING,
        platforms=[seen.platform for seen in evaluation.observation.platforms],
        deep=deep,
        trigger=Trigger.COMMAND,
        owner=uuid.uuid4().hex,
        started_at=at - timedelta(seconds=42),
    )
    record(run=run, evaluation=evaluation, state=state, message=message, at=at)
    run.refresh_from_db()
    return run


def on_telegram(key: str, *group_ids: str) -> PersonSeen:
    """A person seen in these Telegram groups, with a number for an id, as Telegram has it."""
    number = str(int.from_bytes(key.encode()[:4]))
    user = PlatformUser(TELEGRAM, number, (key,), f"{key.capitalize()} Example")
    return replace(in_groups(key, *group_ids, platform=TELEGRAM), user=user, id=number)


def slack_run(*names: str, bob_in: int = 0, at: datetime = NOW) -> AuditRun:
    """A run over channels C0, C1, … of these names: Ada is in all of them, Bob in the first `bob_in`."""
    ids = [f"C{number}" for number in range(len(names))]
    channels = [channel(id, name) for id, name in zip(ids, names, strict=True)]
    sight = seen(channels, in_groups("ada", *ids), in_groups("bob", *ids[:bob_in]), platform=SLACK)
    return stored(judge(policy(ADA, BOB), sight), at=at)
