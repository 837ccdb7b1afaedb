"""What lies in a pack of evidence, and what its manifest says of it. Pure; needs no database."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from members.operations.chain import SAID

FORMAT, VERSION = "group-admin-evidence", 1
MANIFEST = "manifest.json"
ACTIVITY = "activity.jsonl"
LINE = ("id", "previous_hash", "at", *SAID, "hash")
"""What a line of it says, in this order and nothing else."""
LARGEST = 32_000_000
"""Bytes that a manifest may have: some hundred thousand files."""

T = TypeVar("T")


class WrongManifest(ValueError):
    """The manifest is not one of ours, or was spoiled: one line."""


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of the pack: its name, how many bytes it has unpacked, and their SHA-256 (hex)."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the activity record."""

    events: int
    events_before: int
    """How many events the record had before these, purged ones included."""
    hash_before: str
    hash_after: str
    """The record's head at both ends. They are the same where nothing happened."""


@dataclass(frozen=True, slots=True)
class Manifest:
    since: str
    until: str
    """The first and the last day (UTC), like "2026-03-31"."""
    made_at: str
    made_by: str
    product_version: str
    activity: Segment
    notes: Sequence[str]
    """What is not as one would expect: files that are missing, a part that was purged."""
    files: Sequence[PackedFile]

    def to_json(self) -> str:
        document = {"format": FORMAT, "version": VERSION, "product": "Group Admin", **asdict(self)}
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """Raises WrongManifest."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise WrongManifest("manifest.json is no JSON") from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise WrongManifest("manifest.json is not that of a pack of evidence")
        if document.get("version") != VERSION:
            raise WrongManifest("it was made by a newer version of the product: verify it with that one")
        activity = _read(Segment, document.get("activity"))
        files = [_read(PackedFile, each) for each in _list(document, "files")]
        notes = [str(note) for note in _list(document, "notes")]
        manifest = _read(cls, {**document, "activity": activity, "files": files, "notes": notes})
        hashes = [activity.hash_before, activity.hash_after, *(file.sha256 for file in files)]
        if not all(re.fullmatch("[0-9a-f]{64}", each) for each in hashes):
            raise WrongManifest("manifest.json has a hash that is none")
        return manifest


def _list(document: dict[str, Any], name: str) -> list[Any]:
    found = document.get(name)
    if not isinstance(found, list):
        raise WrongManifest(f"manifest.json lacks {name}")
    return found


_TYPES = {"str": str, "int": int}


def _read(kind: type[T], given: object) -> T:
    """The dataclass of these values, with no other key looked at."""
    if not isinstance(given, dict):
        raise WrongManifest(f"manifest.json is spoiled: {kind.__name__.lower()}")
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]  # it is a dataclass
        value = given.get(field.name)
        wanted = _TYPES.get(str(field.type))
        if value is None or (wanted and type(value) is not wanted) or (wanted is int and value < 0):
            raise WrongManifest(f"manifest.json is spoiled: {field.name}")
        values[field.name] = value
    return kind(**values)
