"""A run's report as PDF, made with ReportLab. Names go through `letters.markup`: none breaks or vanishes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, Literal

from django.utils import timezone
from reportlab.graphics.shapes import Circle, Drawing, Line, PolyLine, Rect, SolidShape, String
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    LongTable,
    PageTemplate,
    Paragraph,
    Spacer,
    TableStyle,
)

from audits.display import run_time, started_by
from audits.printing.content import Changes, Gap, PlatformLine, PrintedRun
from audits.printing.letters import BOLD, PLAIN, markup, register_fonts
from members.charts import percent
from members.dates import day_in_words
from members.platforms.types import Platform
from members.time_charts import Series

Anchor = Literal["start", "end"]

MARGIN = 16 * mm
FOOT = 4 * mm
WIDTH = A4[0] - 2 * MARGIN

_INK, _QUIET, _RULE = HexColor("#1d222b"), HexColor("#59616e"), HexColor("#e4e7ec")
_FILLS = {
    "good": HexColor("#3fa56f"),
    "bad": HexColor("#d6566a"),
    "warn": HexColor("#b9801a"),
    "info": HexColor("#5589dd"),
    "muted": HexColor("#8b93a0"),
}
_LINES = (HexColor("#3446b8"), HexColor("#0f8a7e"))


def _style(name: str, size: float, **values: Any) -> ParagraphStyle:
    options: dict[str, Any] = {"fontName": PLAIN, "leading": size * 1.35, "textColor": _INK, **values}
    return ParagraphStyle(name, fontSize=size, **options)


TITLE = _style("title", 18, fontName=BOLD, spaceAfter=2 * mm)
HEADING = _style("heading", 11, fontName=BOLD, spaceBefore=6 * mm, spaceAfter=2 * mm)
TEXT = _style("text", 8.5)
STRONG = _style("strong", 8.5, fontName=BOLD)
QUIET = _style("quiet", 8, textColor=_QUIET)
HEAD = _style("head", 8, textColor=_QUIET)
NUMBER = _style("number", 8.5, alignment=TA_RIGHT)


def write_pdf(printed: PrintedRun) -> bytes:
    """The report as the bytes of a file.

    Raises UnreadableFont when REPORT_FONTS names something that is no font.
    """
    register_fonts()
    file, title = BytesIO(), f"Group Admin: {printed.run}"
    document = BaseDocTemplate(file, pagesize=A4, title=title, author="Group Admin", lang="en")
    frame = Frame(
        MARGIN,
        MARGIN + FOOT,
        WIDTH,
        A4[1] - 2 * MARGIN - FOOT,
        leftPadding=0,
        rightPadding=0,
        topPadding=0,
        bottomPadding=0,
    )

    def foot(canvas: Canvas, _: Any) -> None:
        canvas.setFont(PLAIN, 7.5)
        canvas.setFillColor(_QUIET)
        canvas.drawString(MARGIN, 10 * mm, f"{title} · {_moment(printed.run.finished_at)}")
        canvas.drawRightString(A4[0] - MARGIN, 10 * mm, f"Page {canvas.getPageNumber()}")

    document.addPageTemplates(PageTemplate(frames=[frame], onPage=foot))
    document.build(list(_story(printed)))
    return file.getvalue()


def _story(printed: PrintedRun) -> Iterator[Flowable]:
    run = printed.run
    platforms = " and ".join(Platform(name).label for name in run.platforms)
    yield Paragraph(markup(f"{run}: {platforms}", BOLD), TITLE)
    yield Paragraph(
        markup(
            f"{run.get_state_display()} on {_moment(run.finished_at)}, in {run_time(run)}; "
            f"started by {started_by(run)}. Findings: {run.opened + run.reopened:,} opened, "
            f"{run.resolved:,} resolved, {run.excluded:,} excluded, {run.open_findings:,} open afterwards."
        ),
        TEXT,
    )
    for line in run.message.splitlines():
        yield Paragraph(markup(line), TEXT)
    yield from _heading("Coverage")
    yield Paragraph(
        markup(
            f"{printed.share}: {printed.share.complete:,} of {printed.share.judged:,} groups that need "
            "the full team and could be judged have it."
        ),
        TEXT,
    )
    yield Spacer(1, 2 * mm)
    for platform in printed.platforms:
        yield _share(platform)
        yield Paragraph(_legend(platform), QUIET)
        yield Spacer(1, 2 * mm)
    if any(len(each.points) > 1 for each in printed.series):
        yield _trend(printed.series)
    yield from _categories(printed)
    yield from _gaps(printed)
    for changes in printed.changes:
        yield from _changes(changes)
    yield from _unseen(printed)


# --- Pictures ----------------------------------------------------------------------------------


def _share(line: PlatformLine) -> Drawing:
    drawing = Drawing(WIDTH, 11)
    drawing.add(String(0, 2, f"{line.platform} {line.share}", fontName=BOLD, fontSize=8.5, fillColor=_INK))
    total, x, room = sum(part.value for part in line.parts), 80.0, WIDTH - 80
    for part in line.parts:
        width = room * part.value / total if total else 0
        drawing.add(_plain(Rect(x, 1, width, 8), _FILLS[part.tone]))
        x += width
    return drawing


def _plain(shape: SolidShape, color: Color) -> SolidShape:
    """Filled, without a rim."""
    shape.fillColor, shape.strokeColor = color, None
    return shape


def _legend(line: PlatformLine) -> str:
    total = sum(part.value for part in line.parts)
    shown = (
        f"{part.label} {part.value:,} ({percent(part.value, total)})" for part in line.parts if part.value
    )
    return markup(" · ".join(shown))


def _trend(series: Sequence[Series]) -> Drawing:
    """Coverage over time, from 0 to 100 per cent; the second line is dashed."""
    height, left, below = 90.0, 34.0, 14.0
    drawing = Drawing(WIDTH, height + below + 12)
    times = [point.at for each in series for point in each.points]
    start, span = min(times), (max(times) - min(times)).total_seconds() or 1
    room = WIDTH - left

    def label(x: float, y: float, text: str, anchor: Anchor, color: Color = _QUIET) -> None:
        drawing.add(String(x, y, text, fontName=PLAIN, fontSize=7, fillColor=color, textAnchor=anchor))

    for share in (0, 25, 50, 75, 100):
        y = below + height * share / 100
        drawing.add(Line(left, y, WIDTH, y, strokeColor=_RULE, strokeWidth=0.5))
        label(left - 4, y - 2.5, f"{share} %", "end")
    label(left, 3, day_in_words(start), "start")
    label(WIDTH, 3, day_in_words(max(times)), "end")
    for number, each in enumerate(series):
        color = _LINES[number % len(_LINES)]
        places: list[float] = []
        for point in each.points:
            places += [
                left + room * (point.at - start).total_seconds() / span,
                below + height * point.value / 100,
            ]
        if len(each.points) > 1:
            dash = [4, 3] if number else []
            drawing.add(PolyLine(places, strokeColor=color, strokeWidth=1.4, strokeDashArray=dash))
        drawing.add(_plain(Circle(places[-2], places[-1], 2), color))
        label(
            left + 90 * number,
            below + height + 5,
            f"{each.label} {each.points[-1].value:.0f} %",
            "start",
            color,
        )
    return drawing


# --- Tables ------------------------------------------------------------------------------------


def _heading(text: str) -> Iterator[Flowable]:
    """On a page of its own rather than alone at the foot of one."""
    yield CondPageBreak(30 * mm)
    yield Paragraph(text, HEADING)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], widths: Sequence[float]) -> LongTable:
    style = TableStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, _RULE),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 6),
            ("TOPPADDING", (0, 0), (-1, -1), 2.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
        ]
    )
    lines = [[Paragraph(text, HEAD) for text in head], *map(list, rows)]
    return LongTable(
        lines, [WIDTH * share for share in widths], repeatRows=1, style=style, splitInRow=1, hAlign="LEFT"
    )


def _categories(printed: PrintedRun) -> Iterator[Flowable]:
    if printed.categories:
        yield from _heading("Complete groups by category")
        rows = (
            [
                Paragraph(markup(line.name), TEXT),
                Paragraph(str(line.share), STRONG),
                Paragraph(f"{line.share.complete:,} of {line.share.judged:,}", TEXT),
            ]
            for line in printed.categories
        )
        yield _table(("Category", "Complete", "Groups"), rows, (0.5, 0.2, 0.3))


def _gaps(printed: PrintedRun) -> Iterator[Flowable]:
    yield from _heading(f"Groups with somebody missing ({printed.gap_count:,})")
    if not printed.gaps:
        yield Paragraph("Nobody is missing anywhere.", TEXT)
        return
    yield _table(
        ("Group", "There", "Missing, and why they are asked for"), map(_gap, printed.gaps), (0.36, 0.1, 0.54)
    )
    if printed.gap_count > len(printed.gaps):
        text = (
            f"These are the first {len(printed.gaps):,} of {printed.gap_count:,}; the workbook has them all."
        )
        yield Paragraph(text, QUIET)
    yield Paragraph("The reasons are the rules as they were when this file was made.", QUIET)


def _gap(gap: Gap) -> list[Any]:
    return [
        [
            Paragraph(markup(gap.group, BOLD), STRONG),
            Paragraph(markup(f"{gap.platform} {gap.group_id} · {gap.category}"), QUIET),
        ],
        Paragraph(markup(gap.completeness), TEXT),
        [
            piece
            for names, why in gap.missing
            for piece in (Paragraph(markup(names), TEXT), Paragraph(markup(why), QUIET))
        ],
    ]


def _changes(changes: Changes) -> Iterator[Flowable]:
    yield from _heading(f"Findings: {changes.title.lower()} ({changes.count:,})")
    rows = (
        [Paragraph(markup(text), TEXT) for text in (line.kind, line.about, line.reason)]
        for line in changes.lines
    )
    yield _table(("Kind", "About", "Why"), rows, (0.25, 0.5, 0.25))
    if changes.count > len(changes.lines):
        yield Paragraph(f"These are the first {len(changes.lines):,}, the urgent ones first.", QUIET)


def _unseen(printed: PrintedRun) -> Iterator[Flowable]:
    if printed.unseen:
        yield from _heading("What could not be seen")
        rows = (
            [
                Paragraph(markup(line.platform), TEXT),
                [Paragraph(markup(line.subjects), TEXT), Paragraph(markup(line.reason), QUIET)],
                Paragraph(f"{line.count:,}", NUMBER),
            ]
            for line in printed.unseen
        )
        yield _table(("Platform", "What, and why", ""), rows, (0.14, 0.76, 0.1))


def _moment(at: datetime | None) -> str:
    if at is None:
        return "–"
    local = timezone.localtime(at)
    return f"{local.day} {local:%b %Y, %H:%M} {local.tzname()}"
