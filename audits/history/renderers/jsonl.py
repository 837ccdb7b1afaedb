"""JSON lines: one object a message, in the same few keys for both platforms."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Any

from audits.history.renderers.base import Chapter, Said, Sink
from audits.history.renderers.media import MediaWriter
from audits.history.renderers.names import with_names
from audits.history.renderers.text import Place, path_beside
from members.platforms.types import Platform

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class JsonLines:
    """A file a group."""

    threaded = False
    needs_replies = False
    needs_raw = True
    platforms = frozenset(Platform)

    def render(self, chapters: Iterable[Chapter], sink: Sink) -> None:
        media = MediaWriter(sink)
        for name, chapter in with_names(chapters):
            place = partial(path_beside, name)
            group = {"platform": chapter.platform, "group": chapter.id, "group_name": chapter.name}
            opening = _encode(group)[:-1] + ","
            with sink.file(f"{name}.jsonl") as out:
                for said in chapter.messages:
                    fields = _encode(_fields(said, place))[1:-1]
                    out.write(f'{opening}{fields},"raw":{said.raw_json or "{}"}}}\n'.encode())
            media.write(chapter, place)


def _fields(said: Said, place: Place) -> dict[str, Any]:
    """What is empty is left out, but for the text. What the platform sent follows as it is stored."""
    fields: dict[str, Any] = {
        "id": str(said.number),
        "sent_at": _iso(said.sent_at),
        "kind": said.kind,
        "sender_id": said.sender_id,
        "sender": said.sender_name,
        "text": said.text,
    }
    if said.origin:
        fields["origin"] = said.origin
    if said.thread is not None:
        fields["thread"] = str(said.thread)
    if said.reply_to is not None:
        fields["reply_to"] = str(said.reply_to)
    if said.edited_at is not None:
        fields["edited_at"] = _iso(said.edited_at)
    if said.deleted_at is not None:
        fields["deleted_at"] = _iso(said.deleted_at)
    if said.topic:
        fields["topic"] = said.topic
    if said.files:
        fields["files"] = [
            {"id": file.id, "kind": file.kind, "name": file.name, "type": file.mime_type, "size": file.size}
            | ({"path": place(file)} if file.sha256 else {})
            | ({"left_out": file.left_out} if file.left_out else {})
            for file in said.files
        ]
    return fields


def _iso(moment: Any) -> str:
    text: str = moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")
