"""What happens because time passes: a warning before an exclusion ends, and its findings open again after."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F
from django.urls import reverse

from audits.exclusions.effects import accepting, with_need
from audits.lifecycle import Change, State
from audits.models import Finding, FindingChange
from members.dates import day_in_words
from members.models import Exclusion, Group
from members.notices.kinds import NoticeKind
from members.notices.services import write

REASON = "exclusion ended"
"""The word that an audit has for the same (`audits.record_findings`)."""
_BATCH = 500
_NAMED = 5


def reopen(*, at: datetime) -> int:
    """Open the findings whose exclusions hold no longer, whatever ended those. Returns how many.

    The next audit would do it too; it may be a week away.
    """
    over = Finding.objects.filter(~Exists(accepting()), state=State.EXCLUDED).order_by("pk")
    count = 0
    while keys := list(over.values_list("pk", flat=True)[:_BATCH]):
        count += _reopen(keys, at)
    return count


@transaction.atomic
def _reopen(keys: list[int], at: datetime) -> int:
    locked = Finding.objects.select_for_update(of=("self",)).filter(pk__in=keys, state=State.EXCLUDED)
    rows = list(locked.select_related("group").order_by("pk"))
    Finding.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=State.OPEN, resolved_at=None, end_reason="", times_reopened=F("times_reopened") + 1
    )
    FindingChange.objects.bulk_create(
        FindingChange(finding=row, change=Change.REOPENED, reason=REASON, at=at) for row in rows
    )
    if rows:
        _tell_reopened(rows)
    return len(rows)


def _tell_reopened(rows: list[Finding]) -> None:
    names = list(dict.fromkeys(str(row.group or row.group_external_id) for row in rows))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    what = "One finding is" if len(rows) == 1 else f"{len(rows):,} findings are"
    write(
        kind=NoticeKind.EXCLUSION_ENDING,
        text=f"{what} open again, because an exclusion ended: {', '.join(names[:_NAMED])}{more}.\n"
        "Close what can be closed, or ask for an exclusion anew.",
        path=reverse("admin:audits_finding_changelist"),
    )


def warn(*, at: datetime) -> int:
    """Tell of the exclusions that end soon, each once. Returns how many there were to tell of."""
    day = at.date()
    soon = Exclusion.objects.filter(
        expires__range=(day, day + timedelta(days=settings.EXCLUSION_WARNING_DAYS))
    )
    names = {
        (platform, group_id): name
        for platform, group_id, name in Group.objects.filter(
            external_id__in=soon.values("group_external_id")
        ).values_list("platform", "external_id", "name")
    }
    told = 0
    for row in with_need(soon).select_related("employee").order_by("expires", "pk"):
        told += _tell_ending(row, names.get((row.platform, row.group_external_id), row.group_external_id))
    return told


def _tell_ending(exclusion: Any, group: str) -> bool:
    who = exclusion.employee.name if exclusion.employee is not None else exclusion.get_kind_display()
    then = (
        "After that its findings are open again. Ask for it anew, or let it end."
        if exclusion.is_needed
        else "It hides nothing any more: let it end."
    )
    notice = write(
        kind=NoticeKind.EXCLUSION_ENDING,
        text=f"The exclusion of {who} in {group} ends on {day_in_words(exclusion.expires)}.\n{then}",
        path=reverse("admin:members_exclusion_change", args=[exclusion.pk]),
        once=f"exclusion {exclusion.pk} ends {exclusion.expires}",
    )
    return notice is not None
