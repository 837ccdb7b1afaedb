"""What an audit gives people to know: written in the transaction of its outcome."""

from __future__ import annotations

from django.db.models import Count
from django.urls import reverse

from audits.display import words
from audits.latest import first_results
from audits.lifecycle import Change
from audits.models import AuditRun, FindingChange, RunState
from members.notices.kinds import NoticeKind
from members.notices.services import write
from members.policy import FindingKind

NAMED = 5
"""So many lines of trouble, and so many groups, are named in a notice."""


def tell_outcome(run_id: int) -> None:
    """What a run has recorded: new gaps, new groups that lack somebody, and what it could not see."""
    run = AuditRun.objects.get(pk=run_id)
    _tell_gaps(run)
    _tell_new_groups(run)
    tell_failure(run)


def tell_failure(run: AuditRun) -> None:
    """That a run failed or could not see everything; nothing where it did well.

    A narrow one is made again by who asked for it.
    """
    if run.narrow:
        return
    match run.state:
        case RunState.FAILED:
            first = f"{run} failed. Findings are as they were."
        case RunState.PARTIAL:
            first = f"{run} could not see everything. What it did not see is as it was."
        case _:
            return
    write(
        kind=NoticeKind.AUDIT_FAILED,
        text="\n".join([first, *run.message.splitlines()[:NAMED], "Open it to see what to do."]),
        path=_page(run),
        once=f"audit {run.pk} failed",
    )


def _tell_gaps(run: AuditRun) -> None:
    opened = FindingChange.objects.filter(run=run, change__in=(Change.OPENED, Change.REOPENED)).order_by()
    opened = opened.exclude(finding__kind=FindingKind.MISSING_OPTIONAL)  # nobody has to be there
    kinds = dict(opened.values_list("finding__kind").annotate(count=Count("pk")).order_by("-count"))
    if not kinds:
        return
    total = sum(kinds.values())
    groups = opened.exclude(finding__group=None).values("finding__group").distinct().count()
    listed = ", ".join(f"{words(kind).lower()} ({count:,})" for kind, count in kinds.items())
    where = f" in {groups:,} {'group' if groups == 1 else 'groups'}" if groups else ""
    write(
        kind=NoticeKind.GAPS_FOUND,
        text=f"{run} found {total:,} new {'gap' if total == 1 else 'gaps'}{where}: {listed}.\n"
        f"{run.open_findings:,} findings are open now. Open the audit to see them, and close or accept each.",
        path=_page(run),
        once=f"audit {run.pk} gaps",
    )


def _tell_new_groups(run: AuditRun) -> None:
    rows = first_results(run).filter(missing_count__gt=0, requires_full_team=True).order_by("name", "pk")
    count = rows.count()
    if not count:
        return
    named = [f"• {row.name}: {row.completeness}" for row in rows[:NAMED]]
    more = [f"• and {count - NAMED:,} more"] if count > NAMED else []
    what = "A new group lacks required people" if count == 1 else f"{count:,} new groups lack required people"
    write(
        kind=NoticeKind.NEW_GROUP,
        text="\n".join([f"{what}.", *named, *more, "Add them from the audit's page."]),
        path=_page(run),
        once=f"audit {run.pk} new groups",
    )


def _page(run: AuditRun) -> str:
    return reverse("admin:audits_auditrun_change", args=[run.pk])
