"""Which run speaks for a platform: of those that recorded groups of it, the one that finished last.

A run may leave a platform out, or not reach it; then an earlier one still speaks for it. A run that was
asked for first may have waited longest, so runs go by the time they finished, not by their number. A narrow
run (of a few groups alone) speaks for no platform: only for those groups, until a whole one comes.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from audits.models import AuditRun, GroupResult, RunState
from members.platforms.types import Platform


def recorded_runs(*, before: AuditRun | None = None, narrow: bool = False) -> QuerySet[AuditRun]:
    """The runs that stored what they saw (of those before `before`, if given), the latest first.

    With `narrow`, those that looked at a few groups alone as well.
    """
    runs = AuditRun.objects.filter(state__in=(RunState.COMPLETE, RunState.PARTIAL))
    if not narrow:
        runs = runs.filter(narrow=False)
    if before is not None and before.finished_at is not None:
        at = before.finished_at
        runs = runs.filter(Q(finished_at__lt=at) | Q(finished_at=at, pk__lt=before.pk))
    return runs.order_by("-finished_at", "-pk")


def speaking_runs(*, before: AuditRun | None = None) -> dict[Platform, int]:
    """Platform → id of the run that speaks for it (of those before `before`, if given).

    One query for each platform. A run has numbers of the platforms that it has rows of; to look for the rows
    would mean all rows of all runs.
    """
    runs = recorded_runs(before=before)
    newest = {
        platform: runs.filter(verdicts__has_key=str(platform)).values_list("pk", flat=True).first()
        for platform in Platform
    }
    return {platform: pk for platform, pk in newest.items() if pk is not None}


def first_results(run: AuditRun) -> QuerySet[GroupResult]:
    """The rows of a recorded run about groups in scope that no run before it recorded.

    The first run of a platform has none: there everything is new.
    """
    runs = recorded_runs(before=run, narrow=True)
    earlier = GroupResult.objects.filter(group=OuterRef("group"), run__in=runs)
    platforms = speaking_runs(before=run)
    return GroupResult.objects.filter(
        ~Exists(earlier), run=run, group__platform__in=platforms, group__in_scope=True
    )


def newest_results() -> Q:
    """The condition under which a GroupResult is the newest word on its group: that of the run which speaks
    for its platform, or of a narrow one since."""
    speaking = speaking_runs()
    news = _news_since(speaking)
    condition = Q(pk__in=list(news.values()))
    for platform, run_id in speaking.items():
        condition |= Q(run_id=run_id, group__platform=platform) & ~Q(group_id__in=list(news))
    return condition


def _news_since(speaking: Mapping[Platform, int]) -> dict[int, int]:
    """Group's pk → its newest result in the narrow runs since the one that speaks for its platform."""
    since = Q(pk__in=[])
    for platform, run_id in speaking.items():
        finished = AuditRun.objects.filter(pk=run_id).values("finished_at")
        since |= Q(group__platform=platform, run__finished_at__gt=Subquery(finished))
    narrow = recorded_runs(narrow=True).filter(narrow=True).order_by()
    news = GroupResult.objects.filter(since, run__in=narrow)
    return dict(news.order_by("run__finished_at", "pk").values_list("group_id", "pk"))
