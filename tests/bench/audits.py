"""What an audit costs and whether it is right, at the size of the demo and far beyond."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from audits.contract import audit_document
from audits.models import Trigger
from audits.services import execute_audit, request_audit
from groupadmin.sandbox.company import Size, build_company
from groupadmin.sandbox.runner import Sandbox
from members.platforms.types import Platform
from members.services import load_policy as stored_policy
from tests.bench.plans import minimal_plan, one_call_per_group
from tests.bench.workplace import HOME, LATENCY, load_policy, pointed_at, run_child, table

SLACK_SPEED = 60.0
"""How much faster than real time Slack's rate windows pass: a minute lasts a second."""
_COMPARED = (
    "category",
    "requires_full_team",
    "privacy",
    "history",
    "admin_status",
    "required_present",
    "required_missing",
    "optional_present",
    "optional_missing",
    "excluded",
    "completeness",
    "flags",
    "verdict",
)


def accuracy() -> None:
    """Every group of the company against the truth that its builder knows."""
    company = build_company()
    load_policy(company.policy)
    with Sandbox(company) as sandbox, pointed_at(sandbox.environment()):
        document = _audit()
    truth = {key: group.as_json() for key, group in company.truth_now().groups.items()}
    told = {(group["platform"], group["id"]): group for group in document["groups"]}
    rows: list[tuple[object, ...]] = []
    for field in _COMPARED:
        right = sum(_same(told.get(key, {}).get(field), group[field]) for key, group in truth.items())
        rows.append((field, f"{right} of {len(truth)}"))
    rows.append(("groups listed that are none", len(told.keys() - truth.keys())))
    table("Accuracy: groups with the right answer", ("field", "right"), rows)


def calls_and_time() -> None:
    """Ours beside the minimal plan and the one-call-per-group way, on the same sandbox in the same run."""
    company = build_company()
    tiers: dict[str, Any] = {"slack_speed": SLACK_SPEED}
    for title, options in (
        ("60 ms a Slack call, 40 ms a Telegram call", LATENCY),
        (f"Slack's rate tiers enforced at {SLACK_SPEED:.0f} × speed", tiers),
    ):
        load_policy(company.policy)
        with Sandbox(company, **options) as sandbox, pointed_at(sandbox.environment()):
            rows = [_timed("first audit (every history setting due)", _audit_calls)]
            rows.append(_timed("minimal plan (memberships only)", _minimal_calls, runs=5))
            rows.append(_timed("next audit (no setting due)", _audit_calls, runs=5))
            rows.append(_timed("one call per group", lambda: one_call_per_group(stored_policy())))
        table(f"API calls and wall time: {title}", ("way", "Slack calls", "Telegram calls", "seconds"), rows)


def scale() -> None:
    """Whole processes: `manage.py audit` on larger and larger companies."""
    rows: list[tuple[object, ...]] = []
    for groups, members in ((528, 12), (1_000, 500), (2_500, 12), (5_000, 12), (10_000, 12)):
        company = build_company(Size.of(groups, members))
        load_policy(company.policy)
        with Sandbox(company, **LATENCY) as sandbox:
            for attempt in ("first", "next"):
                rows.append((f"{groups:,} × {members}", attempt, *_child_audit(sandbox)))
    calls = ("Slack calls", "Telegram calls", "of these GetFullChannel")
    columns = ("groups × members", "audit", *calls, "seconds", "peak MB")
    table("Size: the whole audit process, 60/40 ms a call", columns, rows)


def _child_audit(sandbox: Sandbox) -> tuple[object, ...]:
    outcome = HOME / "audit.json"
    child = run_child(sandbox.environment(), "audit", "--json", str(outcome))
    calls = json.loads(outcome.read_text())["run"]["api_calls"]
    return (
        sum(calls["slack"].values()),
        sum(calls["telegram"].values()),
        calls["telegram"].get("GetFullChannel", 0),
        child.seconds,
        child.peak_mb,
    )


def _audit() -> dict[str, Any]:
    run = request_audit(platforms=list(Platform), trigger=Trigger.COMMAND)
    return audit_document(execute_audit(run.pk))


def _audit_calls() -> dict[str, int]:
    return {platform: sum(calls.values()) for platform, calls in _audit()["run"]["api_calls"].items()}


def _minimal_calls() -> dict[str, int]:
    return minimal_plan(stored_policy())


def _timed(name: str, work: Callable[[], dict[str, int]], runs: int = 1) -> tuple[object, ...]:
    """A row with the calls of the last of `runs` runs and the median of their seconds."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        calls = work()
        seconds.append(time.perf_counter() - started)
    return name, calls["slack"], calls["telegram"], median(seconds)


def _same(told: object, true: object) -> bool:
    if isinstance(told, list) and isinstance(true, list):
        return sorted(told) == sorted(true)
    return told == true
