"""How long the admin's first page takes with months of findings behind it, and the pages of trends."""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench.workplace import table

if TYPE_CHECKING:
    from audits.models import AuditRun

GROUPS, FINDINGS, RUNS, PEOPLE = 5_000, 200_000, 300, 40
CATEGORIES = ("BD Customer", "Marketing", "Internal", "Intro", "Community", "Special")
_REPEATS = 9
_BATCH = 2_000


def overview() -> None:
    """Queries and the median of nine requests, of an owner."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext, override_settings

    call_command("flush", interactive=False, verbosity=0)
    first, last = fill()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    pages = {
        "overview": "/admin/",
        "trends": "/admin/trends/",
        "trend of one group": "/admin/trends/group/1/",
        "trend of one employee": "/admin/trends/employee/1/",
        "two runs compared": f"/admin/audits/auditrun/compare/?a={first.pk}&b={last.pk}",
    }
    rows: list[tuple[object, ...]] = []
    with override_settings(ALLOWED_HOSTS=["*"], REQUIRE_SECOND_FACTOR=False):
        for name, url in pages.items():
            client.get(url)  # what Django prepares once per process is not the page's
            with CaptureQueriesContext(connection) as queries:
                response = client.get(url)
            count = len(queries)  # now: the next request empties the log
            assert response.status_code == 200, f"{url}: {response.status_code}"
            walls, own = zip(*(_milliseconds(client, url) for _ in range(_REPEATS)), strict=True)
            rows.append((name, count, median(walls), median(own), len(response.content) // 1024))
    title = f"{FINDINGS:,} findings, {GROUPS:,} groups, {RUNS} audits ({connection.vendor})"
    table(title, ("page", "queries", "ms", "ms of this process", "KB"), rows)


def _milliseconds(client: Any, url: str) -> tuple[float, float]:
    """Of a request: by the clock, and of the processor in this process (SQLite works in it, too)."""
    started, busy = time.perf_counter(), time.process_time()
    client.get(url)
    return 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - busy)


def fill(
    *, groups: int = GROUPS, findings: int = FINDINGS, runs: int = RUNS, seed: int = 7
) -> tuple[AuditRun, AuditRun]:
    """Months of audits of an invented company, as `audits.record` would have stored them.

    Returns the first and the last run; those two have their rows, the others only their numbers.
    """
    from django.utils import timezone

    from audits.models import AuditRun
    from members.models import Category, Employee, MembershipRule, ScopeLine, Team
    from members.platforms.types import Platform
    from members.policy import ScopeKind

    rng, now = random.Random(seed), timezone.now()
    categories = [
        Category.objects.create(key=name.split()[-1].lower(), name=name, position=place, default=not place)
        for place, name in enumerate(CATEGORIES)
    ]
    Category.objects.filter(key="internal").update(full_team=False)
    team = Team.objects.create(key="core", name="Core team")
    people = Employee.objects.bulk_create(
        Employee(key=f"person{number}", name=f"Person {number} Example") for number in range(PEOPLE)
    )
    team.employees.set(people[:8])
    for platform in Platform:
        MembershipRule.objects.create(platform=platform, team=team)
        ScopeLine.objects.create(platform=platform, kind=ScopeKind.INCLUDE, pattern="example")
    stored = _groups(groups, categories, now)
    made = [_run(number, runs, now, stored, findings, rng) for number in range(runs)]
    AuditRun.objects.bulk_create(made)
    for run in (made[0], made[-1]):
        _results(run, stored, people, rng)
    _findings(findings, made, stored, people, rng)
    return made[0], made[-1]


def _groups(count: int, categories: list[Any], now: datetime) -> list[Any]:
    from members.models import Group
    from members.platforms.types import AdminStatus, GroupKind, Platform, Privacy

    return Group.objects.bulk_create(
        (
            Group(
                platform=list(Platform)[number % 2],
                external_id=f"G{number}",
                name=f"Example customer {number}",
                kind=GroupKind.CHANNEL,
                category=categories[min(number % 11, len(categories) - 1)],
                privacy=Privacy.PRIVATE,
                admin_status=AdminStatus.ADMIN,
                in_scope=True,
                first_seen_at=now,
                last_seen_at=now,
            )
            for number in range(count)
        ),
        batch_size=_BATCH,
    )


def _run(number: int, runs: int, now: datetime, groups: list[Any], findings: int, rng: random.Random) -> Any:
    """Slack every eight hours, and every seventh time both; coverage grows with a little noise."""
    from audits.models import AuditRun, RunState, Trigger
    from audits.rows import Verdict, summarise
    from members.platforms.types import Platform

    platforms = list(Platform) if number % 7 == 0 or number == runs - 1 else [Platform.SLACK]
    at = now - timedelta(hours=8 * (runs - 1 - number) + 1)
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for platform in platforms:
        counts[platform] = {}
        for group in groups:
            if group.platform == platform:
                each = counts[platform].setdefault(group.category.key, dict.fromkeys(map(str, Verdict), 0))
                each["complete"] += 1
        for place, (key, each) in enumerate(counts[platform].items()):
            whole = each["complete"]
            share = 0.55 + 0.05 * place + 0.28 * number / runs + rng.uniform(-0.02, 0.02)
            share -= 0.08 if platform == Platform.TELEGRAM else 0
            each["not_visible"] = whole // 60
            each["complete"] = round((whole - each["not_visible"]) * min(share, 1))
            each["incomplete"] = whole - each["not_visible"] - each["complete"]
            if key == "internal":
                each.update(exempt=whole - each["not_visible"], complete=0, incomplete=0)
    return AuditRun(
        state=RunState.COMPLETE,
        platforms=[str(platform) for platform in platforms],
        trigger=Trigger.SCHEDULE,
        started_at=at - timedelta(minutes=1),
        finished_at=at,
        verdicts=counts,
        summary={**asdict(summarise(())), "groups": len(groups)},
        blind_spots=[
            {
                "platform": str(platforms[0]),
                "subject": f"Example customer {spot}",
                "reason": "The group is out of our account's sight; nothing is known about its members.",
                "group_id": f"G{spot}",
                "employee": "",
            }
            for spot in range(40)
        ],
        opened=rng.randint(5, 40),
        resolved=rng.randint(10, 60),
        open_findings=round(findings * (0.69 - 0.21 * number / runs)),
    )


def _results(run: Any, groups: list[Any], people: list[Any], rng: random.Random) -> None:
    from audits.models import GroupResult
    from audits.rows import Verdict

    needed = [person.key for person in people[:8]]

    def result(group: Any) -> Any:
        missing = rng.sample(needed, rng.choice((0, 0, 0, 1, 1, 2, 5)))
        present = [key for key in needed if key not in missing]
        exempt = group.category.key == "internal"
        return GroupResult(
            run=run,
            group=group,
            name=group.name,
            category=group.category,
            category_key=group.category.key,
            requires_full_team=not exempt,
            verdict=Verdict.EXEMPT if exempt else Verdict.INCOMPLETE if missing else Verdict.COMPLETE,
            privacy=group.privacy,
            history_visibility="visible",
            admin_status=group.admin_status,
            total_members=30,
            required_present=present,
            required_missing=missing,
            completeness=f"{len(present)}/{len(needed)}",
            missing_count=len(missing),
        )

    mine = [group for group in groups if group.platform in run.platforms]
    GroupResult.objects.bulk_create(map(result, mine), batch_size=_BATCH)


def _findings(count: int, runs: list[Any], groups: list[Any], people: list[Any], rng: random.Random) -> None:
    """Every pair of a group and a person once, as missing; then what is wrong with the groups themselves."""
    from audits.models import Finding, FindingChange
    from members.policy import FindingKind

    kinds = [
        FindingKind.DEPRECATED_NAME,
        FindingKind.NO_ADMIN_RIGHT,
        FindingKind.HIDDEN_HISTORY,
        FindingKind.PUBLIC_CHANNEL,
    ]

    def finding(number: int) -> Any:
        group = groups[number % len(groups)]
        turn = number // len(groups)
        person = people[turn - len(kinds)] if turn >= len(kinds) else None
        resolved = rng.random() < (0.5 if turn else 0.7)
        opened, ended = sorted(rng.sample(range(len(runs)), 2))
        return Finding(
            platform=group.platform,
            group_external_id=group.external_id,
            kind=kinds[turn] if turn < len(kinds) else FindingKind.MISSING_REQUIRED,
            subject=person.key if person else "",
            employee=person,
            state="resolved" if resolved else "open",
            group=group,
            detail="Team core is required on Slack",
            end_reason="fixed" if resolved else "",
            first_seen_run=runs[opened],
            last_seen_run=runs[ended],
            first_seen_at=runs[opened].finished_at,
            last_seen_at=runs[ended].finished_at,
            resolved_at=runs[ended].finished_at if resolved else None,
        )

    for start in range(0, count, _BATCH):
        made = Finding.objects.bulk_create(
            (finding(number) for number in range(start, min(start + _BATCH, count))), batch_size=_BATCH
        )
        changes = []
        for each in made:
            run, at = each.first_seen_run, each.first_seen_at
            changes.append(FindingChange(run=run, finding=each, change="opened", at=at))
            if each.resolved_at:
                ended = each.last_seen_run
                end = {"change": "resolved", "reason": "fixed", "at": each.resolved_at}
                changes.append(FindingChange(run=ended, finding=each, **end))
        FindingChange.objects.bulk_create(changes, batch_size=_BATCH)
