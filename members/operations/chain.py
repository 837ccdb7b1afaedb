"""The chain of the activity record as plain data: what makes a link, and the seal in place of purged ones.

Nothing here knows the database, so that events that were taken out of the house can be verified anywhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

BEGINNING = "0" * 64
"""What the first event of all has for the hash of the one before."""
SAID = (
    "actor",
    "action",
    "operation_id",
    "platform",
    "group_id",
    "group_name",
    "subject",
    "outcome",
    "detail",
)
"""What an event says, in the order in which its hash covers it: after the hash before, and the moment."""


def digest(previous_hash: str, at: str, said: Sequence[object]) -> str:
    """SHA-256 (hex) of the JSON list [previous hash, moment, *said]: UTF-8, without blanks.

    `at` is written by `moment`, `said` in the order of `SAID`.
    """
    text = json.dumps([previous_hash, at, *said], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def moment(at: datetime) -> str:
    """An aware moment as the hashes know it: in UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Seal:
    """What is left of purged events: how many there were since the beginning, and the hash of the last.

    It is the detail of an event that the purge itself appends: a link of the chain, which cannot be changed
    without breaking it.
    """

    count: int = 0
    hash: str = BEGINNING

    def __str__(self) -> str:
        return f"{self.count} events from the beginning on; the last had the hash {self.hash}"

    @classmethod
    def parse(cls, text: str) -> Seal:
        """Raises ValueError for a text that no seal has."""
        found = re.fullmatch(
            r"([1-9][0-9]*) events from the beginning on; the last had the hash ([0-9a-f]{64})", text
        )
        if found is None:
            raise ValueError(f"This is no seal: {text[:100]!r}.")
        return cls(int(found[1]), found[2])
