"""An export of kept conversations: what it will hold, and writing it whole or not at all."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.db.models import Avg, Count, Sum, TextField
from django.db.models.functions import Cast, Length

from audits.history.feed import Excerpt, chapter_of, sparing_memory, within
from audits.history.formats import Format
from audits.history.models import Blob, Conversation, Message, MessageFile
from audits.history.renderers.base import Chapter, Renderer
from audits.history.sinks import FolderSink, ZipSink, part_folder, put_in_place, whole_file, whole_folder
from audits.history.store import conversation_of
from members.models import Group


@dataclass(frozen=True, slots=True)
class _Weight:
    """How many bytes a format writes for a message, for each character of its text, and of what was sent."""

    message: float
    text: float
    raw: float


_WEIGHTS = {
    Format.SLACK_ZIP: _Weight(10, 0, 0.15),  # packed
    Format.TELEGRAM_JSON: _Weight(250, 2, 0),
    Format.HTML: _Weight(230, 1, 0),
    Format.TEXT: _Weight(45, 1, 0),
    Format.JSONL: _Weight(200, 1, 1),
}
_SAMPLE = 200
"""The newest messages of a conversation stand for all of them, …"""
_SAMPLED = 8
"""… and so many conversations for the others."""


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
            f"“{wish.format.label}” is for {platform} only, and not for {names}: take web pages, "
            "plain text or JSON lines."
        )


def estimate(wish: ExportWish) -> Estimate:
    """From what is kept by now. A handful of queries, for however many groups."""
    excerpt = wish.excerpt()
    kept = Conversation.objects.filter(group__in=wish.groups)
    rows = within(Message.objects.filter(conversation__in=kept), excerpt)
    if excerpt.since is None and excerpt.until is None:
        counts = dict(kept.exclude(message_count=0).values_list("pk", "message_count"))
    else:
        counts = dict(rows.order_by().values_list("conversation").annotate(Count("pk")))
    messages, size = sum(counts.values()), _usual_size(counts, excerpt, _WEIGHTS[wish.format])
    files = 0
    if wish.media:
        held = Blob.objects.filter(pk__in=MessageFile.objects.filter(message__in=rows).values("blob"))
        files = held.aggregate(total=Sum("size"))["total"] or 0
    return Estimate(messages, int(messages * size) + files)


def _usual_size(counts: Mapping[int, int], excerpt: Excerpt, weight: _Weight) -> float:
    """Bytes that a message takes, as the newest ones of the largest conversations tell."""
    largest = sorted(counts, key=counts.__getitem__)[-_SAMPLED:]
    size = 0.0
    for pk in largest:
        newest = within(Message.objects.filter(conversation=pk), excerpt).order_by("-sent_at")[:_SAMPLE]
        lengths = newest.annotate(said=Length("text"), sent=Length(Cast("raw", TextField())))
        usual = lengths.aggregate(text=Avg("said"), raw=Avg("sent"))
        one = weight.message + weight.text * (usual["text"] or 0) + weight.raw * (usual["raw"] or 0)
        size += counts[pk] * one
    return size / max(sum(counts[pk] for pk in largest), 1)


def export_into(wish: ExportWish, folder: Path) -> list[Path]:
    """Write the export below `folder`; returns what a person would open. Raises WrongFormat, OSError.

    What is there under the same names is replaced, each file or folder in one step.
    """
    check(wish)
    renderer = wish.format.renderer()
    with sparing_memory():
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
    packed = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with sparing_memory(), packed as archive:
        wish.format.renderer().render(_chapters(wish), ZipSink(archive))


def export_name(wish: ExportWish) -> str:
    """The name of the export's file or folder, which its messages decide: the day of the last one."""
    last = [conversation.last_message_at for conversation in _conversations(wish)]
    days = [moment for moment in last if moment is not None]
    day = f"{min(max(days), wish.until or max(days)):%Y-%m-%d}" if days else "empty"
    return f"ChatExport_{day}" if wish.format is Format.TELEGRAM_JSON else f"{wish.format}-export-{day}"


def _one_by_one(wish: ExportWish, renderer: Renderer, folder: Path) -> Iterator[Path]:
    """A file or folder for each group, moved into place when all of them are written."""
    with part_folder(folder, "export") as part:
        renderer.render(_chapters(wish), FolderSink(part))
        for entry in sorted(part.iterdir()):
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
    rows = Conversation.objects.filter(group__in=wish.groups).select_related("group")
    known = {row.group_id: row for row in rows}
    return [known.get(group.pk) or conversation_of(group) for group in wish.groups]
