"""An export of kept conversations: what it will hold, and writing it whole or not at all."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.db.models import Avg, Sum, TextField
from django.db.models.functions import Cast, Length

from audits.history.feed import Excerpt, chapter_of, messages_in
from audits.history.formats import Format
from audits.history.models import Blob, Conversation, MessageFile
from audits.history.renderers.base import Chapter, Renderer
from audits.history.sinks import FolderSink, ZipSink, put_in_place, whole_file, whole_folder
from audits.history.store import conversation_of
from members.models import Group

_OVERHEAD = {
    Format.SLACK_ZIP: 0.15,
    Format.TELEGRAM_JSON: 1.2,
    Format.HTML: 0.6,
    Format.TEXT: 0.3,
    Format.JSONL: 1.3,
}
"""Bytes that a format writes for each character of what is kept, texts and what the platform sent."""


_SAMPLE = 1000
"""The newest messages stand for all of them."""


class WrongFormat(Exception):
    """The format cannot hold the conversations that were asked for: one line, and which it can."""


@dataclass(frozen=True, slots=True)
class ExportWish:
    """What is to be exported, and how."""

    groups: Sequence[Group]
    format: Format
    since: datetime | None = None
    until: datetime | None = None
    media: bool = False
    """Whether the files that are kept are part of it."""
    told: Callable[[int], None] = lambda count: None
    """See `Excerpt.told`."""

    def excerpt(self) -> Excerpt:
        renderer = self.format.renderer()
        return Excerpt(
            self.since,
            self.until,
            threaded=renderer.threaded,
            replies=renderer.needs_replies,
            raw=renderer.needs_raw,
            media=self.media,
            told=self.told,
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """How large an export will be: the messages exactly, the bytes roughly."""

    messages: int
    bytes: int


def check(wish: ExportWish) -> None:
    """Raises WrongFormat when a group's conversation does not fit into the format."""
    holds = wish.format.renderer().platforms
    strangers = [group.name for group in wish.groups if group.platform not in holds]
    if strangers:
        names = ", ".join(strangers[:3]) + (" …" if len(strangers) > 3 else "")
        platform = " and ".join(sorted(platform.label for platform in holds))
        raise WrongFormat(
            f"{wish.format} is for {platform} only, and not for {names}: take html, text or jsonl."
        )


def estimate(wish: ExportWish) -> Estimate:
    """From what is kept by now."""
    messages, size, files = 0, 0.0, 0
    length = Length(Cast("raw", TextField())) + Length("text")
    for conversation in _conversations(wish):
        rows = messages_in(conversation, wish.excerpt())
        count = rows.count()
        some = rows.order_by("-sent_at").annotate(length=length)[:_SAMPLE]
        messages += count
        size += count * float(some.aggregate(usual=Avg("length"))["usual"] or 0)
        if wish.media:
            held = Blob.objects.filter(pk__in=MessageFile.objects.filter(message__in=rows).values("blob"))
            files += held.aggregate(total=Sum("size"))["total"] or 0
    return Estimate(messages, int(size * _OVERHEAD[wish.format]) + files)


def export_into(wish: ExportWish, folder: Path) -> list[Path]:
    """Write the export below `folder`; returns what a person would open. Raises WrongFormat, OSError.

    What is there under the same names is replaced, each file or folder in one step.
    """
    check(wish)
    renderer = wish.format.renderer()
    match wish.format:
        case Format.SLACK_ZIP:
            path = folder / f"{export_name(wish)}.zip"
            with whole_file(path) as part, part.open("wb") as out:
                write_zip(wish, out)
            return [path]
        case Format.TELEGRAM_JSON:
            path = folder / export_name(wish)
            with whole_folder(path) as part:
                renderer.render(_chapters(wish), FolderSink(part))
            return [path / "result.json"]
    return list(_one_by_one(wish, renderer, folder))


def write_zip(wish: ExportWish, out: BinaryIO) -> None:
    """The whole export as one ZIP file. Raises WrongFormat."""
    check(wish)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        wish.format.renderer().render(_chapters(wish), ZipSink(archive))


def export_name(wish: ExportWish) -> str:
    """The name of the export's file or folder, which its messages decide: the day of the last one."""
    last = [conversation.last_message_at for conversation in _conversations(wish)]
    days = [moment for moment in last if moment is not None]
    day = f"{min(max(days), wish.until or max(days)):%Y-%m-%d}" if days else "empty"
    return f"ChatExport_{day}" if wish.format is Format.TELEGRAM_JSON else f"{wish.format}-export-{day}"


def _one_by_one(wish: ExportWish, renderer: Renderer, folder: Path) -> Iterator[Path]:
    """A file or folder for each group, moved into place when all of them are written."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export.") as part:
        renderer.render(_chapters(wish), FolderSink(Path(part)))
        for entry in sorted(Path(part).iterdir()):
            target = folder / entry.name
            put_in_place(entry, target)
            if target.is_file():
                yield target
            elif (target / "messages.html").exists():
                yield target / "messages.html"


def _chapters(wish: ExportWish) -> Iterator[Chapter]:
    excerpt = wish.excerpt()
    for conversation in _conversations(wish):
        yield chapter_of(conversation, excerpt)


def _conversations(wish: ExportWish) -> Sequence[Conversation]:
    """One for each group, in the order asked for."""
    return [conversation_of(group) for group in wish.groups]
