"""Enums as Django's choices."""

from __future__ import annotations

from enum import StrEnum


def choices(enum: type[StrEnum]) -> list[tuple[str, str]]:
    """Django choices of an enum: "under_review" is shown as "Under review", "n/a" as it is."""
    return [
        (str(item), str(item) if "/" in item else str(item).replace("_", " ").capitalize()) for item in enum
    ]
