"""The weekly coverage report: a few lines for everybody, with the workbook for whoever wants all of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.urls import reverse

from audits.coverage import Share, share_of
from audits.latest import recorded_runs, speaking_runs
from audits.lifecycle import Change, State
from audits.models import AuditRun, Finding, FindingChange, RunReport
from members.dates import day_in_words
from members.notices.kinds import NoticeKind
from members.notices.models import Notice
from members.notices.services import write
from members.notices.texts import Attachment
from members.platforms.types import Platform

WEEK = timedelta(days=7)


def report(*, now: datetime) -> Notice | None:
    """Write the report of the week that ends at `now` (aware), once a day at most: a task that was killed at
    its end runs again. None where there is one of this day, or no audit has recorded anything."""
    runs = {platform: AuditRun.objects.get(pk=pk) for platform, pk in speaking_runs().items()}
    if not runs:
        return None
    lines = [f"Coverage on {day_in_words(now)}: {_all(runs)}."]
    lines += [f"• {_line(platform, run, now)}" for platform, run in runs.items()]
    lines += _findings(now)
    newest = max(runs.values(), key=lambda run: run.pk)
    blind = sum(len(run.blind_spots) for run in set(runs.values()))
    if blind:
        lines.append(f"{blind:,} blind spots: what nobody could see counts as neither good nor bad.")
    return write(
        kind=NoticeKind.WEEKLY_REPORT,
        text="\n".join(lines),
        path=reverse("admin:audits_auditrun_change", args=[newest.pk]),
        attachments=_workbooks(runs.values()),
        once=f"weekly report {now:%Y-%m-%d}",
    )


def _all(runs: dict[Platform, AuditRun]) -> str:
    share = sum((_share(platform, run) for platform, run in runs.items()), Share())
    return f"{share} of the groups are complete" if share.judged else "no group could be judged"


def _line(platform: Platform, run: AuditRun, now: datetime) -> str:
    share = _share(platform, run)
    text = f"{platform.label}: {share.complete:,} of {share.judged:,} groups ({share})"
    earlier = recorded_runs().filter(finished_at__lte=now - WEEK)
    before = next((each for each in earlier[:20] if platform in each.verdicts), None)
    if before is not None:
        text += f", a week ago {_share(platform, before)}"
    return f"{text}; last looked at on {day_in_words(run.finished_at or now)}"


def _share(platform: Platform, run: AuditRun) -> Share:
    return share_of(run.verdicts.get(platform, {}))


def _findings(now: datetime) -> list[str]:
    week = FindingChange.objects.filter(at__gt=now - WEEK)
    opened = week.filter(change__in=(Change.OPENED, Change.REOPENED)).count()
    resolved = week.filter(change=Change.RESOLVED).count()
    left = Finding.objects.filter(state=State.OPEN).count()
    return [f"Findings this week: {opened:,} opened, {resolved:,} ended; {left:,} are open."]


def _workbooks(runs: Iterable[AuditRun]) -> list[Attachment]:
    """The workbook of each run that speaks for a platform; one run may speak for both."""
    stored = RunReport.objects.filter(run__in=set(runs), format=RunReport.Format.XLSX).order_by("run")
    names = [row.file.name for row in stored if row.file.name]
    return [Attachment(name, name.rpartition("/")[2]) for name in names]
