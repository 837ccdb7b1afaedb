"""`members.ui` and `members.charts` as template tags: `{% load ui %}{% badge "Active" "good" %}`."""

from __future__ import annotations

from django import template

from members import charts, light_lists, time_charts, ui

register = template.Library()
for piece in (ui.badge, ui.time_tag, ui.progress_bar, ui.stat_card, ui.empty_state):
    register.simple_tag(piece)
for chart in (
    charts.sparkline,
    charts.bars,
    charts.share_bar,
    time_charts.line_chart,
    time_charts.flow_chart,
):
    register.simple_tag(chart)
register.filter("duration", ui.duration)
register.inclusion_tag("admin/date_hierarchy.html")(light_lists.date_choices)


@register.filter
def number(count: int) -> str:
    """1797 → "1,797", as columns and sentences have it."""
    return f"{count:,}"


@register.filter
def signed(number: int) -> str:
    """3 → "+3", −2 → "−2" with a proper minus."""
    return f"{number:+,}".replace("-", "\N{MINUS SIGN}")
