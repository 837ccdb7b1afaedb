"""Pieces of admin HTML that every floor shares: badges, times, progress bars, empty states.

All return safe HTML built with `format_html`, so any text may be passed in. Their looks live in the admin
theme's theme.css and their liveliness in its progress.js and times.js; nothing here carries a style attribute
or a script, so a strict Content-Security-Policy holds and the pages work without JavaScript.

Template authors find the same pieces as tags: `{% load ui %}`. Charts are in `members.charts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, get_args

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

Tone = Literal["good", "warn", "bad", "info", "muted"]
"""What a state means to the reader; the text says the same in words."""

DASH = "–"
"""Stands for "no value"."""

NBSP = "\N{NO-BREAK SPACE}"


def badge(text: object, tone: Tone = "muted", *, hint: str = "") -> SafeString:
    """A small coloured label for a state, for list columns and headings.

    The text always tells the state, so nothing depends on colour alone, and begins with a capital wherever it
    comes from. `hint` appears on hover.
    Raises ValueError for an unknown tone, which would otherwise show up as a badge without colour.
    """
    if tone not in get_args(Tone):
        raise ValueError(f"Unknown tone {tone!r}: use one of {', '.join(get_args(Tone))}.")
    title = format_html(' title="{}"', hint) if hint else ""
    return format_html('<span class="badge badge-{}"{}>{}</span>', tone, title, capfirst(str(text)))


def time_tag(moment: datetime | None, *, empty: str = DASH) -> SafeString:
    """A moment as `<time>`: in the current time zone, with UTC on hover.

    `moment` must be aware. times.js turns the text into the reader's own zone; without it the zone of the
    server's `TIME_ZONE` (or of `timezone.activate`) is shown and named.
    """
    if moment is None:
        return format_html('<span class="empty-value">{}</span>', empty)
    utc = moment.astimezone(UTC)
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{} UTC" data-local>{} {}</time>',
        utc.isoformat(timespec="seconds"),
        _clock(utc),
        _clock(local),
        local.tzname() or "UTC",
    )


def _clock(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y, %H:%M}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units: "45 s", "2 min 5 s", "3 h 20 min". It never wraps."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest if not hours else 0, "s"))
    shown = [f"{count}{NBSP}{unit}" for count, unit in parts if count]
    return NBSP.join(shown) or f"0{NBSP}s"


def time_to_go(eta_seconds: float | None, words: str = "to go") -> str:
    """How long a job still takes, in words; empty when nobody can tell yet. progress.js says the same."""
    return "" if eta_seconds is None else f"about {duration(eta_seconds)} {words}"


def progress_bar(
    label: str,
    done: int = 0,
    total: int | None = None,
    *,
    percent: float | None = None,
    eta_seconds: float | None = None,
    eta_words: str = "to go",
    poll_url: str = "",
    state: str = "",
    live: str = "",
) -> SafeString:
    """A bar with its label, "12 of 528" (or "34 %") and the time to go; `eta_words` say to what.

    Give `done` and `total`, or `percent` (0–100) where the work has no countable pieces. With neither known
    yet, the bar only shows that work goes on.
    With `poll_url`, progress.js asks that URL every 1.5 seconds and moves the bar. The answer is JSON:
    `{"state": str, "label": str, "done": int, "total": int | null, "percent": float | null,
    "eta_seconds": float | null, "finished": bool, "url": str | null}`. When `finished` is true the page
    offers a link to `url`, or reloads itself where there is none; it also reloads when the job is no longer
    in `state`, which the rest of the page shows. Two more are optional: "eta_words", and "html", which takes
    the place of what is in the element whose id is `live`. Without JavaScript the reader reloads.
    """
    follow = SafeString("")
    if poll_url:
        follow = format_html(' data-progress="{}" data-state="{}" data-live="{}"', poll_url, state, live)
    if total:
        count, value = f"{done:,} of {total:,}", format_html(' value="{}" max="{}"', done, total)
    elif percent is not None:
        count, value = f"{percent:.0f} %", format_html(' value="{}" max="100"', round(percent))
    else:
        count, value = "", SafeString("")
    reload = SafeString('<noscript><a href="">Show the latest state</a></noscript>') if poll_url else ""
    return format_html(
        '<div class="progress"{}><p class="progress-head"><span class="progress-label">{}</span>'
        '<span class="progress-count">{}</span></p><progress aria-label="{}"{}></progress>'
        '<p class="progress-foot"><span class="progress-eta">{}</span>{}</p>'
        '<span class="visually-hidden progress-news" role="status" aria-live="polite"></span></div>',
        follow,
        label,
        count,
        label,
        value,
        time_to_go(eta_seconds, eta_words),
        reload,
    )


def stat_card(
    label: str,
    value: object,
    *,
    note: str = "",
    tone: Tone | Literal[""] = "",
    url: str = "",
    chart: SafeString | None = None,
) -> SafeString:
    """One number of a dashboard with what it counts; the whole card leads to `url` when there is one.

    `tone` puts a coloured marker before the label; `chart` stands below everything else.
    """
    name = format_html('<a href="{}">{}</a>', url, label) if url else format_html("{}", label)
    marker = f" tone-{tone}" if tone else ""
    foot = format_html('<p class="stat-note">{}</p>', note) if note else ""
    return format_html(
        '<div class="stat"><h2 class="stat-label{}">{}</h2><p class="stat-value">{}</p>{}{}</div>',
        marker,
        name,
        value,
        foot,
        chart or "",
    )


def empty_state(title: str, hint: str = "", *, action: str = "", url: str = "") -> SafeString:
    """What stands where a list would be: what is missing, and what to do next."""
    button = format_html('<p><a class="button" href="{}">{}</a></p>', url, action) if action and url else ""
    text = format_html("<p>{}</p>", hint) if hint else ""
    return format_html(
        '<div class="empty-state"><p class="empty-title">{}</p>{}{}</div>', title, text, button
    )


def named_actions(choices: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The choices of a list's actions; the empty one says what it is for, instead of "---------"."""
    return [(value, label if value else "Choose…") for value, label in choices]
