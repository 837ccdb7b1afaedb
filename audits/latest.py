"""Which run speaks for a platform: the newest one that recorded groups of it.

A run may leave a platform out, or not reach it; then an earlier one still speaks for it.
"""

from __future__ import annotations

from django.db.models import Q

from audits.models import AuditRun, GroupResult
from members.platforms.types import Platform


def speaking_runs(*, before: AuditRun | None = None) -> dict[Platform, int]:
    """Platform → id of its newest run with results (of those before `before`, if given); one query each."""
    runs = {}
    for platform in Platform:
        results = GroupResult.objects.filter(group__platform=platform).order_by("-run_id")
        if before is not None:
            results = results.filter(run_id__lt=before.pk)
        run_id = results.values_list("run_id", flat=True).first()
        if run_id is not None:
            runs[platform] = run_id
    return runs


def newest_results() -> Q:
    """The condition under which a GroupResult is its platform's newest word."""
    condition = Q(pk__in=[])
    for platform, run_id in speaking_runs().items():
        condition |= Q(run_id=run_id, group__platform=platform)
    return condition
