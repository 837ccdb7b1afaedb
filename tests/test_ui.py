"""The shared pieces of admin HTML: badges, times, progress bars, cards, empty states, charts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from django.template import Context, Template
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from members.charts import Bar, Part, bars, percent, share_bar, sparkline
from members.ui import badge, duration, empty_state, progress_bar, stat_card, time_tag

NASTY = '<script>"&'
ESCAPED = "&lt;script&gt;&quot;&amp;"


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def svg(html: str) -> ElementTree.Element:
    """The one drawing in a piece of HTML, which has to be well-formed XML."""
    found = re.search(r"<svg.*?</svg>", html, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found[0])  # noqa: S314  # our own output


# --- Badges, cards, empty states ---


def test_a_badge_says_its_state_in_words() -> None:
    assert badge("failed", "bad") == '<span class="badge badge-bad">Failed</span>'
    assert 'title="since Monday"' in badge("Failed", "bad", hint="since Monday")


def test_an_unknown_tone_is_refused_before_anybody_sees_a_colourless_badge() -> None:
    with pytest.raises(ValueError, match="good, warn, bad, info, muted"):
        badge("Failed", "red")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "html",
    [
        badge(NASTY, hint=NASTY),
        progress_bar(NASTY, percent=1),
        stat_card(NASTY, NASTY, note=NASTY, url=NASTY),
        empty_state(NASTY, NASTY, action=NASTY, url=NASTY),
        sparkline([1, 2], NASTY, NASTY),
        bars([Bar(NASTY, 1, NASTY, NASTY)], NASTY, label_heading=NASTY, value_heading=NASTY),
        share_bar([Part(NASTY, 1, "good")], NASTY),
    ],
)
def test_any_text_may_be_passed_in(html: str) -> None:
    assert NASTY not in html
    assert ESCAPED in html


def test_a_card_leads_to_its_rows() -> None:
    assert '<a href="/rows/">Groups</a>' in stat_card("Groups", 7, url="/rows/")
    assert "<a" not in stat_card("Groups", 7)


def test_an_empty_state_offers_what_to_do_next() -> None:
    assert '<a class="button" href="/add/">Add</a>' in empty_state("Nothing", action="Add", url="/add/")
    assert "<a" not in empty_state("Nothing", action="Add", url="")


# --- Times ---


def test_a_time_is_shown_in_the_current_zone_with_utc_on_hover() -> None:
    with timezone.override("Europe/Berlin"):
        html = time_tag(datetime(2026, 7, 1, 22, 30, tzinfo=UTC))

    assert html == (
        '<time datetime="2026-07-01T22:30:00+00:00" title="1 Jul 2026, 22:30 UTC" data-local>'
        "2 Jul 2026, 00:30 CEST</time>"
    )


def test_no_time_is_a_dash() -> None:
    assert "–" in time_tag(None)
    assert "never" in time_tag(None, empty="never")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (3599.9, "1 h"),
        (12_059, "3 h 20 min"),
    ],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert plain(duration(seconds)) == text


# --- Progress ---


def test_a_bar_of_counted_work_shows_both_numbers_and_the_time_to_go() -> None:
    html = plain(progress_bar("Reading groups", 12, 528, eta_seconds=90))

    assert '<progress aria-label="Reading groups" value="12" max="528">' in html
    assert "12 of 528" in html
    assert "about 1 min 30 s to go" in html


def test_a_bar_of_uncounted_work_shows_its_share() -> None:
    html = progress_bar("Reading groups", percent=34.4)

    assert 'value="34" max="100"' in html
    assert "34 %" in html


def test_a_bar_whose_end_nobody_knows_has_no_value() -> None:
    assert re.search(r'<progress aria-label="Starting"></progress>', progress_bar("Starting"))


def test_only_a_bar_with_an_address_asks_for_news() -> None:
    assert 'data-progress="/news/"' in progress_bar("Reading", poll_url="/news/")
    assert "data-progress" not in progress_bar("Reading")


# --- Charts ---


def test_a_trend_tells_its_numbers_to_those_who_do_not_see_it() -> None:
    drawing = svg(sparkline([3, None, 5, 4], "Open findings"))

    assert drawing.get("role") == "img"
    assert drawing.findtext("title") == "Open findings"
    assert drawing.findtext("desc") == "From 3 to 4 over 4 points, lowest 3, highest 5."


def test_one_value_is_no_trend() -> None:
    assert sparkline([None, 3, None], "Open findings") == ""


@given(st.lists(st.none() | st.floats(0, 1e9), min_size=2, max_size=40))
def test_a_trend_stays_in_its_frame_and_leaves_gaps_where_nothing_is_known(
    values: list[float | None],
) -> None:
    html = sparkline(values, "Trend")
    if not html:
        assert len([value for value in values if value is not None]) < 2
        return
    lines = [line.get("points", "").split() for line in svg(html).iter("polyline")]
    points = [tuple(map(float, point.split(","))) for line in lines for point in line]

    assert len(points) == len([value for value in values if value is not None])
    assert all(0 <= x <= 160 and 0 <= y <= 40 for x, y in points)
    assert all(left[0] < right[0] for left, right in pairwise(points))
    starts = [i for i, value in enumerate(values) if value is not None and (i == 0 or values[i - 1] is None)]
    assert len(lines) == len(starts)


def test_bars_are_a_table_that_reads_well_without_them() -> None:
    rows = [Bar("Missing", 1200, "of 2,000", "/missing/"), Bar("Public", 300)]
    html = bars(rows, "Findings", label_heading="Kind", value_heading="Open")

    assert '<caption class="visually-hidden">Findings</caption>' in html
    assert '<th scope="row"><a href="/missing/">Missing</a></th><td class="bar-value">1,200</td>' in html
    assert re.findall(r'class="bar-fill" width="([\d.]+)"', html) == ["100", "25"]


def test_bars_may_share_a_scale() -> None:
    html = bars([Bar("Intro", 40)], "Share", label_heading="", value_heading="", unit=" %", longest=100)

    assert 'class="bar-fill" width="40"' in html
    assert "40 %" in html


def test_a_whole_shows_only_parts_that_exist_and_they_fill_it() -> None:
    html = share_bar(
        [Part("Complete", 3, "good"), Part("Exempt", 0, "muted"), Part("Incomplete", 1, "bad")], "Slack"
    )
    drawn = [(float(part.get("x", "")), float(part.get("width", ""))) for part in svg(html).iter("rect")]

    assert drawn == [(0, 75), (75, 25)]
    assert "Complete <strong>3</strong> (75 %)" in html
    assert "Exempt" not in html


def test_a_whole_without_parts_is_not_drawn() -> None:
    assert share_bar([Part("Complete", 0, "good")], "Slack") == ""


@given(st.integers(1, 10**6), st.data())
def test_a_share_is_full_or_empty_only_when_it_really_is(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))

    assert (percent(part, whole) == "100 %") == (part == whole)
    assert (percent(part, whole) == "0 %") == (part == 0)


# --- In templates ---


def test_templates_have_the_same_pieces_as_tags() -> None:
    template = Template('{% load ui %}{% badge "Active" "good" %}{{ seconds|duration }}')

    assert plain(template.render(Context({"seconds": 60}))) == f"{badge('Active', 'good')}1 min"
