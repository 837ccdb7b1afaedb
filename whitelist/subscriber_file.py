"""A CSV file of subscribers: telegram_id, username, first_name, status, expires_at, grace_until. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from whitelist.decision import SubscriptionStatus
from whitelist.moments import parse_moment

COLUMNS = ("telegram_id", "username", "first_name", "status", "expires_at", "grace_until")
NEEDED = ("telegram_id", "status")
LONGEST = {"username": 32, "first_name": 64}
"""In characters, as Telegram has it."""


@dataclass(frozen=True, slots=True)
class SubscriberRow:
    """What is told of one subscriber. None leaves a name as it is; the dates are replaced."""

    telegram_id: int
    status: SubscriptionStatus
    expires_at: datetime | None = None
    grace_until: datetime | None = None
    username: str | None = None
    first_name: str | None = None


class SubscriberFileError(ValueError):
    """The file is not as it should be: one line, with the number of the line at fault."""


def read_subscribers(text: str) -> list[SubscriberRow]:
    """The rows of a file, each person once. Raises SubscriberFileError; a header alone is no error."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        rows: dict[int, tuple[int, SubscriberRow]] = {}
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            number = reader.line_num
            if len(cells) != len(header):
                raise SubscriberFileError(f"line {number}: {len(cells)} cells, the header has {len(header)}")
            row = _row(dict(zip(header, (cell.strip() for cell in cells), strict=True)), number)
            first, _ = rows.setdefault(row.telegram_id, (number, row))
            if first != number:
                raise SubscriberFileError(f"line {number}: {row.telegram_id} stands in line {first} already")
    except csv.Error as error:
        raise SubscriberFileError(f"line {reader.line_num}: {error}") from error
    return [row for _, row in rows.values()]


def _check_header(header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            raise SubscriberFileError(
                f"line 1: unknown column {name!r}; the columns are {', '.join(COLUMNS)}"
            )
        if header.count(name) > 1:
            raise SubscriberFileError(f"line 1: the column {name!r} stands twice")
    for name in NEEDED:
        if name not in header:
            raise SubscriberFileError(f"line 1: the column {name!r} is missing")


def _row(cells: Mapping[str, str], number: int) -> SubscriberRow:
    try:
        return _checked(cells)
    except ValueError as error:
        raise SubscriberFileError(f"line {number}: {error}") from None


def _checked(cells: Mapping[str, str]) -> SubscriberRow:
    telegram_id = cells["telegram_id"]
    if not (telegram_id.isascii() and telegram_id.isdigit() and len(telegram_id) < 19 and int(telegram_id)):
        raise ValueError(f"{telegram_id!r} is no Telegram id, which is a positive number")
    try:
        status = SubscriptionStatus(cells["status"].lower())
    except ValueError:
        raise ValueError(f"{cells['status']!r} is no status: {', '.join(SubscriptionStatus)}") from None
    expires_at, grace_until = (parse_moment(cells.get(name, "")) for name in ("expires_at", "grace_until"))
    if status is SubscriptionStatus.GRACE and expires_at is None and grace_until is None:
        raise ValueError("a grace has an end: say expires_at or grace_until")
    if expires_at and grace_until and grace_until < expires_at:
        raise ValueError("the grace ends before the subscription does")
    names = {name: cells.get(name) or None for name in LONGEST}
    username = (names["username"] or "").removeprefix("@") or None
    for name, value in names.items():
        if value and "\0" in value:
            raise ValueError(f"{name} holds a character that cannot be stored")
        if value and len(value) > LONGEST[name] + value.startswith("@"):
            raise ValueError(f"{name} is longer than {LONGEST[name]} characters")
    return SubscriberRow(
        telegram_id=int(telegram_id),
        status=status,
        expires_at=expires_at,
        grace_until=grace_until,
        username=username,
        first_name=names["first_name"],
    )
