"""What was found of a person, for scripts and for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any

from members.operations.parts import Way
from members.platforms.types import Platform
from members.spreadsheet import CellValue, Column, add_sheet, workbook_in
from telegram_ops.sightings import Found

_GROUPS = (
    Column("Platform", 11),
    Column("Group Name", 42),
    Column("Group ID", 18),
    Column("Our Status", 18),
    Column("May We Remove", 14),
    Column("Their Role", 12),
    Column("Since (UTC)", 20),
    Column("Required", 10),
    Column("Wanted", 12),
    Column("Total Members", 14),
)
_PERSON = (Column("What", 28), Column("How it is", 70))


def found_document(found: Found) -> dict[str, Any]:
    """The JSON of `find_user`: a contract that scripts rely on."""
    person = found.sought.person
    return {
        "user": {
            "key": person.key if person is not None else None,
            "name": found.name,
            "status": str(person.status) if person is not None else None,
            **_accounts(found),
        },
        "groups": [
            {
                "platform": str(place.group.platform),
                "id": place.group.id,
                "name": place.group.name,
                "admin_status": str(place.group.admin_status),
                "required": place.required,
                "role": str(place.role) if place.role is not None else None,
                "since": _stamp(place.since),
            }
            for place in found.places
        ],
        "platforms": {
            Way(look.platform, look.connection).name: {"as_of": _stamp(look.as_of), "trouble": look.trouble}
            for look in found.looks
        },
        "notes": list(found.notes),
    }


def write_found_workbook(found: Found, file: IO[bytes], *, now: datetime) -> None:
    """A sheet with the groups, and one about the person and what could not be read."""
    with workbook_in(file) as book:
        add_sheet(book, "Groups", _GROUPS, _rows(found))
        add_sheet(book, "Person", _PERSON, _facts(found, now))


def _rows(found: Found) -> Iterator[tuple[CellValue, ...]]:
    for place in found.places:
        group = place.group
        yield (
            group.platform.label,
            group.name,
            group.id,
            str(group.admin_status).replace("_", " "),
            "yes" if group.may_remove else "no",
            str(place.role) if place.role is not None else "",
            place.since,
            "yes" if place.required else "no",
            str(place.level) if place.level is not None else "",
            group.total_members,
        )


def _facts(found: Found, now: datetime) -> Iterator[tuple[str, CellValue]]:
    yield "Looked for", found.sought.text
    yield "Name", found.name
    if found.sought.person is not None:
        yield "Employee", found.sought.person.key
        yield "Status", str(found.sought.person.status)
    for look in found.looks:
        if look.user is not None:
            names = " ".join(f"@{name}" for name in look.user.usernames)
            yield f"{look.name} account", f"{look.user.id} {names}".strip()
        yield f"{look.name} read (UTC)", look.as_of or now
        if look.trouble:
            yield f"{look.name} trouble", look.trouble
    yield "Groups", len(found.places)
    for note in found.notes:
        yield "Note", note


def _accounts(found: Found) -> dict[str, Any]:
    accounts: dict[str, Any] = {}
    for platform in Platform:
        look = found.look_at(platform)
        user = look.user if look is not None else None
        accounts[f"{platform}_user_id"] = user.id if user is not None else None
        accounts[f"{platform}_usernames"] = list(user.usernames) if user is not None else []
    return accounts


def _stamp(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment is not None else None
