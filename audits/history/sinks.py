"""Where exports are written: a folder, or one ZIP file. Whole, or not there at all."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

PART = ".export-part"
"""How the names of half written files and folders end; they begin with a dot."""
JUST_MADE = 60.0
"""Seconds within which whoever made one may not hold it yet."""
_TIMELESS = (1980, 1, 1, 0, 0, 0)
"""The oldest date that a ZIP can hold: the same messages make the same bytes, whenever."""


class FolderSink:
    """Files below `root`, which exists."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        path = self._root / name
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise ValueError(f"{name!r} leads out of the export's folder.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb", buffering=1 << 20) as out:
            yield out


class _Raw(io.RawIOBase):
    """A ZIP entry as what a buffer can be put before."""

    def __init__(self, entry: IO[bytes]) -> None:
        self._entry = entry

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._entry.write(data)


class ZipSink:
    """Entries of one ZIP file, written as they come."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        entry = zipfile.ZipInfo(name, _TIMELESS)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        with (
            self._archive.open(entry, "w", force_zip64=True) as raw,
            io.BufferedWriter(
                _Raw(raw), buffer_size=1 << 18
            ) as out,  # one call to the compressor for many lines
        ):
            yield out


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
    os.close(handle)
    part = Path(name)
    try:
        with _held(part):
            yield part
            part.chmod(0o644)
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place when all went well; what was there goes."""
    with part_folder(path.parent, path.name) as part:
        yield part
        part.chmod(0o755)
        put_in_place(part, path)


@contextmanager
def part_folder(folder: Path, name: str) -> Iterator[Path]:
    """A temporary folder in `folder`, which is made where it is missing; at the end it goes with its rest."""
    folder.mkdir(parents=True, exist_ok=True)
    clear_leftovers(folder)
    part = Path(tempfile.mkdtemp(dir=folder, prefix=f".{name}.", suffix=PART))
    try:
        with _held(part):
            yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def clear_leftovers(folder: Path) -> None:
    """Delete what killed exports left half written in `folder`; what somebody still writes is held."""
    for part in folder.glob(f".*{PART}"):
        with suppress(OSError):
            if time.time() - part.lstat().st_mtime < JUST_MADE:
                continue
            with _held(part, surely=True):
                if part.is_dir():
                    shutil.rmtree(part, ignore_errors=True)
                else:
                    part.unlink()


@contextmanager
def _held(part: Path, *, surely: bool = False) -> Iterator[None]:
    """`part` is ours for as long as this process lives, where the file system knows locks.

    With `surely` raises OSError where it does not, and where it is somebody else's.
    """
    handle = os.open(part, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        with nullcontext() if surely else suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def put_in_place(part: Path, path: Path) -> None:
    """Make the finished `part` be at `path`. A folder that is there goes when the new one has its place."""
    if not path.is_dir():
        part.replace(path)
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as aside:
        path.replace(Path(aside) / "old")
        part.replace(path)
