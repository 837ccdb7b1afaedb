"""What writing the workbook of a large audit takes, as a process of its own."""

from __future__ import annotations

from django.utils import timezone

from audits.models import AuditRun, GroupResult, RunState, Trigger
from audits.rows import Verdict
from members.models import Category, Group
from members.platforms.types import AdminStatus, GroupKind, History, Platform, Privacy
from members.policy import FindingKind
from tests.bench.workplace import HOME, load_policy, run_child, table

ROWS = 10_000


def workbook() -> None:
    """A run with 10,000 groups, each with the people of an ordinary one."""
    load_policy({})
    run = _store_run()
    path = HOME / "workbook.xlsx"
    script = (
        "from pathlib import Path; from audits.models import AuditRun; "
        "from audits.workbook import write_workbook; "
        f"write_workbook(AuditRun.objects.get(pk={run.pk}), Path({str(path)!r}))"
    )
    idle = run_child({}, "shell", "--verbosity=0", "-c", "pass")
    child = run_child({}, "shell", "--verbosity=0", "-c", script)
    size = path.stat().st_size / 1e6
    table(
        f"Workbook of {ROWS:,} rows ({size:.1f} MB)",
        ("process", "seconds", "peak MB"),
        [
            ("start of Django alone", idle.seconds, idle.peak_mb),
            ("start and workbook", child.seconds, child.peak_mb),
            ("the workbook's share", child.seconds - idle.seconds, child.peak_mb - idle.peak_mb),
        ],
    )


def _store_run() -> AuditRun:
    now = timezone.now()
    category = Category.objects.create(key="customer", name="BD Customer")
    run = AuditRun.objects.create(
        state=RunState.COMPLETE,
        platforms=[Platform.TELEGRAM],
        trigger=Trigger.COMMAND,
        started_at=now,
        finished_at=now,
        summary={
            "groups": ROWS,
            "complete": 0,
            "coverage": 0.0,
            "by_category": {"customer": ROWS},
            "public_channels": 0,
            "deprecated_names": ROWS,
            "hidden_history": 0,
            "not_visible": 0,
        },
    )
    groups = Group.objects.bulk_create(
        Group(
            platform=Platform.TELEGRAM,
            external_id=str(number),
            name=f"=Example {number} <> iBTC",
            kind=GroupKind.SUPERGROUP,
            category=category,
            privacy=Privacy.PRIVATE,
            in_scope=True,
            first_seen_at=now,
            last_seen_at=now,
        )
        for number in range(ROWS)
    )
    GroupResult.objects.bulk_create(
        GroupResult(
            run=run,
            group=group,
            name=group.name,
            category=category,
            category_key="customer",
            requires_full_team=True,
            verdict=Verdict.INCOMPLETE,
            privacy=Privacy.PRIVATE,
            history_visibility=History.VISIBLE,
            admin_status=AdminStatus.OWNER,
            total_members=31,
            required_present=["ada", "bo", "cy", "di", "el", "fay"],
            required_missing=["gus", "hal"],
            optional_present=["ida"],
            optional_missing=["jo"],
            flags=[FindingKind.DEPRECATED_NAME],
            completeness="6/8",
            missing_count=2,
        )
        for group in groups
    )
    return run
