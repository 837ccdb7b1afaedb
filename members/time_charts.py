"""Charts over time as inline SVG from the server: lines, and columns up and down from a line.

Like those of `members.charts` they need no script and no style attribute, and carry their numbers as a table.
The drawing stretches with the page, so words and axes stand beside it as text and keep their size on a phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil, floor, log10

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 1000, 200
"""The drawing's own units; the page stretches it."""
LABELS = 4
"""How many moments the time axis names."""
DOTS = 24
"""Up to so many points of a line are marked; more would be a caterpillar."""


@dataclass(frozen=True, slots=True)
class Point:
    at: datetime
    value: float
    note: str = ""
    """What the value is made of, like "328 of 400"."""


@dataclass(frozen=True, slots=True)
class Series:
    label: str
    points: tuple[Point, ...]
    """The oldest first."""


def line_chart(
    series: Sequence[Series], title: str, *, unit: str = "", most: float | None = None
) -> SafeString:
    """Lines over one time axis. Empty while no series has two points: a dot is not a trend.

    The value axis fits the values, which are not negative, and ends at `most`. `unit` follows every value.
    """
    shown = [each for each in series if each.points]
    if all(len(each.points) < 2 for each in shown):
        return SafeString("")
    times = sorted({point.at for each in shown for point in each.points})
    values = [point.value for each in shown for point in each.points]
    frame = _Frame(times[0], times[-1], _axis(min(values), max(values), most))
    drawn = format_html(
        "{}{}{}",
        format_html_join("", '<path class="plot-grid" d="M0 {}H{}"/>', _grid(frame)),
        _hits(shown, times, frame, unit),
        format_html_join("", "{}", ((_line(number, each, frame),) for number, each in enumerate(shown, 1))),
    )
    legend = (
        (number, each.label, f"{_plain(each.points[-1].value)}{unit}", each.points[-1].note)
        for number, each in enumerate(shown, 1)
    )
    return format_html(
        '<figure class="plot"><figcaption class="visually-hidden">{}</figcaption>'
        '<ul class="plot-legend">{}</ul>'
        '<div class="plot-body"><div class="plot-y" aria-hidden="true">{}</div>{}'
        '<div class="plot-x" aria-hidden="true">{}</div></div>{}</figure>',
        title,
        format_html_join(
            "", '<li class="plot-key-{}">{} <strong>{}</strong> <span class="quiet">{}</span></li>', legend
        ),
        format_html_join("", "<span>{}{}</span>", ((_plain(tick), unit) for tick in reversed(frame.ticks))),
        _svg(title, "; ".join(_described(each, unit) for each in shown), drawn),
        format_html_join("", "<span>{}</span>", ((text,) for text in _dates(times[0], times[-1]))),
        _line_table(shown, times, title, unit),
    )


@dataclass(frozen=True, slots=True)
class Flow:
    """What came and what went in one stretch of time."""

    label: str
    came: int
    went: int


def flow_chart(flows: Sequence[Flow], title: str, *, came: str, went: str) -> SafeString:
    """Columns up for what came and down for what went, on one scale; empty while there is neither."""
    most = max((max(flow.came, flow.went) for flow in flows), default=0)
    if not most:
        return SafeString("")
    above = max(flow.came for flow in flows) / most
    below = max(flow.went for flow in flows) / most
    unit = HEIGHT / (above + below)
    zero, step = above * unit, WIDTH / len(flows)
    columns = (
        (
            _number(number * step),
            _number(step),
            f"{flow.label}: {flow.came:,} {came.lower()}, {flow.went:,} {went.lower()}",
            _number(number * step + 0.18 * step),
            _number(zero - flow.came / most * unit),
            _number(0.64 * step),
            _number(flow.came / most * unit),
            _number(number * step + 0.18 * step),
            _number(zero),
            _number(0.64 * step),
            _number(flow.went / most * unit),
        )
        for number, flow in enumerate(flows)
    )
    drawn = format_html_join(
        "",
        f'<rect class="plot-hit" x="{{}}" width="{{}}" height="{HEIGHT}"><title>{{}}</title></rect>'
        '<rect class="fill-bad" x="{}" y="{}" width="{}" height="{}"/>'
        '<rect class="fill-good" x="{}" y="{}" width="{}" height="{}"/>',
        columns,
    )
    total_came, total_went = sum(flow.came for flow in flows), sum(flow.went for flow in flows)
    baseline = format_html('<path class="plot-zero" d="M0 {}H{}"/>', _number(zero), WIDTH)
    return format_html(
        '<figure class="plot plot-flow"><figcaption class="visually-hidden">{}</figcaption>'
        '<ul class="plot-legend legend"><li class="tone-bad">{} <strong>{}</strong></li>'
        '<li class="tone-good">{} <strong>{}</strong></li></ul><div class="plot-body">{}'
        '<div class="plot-x" aria-hidden="true"><span>{}</span><span>{}</span></div></div>{}</figure>',
        title,
        came,
        f"{total_came:,}",
        went,
        f"{total_went:,}",
        _svg(title, f"{came}: {total_came:,}; {went.lower()}: {total_went:,}.", drawn + baseline),
        flows[0].label,
        flows[-1].label,
        _table(title, ("When", came, went), ((f.label, f"{f.came:,}", f"{f.went:,}") for f in flows)),
    )


# --- Where things lie --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Frame:
    """The stretch of time and the values that the drawing spans."""

    start: datetime
    end: datetime
    ticks: tuple[float, ...]

    def x(self, at: datetime) -> float:
        span = self.end - self.start
        return WIDTH * ((at - self.start) / span) if span else WIDTH / 2

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return HEIGHT * (1 - (value - low) / (high - low))


def _axis(low: float, high: float, most: float | None) -> tuple[float, ...]:
    """Evenly spaced round values from below the lowest, three to seven of them; none above `most`."""
    rough = max(high - low, high / 10, 4) / 4
    power = 10 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = floor(low / step), ceil(high / step)
    while last - first < 2:
        if first > 0 and (most is None or last * step >= most):
            first -= 1
        else:
            last += 1
    return tuple(step * number for number in range(first, last + 1))


def _grid(frame: _Frame) -> Iterable[tuple[str, int]]:
    return ((_number(frame.y(tick)), WIDTH) for tick in frame.ticks)


def _line(number: int, series: Series, frame: _Frame) -> SafeString:
    places = [(_number(frame.x(point.at)), _number(frame.y(point.value))) for point in series.points]
    line = format_html(
        '<polyline class="plot-line plot-line-{}" points="{}"/>',
        number,
        " ".join(f"{x},{y}" for x, y in places),
    )
    marked = places if len(places) <= DOTS else places[-1:]
    dots = format_html_join(
        "", '<path class="plot-dot plot-line-{}" d="M{} {}h0"/>', ((number, *p) for p in marked)
    )
    return line + dots


def _hits(series: Sequence[Series], times: Sequence[datetime], frame: _Frame, unit: str) -> SafeString:
    """A stripe around each moment that tells its values to whoever points at it."""
    at = [frame.x(moment) for moment in times]
    edges = [0.0, *((left + right) / 2 for left, right in pairwise(at)), float(WIDTH)]
    said: dict[datetime, list[str]] = {moment: [] for moment in times}
    for each in series:
        for point in each.points:
            note = f" ({point.note})" if point.note else ""
            said[point.at].append(f"{each.label} {_plain(point.value)}{unit}{note}")
    stripes = (
        (_number(left), _number(right - left), HEIGHT, f"{_moment(moment)}: {'; '.join(said[moment])}")
        for moment, (left, right) in zip(times, pairwise(edges), strict=True)
    )
    stripe = '<rect class="plot-hit" x="{}" width="{}" height="{}"><title>{}</title></rect>'
    return format_html_join("", stripe, stripes)


# --- Words -------------------------------------------------------------------------------------


def _svg(title: str, description: str, drawn: SafeString) -> SafeString:
    return format_html(
        '<svg class="plot-drawing" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img">'
        "<title>{}</title><desc>{}</desc>{}</svg>",
        WIDTH,
        HEIGHT,
        title,
        description,
        drawn,
    )


def _described(series: Series, unit: str) -> str:
    first, last = series.points[0], series.points[-1]
    return (
        f"{series.label}: from {_plain(first.value)}{unit} on {_moment(first.at)} "
        f"to {_plain(last.value)}{unit} on {_moment(last.at)}"
    )


def _line_table(series: Sequence[Series], times: Sequence[datetime], title: str, unit: str) -> SafeString:
    values = [{point.at: point for point in each.points} for each in series]

    def cell(point: Point | None) -> str:
        if point is None:
            return "–"
        return f"{_plain(point.value)}{unit}" + (f" ({point.note})" if point.note else "")

    rows = ((_moment(at), *(cell(each.get(at)) for each in values)) for at in reversed(times))
    return _table(title, ("When", *(each.label for each in series)), rows)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> SafeString:
    body = format_html_join(
        "",
        '<tr><th scope="row">{}</th>{}</tr>',
        ((row[0], format_html_join("", "<td>{}</td>", ((cell,) for cell in row[1:]))) for row in rows),
    )
    return format_html(
        '<details class="plot-data"><summary>Numbers</summary><div class="scroll" tabindex="0" role="group" '
        'aria-label="{}"><table class="lines"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
        "</div></details>",
        title,
        format_html_join("", '<th scope="col">{}</th>', ((each,) for each in head)),
        body,
    )


def _dates(start: datetime, end: datetime) -> list[str]:
    """The moments at even distances that the time axis names."""
    span = end - start
    moments = [timezone.localtime(start + span * number / (LABELS - 1)) for number in range(LABELS)]
    if span < timedelta(days=2):
        return [f"{moment:%H:%M %Z}" for moment in moments]
    if span < timedelta(days=300):
        return [f"{moment.day} {moment:%b}" for moment in moments]
    return [f"{moment:%b %Y}" for moment in moments]


def _moment(at: datetime) -> str:
    local = timezone.localtime(at)
    return f"{local.day} {local:%b %Y, %H:%M %Z}"


def _plain(value: float) -> str:
    """ "1,240", "82", "0.5": no more digits than tell something."""
    return f"{round(value, 1):,.10g}" if value < 10 else f"{round(value):,}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
