"""Whether a pack of evidence is what its manifest says. Needs no database, and unpacks nothing to disk."""

from __future__ import annotations

import hashlib
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, BinaryIO

from audits.evidence.manifest import ACTIVITY, LARGEST, LINE, MANIFEST, Manifest, PackedFile, WrongManifest
from members.operations.chain import digest

_PORTION = 1 << 20
_LONGEST_LINE = 16_000_000
"""Bytes of an event; the longest one has a few thousand."""
_SWELLING = 300
"""How many times larger than itself a pack may say that it unpacks to: text as ours comes to twenty."""
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LOCAL, _LOCAL_BYTES, _LISTED_BYTES = "<26xHH", 30, 46
"""What stands before a file's data, and how long that and its line in the directory are without the texts
in them; the two numbers are those texts' lengths (APPNOTE.TXT of PKWARE, 4.3.7 and 4.3.12)."""
_LONGEST_EXTRA = 32
"""Bytes of the only extra field of ours: the sizes of a large file (4.5.3)."""
_ENDS = (22, 98)
"""Bytes after the directory, without and with the records of a large one (4.3.14 to 4.3.16)."""


class NotWhole(Exception):
    """The pack is not as it was made, or is none: one line."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A pack that is whole."""

    manifest: Manifest
    sha256: str
    """Of the pack itself: what the activity record says of it."""
    bytes: int


def verify_pack(file: BinaryIO, *, told: Callable[[int], None] = lambda percent: None) -> Checked:
    """Check every file's hash, that none is missing or added, and every link of the activity chain.

    `file` can be read and sought. Raises NotWhole, OSError.
    """
    sha256, size = hashlib.sha256(), 0
    while portion := file.read(_PORTION):
        sha256.update(portion)
        size += len(portion)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = _entries(archive, size)
            _check_layout(file, entries.values(), size)
            manifest = _verify(archive, entries, told)
    except WrongManifest as error:
        raise NotWhole(str(error)) from error
    except (
        zipfile.BadZipFile,
        struct.error,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OverflowError,
        ValueError,  # a text that is none, or a place before the file begins
    ) as error:
        raise NotWhole(f"it is no whole ZIP file ({_words(error)})") from error
    return Checked(manifest, sha256.hexdigest(), size)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _verify(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], told: Callable[[int], None]
) -> Manifest:
    if MANIFEST not in entries:
        raise NotWhole("it has no manifest.json")
    manifest = Manifest.from_json(_read_manifest(archive, entries.pop(MANIFEST)))
    files = {file.name: file for file in manifest.files}
    if len(files) != len(manifest.files):
        raise NotWhole("manifest.json names a file twice")
    if missing := sorted(files.keys() - entries.keys()):
        raise NotWhole(f"a file is missing: {_shown(missing[0])}")
    if extra := sorted(entries.keys() - files.keys()):
        raise NotWhole(f"a file was put in: {_shown(extra[0])}")
    if ACTIVITY not in files:
        raise NotWhole(f"it has no {ACTIVITY}")
    total, done = sum(file.bytes for file in manifest.files), 0
    for name, file in files.items():
        with _opened(archive, entries[name], file) as lines:
            if name == ACTIVITY:
                _verify_chain(lines, manifest)
            else:
                for _ in lines.portions():
                    pass
        done += file.bytes
        told(100 * done // max(total, 1))
    return manifest


def _entries(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """By name. None leads out of a folder, is there twice, or cannot be told from the directory alone."""
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or str(path) != name or any(c in name for c in "\\:\0"):
            raise NotWhole(f"a file has a name that leads elsewhere: {_shown(name)}")
        if name in found:
            raise NotWhole(f"a file is there twice: {_shown(name)}")
        is_file = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
        if entry.flag_bits & 0x9 or entry.compress_type not in _PLAIN or not is_file:
            raise NotWhole(f"a file is packed in another way than ours: {_shown(name)}")
        found[name] = entry
    if archive.comment or any(entry.comment for entry in found.values()):
        raise NotWhole("a comment was put in")
    swollen = sum(entry.file_size for entry in found.values())
    if swollen > _SWELLING * size:
        raise NotWhole(
            f"it would unpack to {swollen:,} bytes, {_SWELLING} times its size: nobody should open it"
        )
    return found


def _check_layout(file: BinaryIO, entries: Iterable[zipfile.ZipInfo], size: int) -> None:
    """The files lie side by side from the first byte on, then comes their directory, and nothing more.

    Else a program that reads from the beginning might unpack other files than those that were checked.
    """
    end = listed = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        file.seek(entry.header_offset)
        name, extra = struct.unpack(_LOCAL, file.read(_LOCAL_BYTES))
        if entry.header_offset != end or max(extra, len(entry.extra)) > _LONGEST_EXTRA:
            raise NotWhole("something was put in between its files, or they overlap: nobody should open it")
        end += _LOCAL_BYTES + name + extra + entry.compress_size
        listed += _LISTED_BYTES + name + len(entry.extra)
    if size - end - listed not in _ENDS:
        raise NotWhole("something was put in beside its files: nobody should open it")


def _read_manifest(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise NotWhole("manifest.json is too large to be one of ours")
    return text


class _Lines:
    """A file of the pack as it is read: never more of it than the manifest says."""

    def __init__(self, file: IO[bytes], said: PackedFile) -> None:
        self._file, self._said = file, said
        self._hash, self._bytes = hashlib.sha256(), 0

    def portions(self) -> Iterator[bytes]:
        while portion := self._file.read(_PORTION):
            self._take(portion)
            yield portion

    def __iter__(self) -> Iterator[bytes]:
        while line := self._file.readline(_LONGEST_LINE):
            self._take(line)
            yield line

    def _take(self, data: bytes) -> None:
        self._bytes += len(data)
        self._hash.update(data)
        if self._bytes > self._said.bytes:
            raise self._changed()

    def check(self) -> None:
        if self._bytes != self._said.bytes or self._hash.hexdigest() != self._said.sha256:
            raise self._changed()

    def _changed(self) -> NotWhole:
        return NotWhole(f"a file was changed: {_shown(self._said.name)}")


@contextmanager
def _opened(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, said: PackedFile) -> Iterator[_Lines]:
    """Raises NotWhole at the end when the file is not what the manifest says."""
    with archive.open(entry) as file:
        lines = _Lines(file, said)
        yield lines
        lines.check()


def _verify_chain(lines: _Lines, manifest: Manifest) -> None:
    """The file's own hash comes first: where a line alone was changed, that is what is told."""
    segment, last, count, problem = manifest.activity, manifest.activity.hash_before, 0, ""
    for line in lines:
        count += 1
        if not problem:
            last, problem = _link(line, last)
            problem = problem and f"the activity record is broken at line {count}: {problem}"
    lines.check()
    if problem:
        raise NotWhole(problem)
    if count != segment.events:
        raise NotWhole(
            f"the activity record has {count:,} of the {segment.events:,} events that the manifest names"
        )
    if last != segment.hash_after:
        raise NotWhole("the activity record ends with another hash than the manifest says")


def _link(line: bytes, last: str) -> tuple[str, str]:
    """The hash of an event, and what is wrong with it; "" when nothing is."""
    try:
        pairs = json.loads(
            line, object_pairs_hook=tuple
        )  # a name twice is one thing to us, another to others
        names, (_, previous, at, *said, hash) = zip(*pairs, strict=True)
        if names != LINE or not isinstance(pairs, tuple):
            raise ValueError(names)
        right = digest(previous, at, said)
    except (ValueError, TypeError, RecursionError):
        return "", "it is no event"
    if previous != last:
        return "", "an event before it is missing, or was put in"
    return right, "" if hash == right else "it was changed"


def _shown(name: str) -> str:
    """A name that somebody else chose, as one harmless line."""
    return ascii(name if len(name) <= 100 else f"{name[:100]}…")
