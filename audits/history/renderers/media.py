"""Where the files of messages lie in an export: Telegram Desktop's folders, and names that are harmless."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import PurePosixPath

from audits.history.renderers.base import Chapter, SaidFile, Sink
from audits.history.renderers.names import safe_name
from members.platforms.history import FileKind

_FOLDERS = {
    FileKind.PHOTO: "photos",
    FileKind.VIDEO: "video_files",
    FileKind.ANIMATION: "video_files",
    FileKind.VIDEO_MESSAGE: "round_video_messages",
    FileKind.VOICE: "voice_messages",
    FileKind.STICKER: "stickers",
}
_EXTENSIONS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "audio/ogg": ".ogg",
               "video/mp4": ".mp4", "video/webm": ".webm", "application/x-tgsticker": ".tgs"}  # fmt: skip
_LONGEST_EXTENSION = 10


def path_of(file: SaidFile) -> str:
    """Below the folder of its conversation: one content under one name is one file, whoever sent it."""
    return f"{_FOLDERS.get(file.kind, 'files')}/{file.sha256[:12]}_{file_name(file)}"


def file_name(file: SaidFile) -> str:
    """The name that its sender gave it, made safe; its extension survives where the name is too long."""
    given = PurePosixPath(file.name.replace("\\", "/")).name
    extension = safe_name(given[given.rfind(".") :], fallback="") if "." in given else ""
    extension = f".{extension}" if 0 < len(extension) <= _LONGEST_EXTENSION else ""
    stem = given[: given.rfind(".")] if extension else given
    return safe_name(stem, fallback=file.kind) + (extension or _EXTENSIONS.get(file.mime_type, ""))


class MediaWriter:
    """Writes what files hold beside the messages of one export, each path once."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._written: set[int] = set()

    def write(self, chapter: Chapter, place: Callable[[SaidFile], str]) -> None:
        """Everything that the chapter's messages refer to, at the paths that `place` gives."""
        for kept in chapter.media:
            path = place(kept.file)
            if hash(path) in self._written:
                continue
            self._written.add(hash(path))
            with self._sink.file(path) as out, closing(kept.open()) as content:
                shutil.copyfileobj(content, out, 1 << 20)
