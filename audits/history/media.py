"""What files hold: which of them are wanted, and keeping each content once, under its own SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction

from audits.history.models import Blob, MessageFile
from members import job_files
from members.platforms.history import FileKind

NOT_WANTED = "Not wanted by the settings"
NOT_YET = "Not yet"
"""How the reasons begin that another setting, or the next try, may take back."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Which files are fetched."""

    most_bytes: int
    kinds: frozenset[FileKind]

    def why_not(self, kind: FileKind, size: int | None) -> str:
        """Why a file of this kind, and of `size` bytes as far as known, is left out; "" when it is not."""
        if kind not in self.kinds:
            return f"{NOT_WANTED}: no files of the kind “{kind}”"
        if size is not None and size > self.most_bytes:
            return self.too_large
        return ""

    @property
    def too_large(self) -> str:
        return f"{NOT_WANTED}: larger than {self.most_bytes // 1_000_000} MB"


def load_limits() -> Limits:
    """What HISTORY_MEDIA_MAX_MB and HISTORY_MEDIA_KINDS say."""
    kinds = frozenset(kind for kind in FileKind if kind in settings.HISTORY_MEDIA_KINDS)
    return Limits(settings.HISTORY_MEDIA_MAX_MB * 1_000_000, kinds)


@dataclass(slots=True)
class Fetched:
    """What a file held, in a temporary file that is gone when it is closed."""

    content: IO[bytes]
    size: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        digest: str = self._digest.hexdigest()
        return digest

    def add(self, chunk: bytes) -> None:
        self.content.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)


@contextmanager
def scratch() -> Iterator[Fetched]:
    """Room for one file beside the exports, nowhere to be found for anybody else."""
    with job_files.aside("exports") as content:
        yield Fetched(content)


def name_of(sha256: str) -> str:
    """Where a content lies in Django's storage."""
    return f"media/{sha256[:2]}/{sha256}"


def keep(*, file: MessageFile, fetched: Fetched) -> None:
    """Keep what the file holds, unless somebody's file held the same, and note it with the file."""
    name = name_of(fetched.sha256)
    if not _is_there(name, fetched.size):
        fetched.content.seek(0)
        saved = default_storage.save(name, File(fetched.content))
        if saved != name:  # somebody was as quick; theirs is the same
            default_storage.delete(saved)
    with transaction.atomic():
        blob, _ = Blob.objects.get_or_create(
            sha256=fetched.sha256, defaults={"size": fetched.size, "file": name}
        )
        _link(file, blob)


def keep_known(*, file: MessageFile, platform: str) -> bool:
    """Keep what a file holds that was sent before and is kept since. Returns whether it was.

    Forwarded and shared files have the platform's id of the first one.
    """
    same = MessageFile.objects.filter(external_id=file.external_id, blob__isnull=False)
    known = same.filter(message__conversation__group__platform=platform).select_related("blob").first()
    if known is None or known.blob is None or file.size not in (None, known.blob.size):
        return False
    _link(file, known.blob)
    return True


def leave_out(*, file: MessageFile, why: str) -> None:
    """Note why what a file holds is not kept."""
    if file.left_out != why[:200]:
        MessageFile.objects.filter(pk=file.pk).update(left_out=why[:200])


def _link(file: MessageFile, blob: Blob) -> None:
    MessageFile.objects.filter(pk=file.pk).update(blob=blob, size=blob.size, left_out="")


def _is_there(name: str, size: int) -> bool:
    """Whether the whole content is stored. Part of one is what a process left behind that was killed."""
    if not default_storage.exists(name):
        return False
    if default_storage.size(name) == size:
        return True
    default_storage.delete(name)
    return False
