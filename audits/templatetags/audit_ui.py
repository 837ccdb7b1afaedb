"""The audit pages' own badges, cards and links, as template tags."""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from audits.contract import totals
from audits.display import (
    CHANGE_TONES,
    VERDICT_TONES,
    ended,
    progress_label,
    run_badge,
    run_time,
    started_by,
    words,
)
from audits.lifecycle import State
from audits.models import AuditRun, Finding
from audits.run_page import RunPage
from members.charts import percent
from members.list_filters import ALL
from members.ui import DASH, badge, stat_card

register = template.Library()
register.simple_tag(run_badge)
register.filter(progress_label)
register.filter(run_time)
register.filter(started_by)


@register.simple_tag
def change_badge(change: str) -> SafeString:
    return badge(words(change), CHANGE_TONES[change])


@register.simple_tag
def verdict_badge(verdict: str) -> SafeString:
    return badge(words(verdict), VERDICT_TONES[verdict])


@register.simple_tag
def coverage_card(run: AuditRun, page: RunPage) -> SafeString:
    """How many of the groups that need the full team have it; leads to those that do not."""
    share = percent(page.complete, page.judged) if page.judged else DASH
    note = f"{page.complete:,} of {page.judged:,} groups complete"
    return stat_card("Coverage", share, note=note, url=results_url(run, verdict__exact="incomplete"))


@register.simple_tag
def groups_card(run: AuditRun) -> SafeString:
    """How many groups the run judged; leads to their rows."""
    flags = totals(run)
    return stat_card(
        "Groups",
        f"{flags['groups']:,}",
        note=f"{flags['public_channels']:,} public, {flags['hidden_history']:,} with hidden history, "
        f"{flags['deprecated_names']:,} to rename",
        url=results_url(run),
    )


@register.simple_tag
def findings_card(run: AuditRun) -> SafeString:
    """How many problems were open when the run ended, and what it did to them."""
    note = f"{run.open_before:,} before, {run.opened + run.reopened:,} new, {ended(run)}"
    return stat_card(
        "Open findings", f"{run.open_findings:,}", note=note, url=reverse("admin:audits_finding_changelist")
    )


@register.simple_tag
def results_url(run: AuditRun, **filters: str) -> str:
    """The list of the run's groups."""
    query = urlencode({"run": str(run.pk), **filters})
    return f"{reverse('admin:audits_groupresult_changelist')}?{query}"


@register.simple_tag
def changes_url(run: AuditRun, change: str) -> str:
    """The list of the findings that the run changed so, whatever has become of them since."""
    query = urlencode({"changed_by": f"{run.pk}-{change}", "state__exact": ALL})
    return f"{reverse('admin:audits_finding_changelist')}?{query}"


@register.simple_tag
def open_findings(**filters: object) -> int:
    """How many findings are open, of one group or one employee."""
    return Finding.objects.filter(state=State.OPEN, **filters).count()
