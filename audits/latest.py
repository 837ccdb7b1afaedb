"""Which run speaks for a platform: of those that recorded groups of it, the one that finished last.

A run may leave a platform out, or not reach it; then an earlier one still speaks for it. A run that was asked
for first may have waited longest, so runs go by the time they finished, not by their number.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from audits.models import AuditRun, GroupResult, RunState
from members.platforms.types import Platform


def recorded_runs(*, before: AuditRun | None = None) -> QuerySet[AuditRun]:
    """The runs that stored what they saw (of those before `before`, if given), the latest first."""
    runs = AuditRun.objects.filter(state__in=(RunState.COMPLETE, RunState.PARTIAL))
    if before is not None and before.finished_at is not None:
        at = before.finished_at
        runs = runs.filter(Q(finished_at__lt=at) | Q(finished_at=at, pk__lt=before.pk))
    return runs.order_by("-finished_at", "-pk")


def speaking_runs(*, before: AuditRun | None = None) -> dict[Platform, int]:
    """Platform → id of the run that speaks for it (of those before `before`, if given).

    One query, and one more for each platform.
    """
    runs = recorded_runs(before=before)
    asked = list(runs.values_list("pk", "platforms"))
    speaking = {}
    for platform in Platform:
        reached = Exists(GroupResult.objects.filter(run=OuterRef("pk"), group__platform=platform))
        candidates = runs.filter(reached, pk__in=[pk for pk, platforms in asked if platform in platforms])
        if (pk := candidates.values_list("pk", flat=True).first()) is not None:
            speaking[platform] = pk
    return speaking


def newest_results() -> Q:
    """The condition under which a GroupResult is its platform's newest word."""
    condition = Q(pk__in=[])
    for platform, run_id in speaking_runs().items():
        condition |= Q(run_id=run_id, group__platform=platform)
    return condition
