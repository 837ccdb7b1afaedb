"""Small charts as inline SVG from the server: no script, no style attribute, dark and light, printable.

Every chart carries its numbers as text as well: a sparkline as title and description, bars as a real table.
Colours come from theme.css through classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from members.ui import Tone

WIDTH, HEIGHT, MARGIN = 160, 40, 3
"""The sparkline's own units; the page scales it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart."""

    label: str
    value: float
    note: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a whole."""

    label: str
    value: int
    tone: Tone


def sparkline(values: Sequence[float | None], title: str, description: str = "") -> SafeString:
    """A trend line of values at equal distances, oldest first; None leaves a gap.

    `title` names it for readers who do not see it; `description` defaults to its first, last, lowest and
    highest value. Fewer than two known values give an empty string: a dot is not a trend.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return SafeString("")
    low, high = min(known), max(known)
    described = description or (
        f"From {known[0]:g} to {known[-1]:g} over {len(values)} points, lowest {low:g}, highest {high:g}."
    )
    lines = format_html_join(
        "", '<polyline class="spark-line" points="{}"/>', ((run,) for run in _runs(values))
    )
    newest = max(index for index, value in enumerate(values) if value is not None)
    x, y = _point(newest, known[-1], len(values), low, high)
    return format_html(
        '<svg class="chart spark" viewBox="0 0 {} {}" preserveAspectRatio="xMinYMid" role="img">'
        '<title>{}</title><desc>{}</desc>{}<circle class="spark-dot" cx="{}" cy="{}" r="2.5"/></svg>',
        WIDTH,
        HEIGHT,
        title,
        described,
        lines,
        _number(x),
        _number(y),
    )


def _runs(values: Sequence[float | None]) -> list[str]:
    """The polyline of every stretch without a gap."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    runs: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            x, y = _point(index, value, len(values), low, high)
            runs[-1].append(f"{_number(x)},{_number(y)}")
    return [" ".join(run) for run in runs if run]


def _point(index: int, value: float, count: int, low: float, high: float) -> tuple[float, float]:
    """Where a value lies in the drawing; a flat line runs through the middle."""
    x = MARGIN + index / (count - 1) * (WIDTH - 2 * MARGIN)
    share = (value - low) / (high - low) if high > low else 0.5
    return x, HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)


def percent(part: float, whole: float) -> str:
    """A share without a lie at its ends: "100 %" only when nothing is missing, "0 %" only when all is."""
    rounded = round(100 * part / whole)
    return f"{min(max(rounded, 1), 99) if 0 < part < whole else rounded} %"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def bars(
    rows: Sequence[Bar],
    caption: str,
    *,
    label_heading: str,
    value_heading: str,
    unit: str = "",
    longest: float | None = None,
) -> SafeString:
    """Horizontal bars as a table that reads well without the bars.

    A bar of `longest` (default: the largest value) fills its column. `unit` follows every value, like " %".
    """
    longest = longest or max((row.value for row in rows), default=0) or 1
    body = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td class="bar-value">{}{}</td><td class="bar-cell">'
        '<svg class="chart bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-track" width="100" height="8"/><rect class="bar-fill" width="{}" height="8"/></svg>'
        '</td><td class="bar-note">{}</td></tr>',
        (
            (
                format_html('<a href="{}">{}</a>', row.url, row.label) if row.url else row.label,
                f"{row.value:,.10g}",
                unit,
                _number(100 * row.value / longest),
                row.note,
            )
            for row in rows
        ),
    )
    return format_html(
        '<table class="bars"><caption class="visually-hidden">{}</caption><thead class="visually-hidden"><tr>'
        '<th scope="col">{}</th><th scope="col">{}</th><td></td><td></td></tr></thead>'
        "<tbody>{}</tbody></table>",
        caption,
        label_heading,
        value_heading,
        body,
    )


def share_bar(parts: Sequence[Part], title: str) -> SafeString:
    """A whole and its parts in one bar, with a legend that carries the numbers."""
    shown = [part for part in parts if part.value > 0]
    total = sum(part.value for part in shown)
    if not total:
        return SafeString("")
    pieces, start = [], 0.0
    for part in shown:
        width = 100 * part.value / total
        pieces.append((part.tone, _number(start), _number(width)))
        start += width
    drawn = format_html_join("", '<rect class="fill-{}" x="{}" width="{}" height="8"/>', pieces)
    legend = format_html_join(
        "",
        '<li class="tone-{}">{} <strong>{}</strong> ({})</li>',
        ((part.tone, part.label, f"{part.value:,}", percent(part.value, total)) for part in shown),
    )
    return format_html(
        '<figure class="share"><figcaption>{}</figcaption>'
        '<svg class="chart bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
        '<ul class="legend">{}</ul></figure>',
        title,
        drawn,
        legend,
    )
