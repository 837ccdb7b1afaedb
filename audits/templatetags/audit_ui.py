"""The audit pages' own badges and cards, as template tags."""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from audits.display import CHANGE_TONES, VERDICT_TONES, run_badge, words
from audits.models import AuditRun
from members.ui import badge, stat_card

register = template.Library()
register.simple_tag(run_badge)


@register.simple_tag
def change_badge(change: str) -> SafeString:
    return badge(words(change), CHANGE_TONES[change])


@register.simple_tag
def results_card(run: AuditRun) -> SafeString:
    """How many groups the run judged; leads to their rows."""
    return stat_card("Groups", run.summary.get("groups", 0), url=_results_url(run))


@register.simple_tag
def verdict_card(run: AuditRun, verdict: str, count: int) -> SafeString:
    """How many groups got one verdict; leads to their rows."""
    return stat_card(
        words(verdict), count, tone=VERDICT_TONES[verdict], url=_results_url(run, verdict=verdict)
    )


@register.simple_tag
def coverage_card(run: AuditRun) -> SafeString:
    return stat_card(
        "Coverage", f"{run.summary.get('coverage', 0):.0%}", note="of the groups that need the full team"
    )


def _results_url(run: AuditRun, **filters: str) -> str:
    return f"{reverse('admin:audits_groupresult_changelist')}?{urlencode({'run': run.pk, **filters})}"
