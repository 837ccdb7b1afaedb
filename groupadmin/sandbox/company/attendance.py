"""Who sits in a group: which of the staff, and how many customers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random
from typing import TypeVar

from groupadmin.sandbox.company.staff import Staff

Id = TypeVar("Id", str, int)

ABSENCES = {0: 30, 1: 30, 2: 24, 3: 16}
"""How many of the required people are absent, and how often in a hundred groups."""
GROUP_SIZES = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6)
"""Times the average number of customers, in turn."""


def required_keys(staff: Sequence[Staff], teams: Collection[str]) -> set[str]:
    """The people who should be everywhere because they are in one of `teams`."""
    return {member.key for member in staff if member.status == "active" and set(teams) & set(member.teams)}


def draw_staff(
    random: Random, staff: Sequence[Staff], *, required: Collection[str], always: Collection[str]
) -> list[Staff]:
    """Who of `staff` is in one group: of the required people usually all but one to three."""
    candidates = [member for member in staff if member.key in required and member.key not in always]
    wanted = random.choices(tuple(ABSENCES), weights=tuple(ABSENCES.values()))[0]
    absent = {member.key for member in random.sample(candidates, min(wanted, len(candidates)))}
    return [
        member
        for member in staff
        if member.key in always
        or (member.key in required and member.key not in absent)
        or (member.key not in required and random.random() < member.attendance)
    ]


def draw_customers(customers: Sequence[Id], index: int, average: int, *, exactly: int | None = None) -> list[Id]:
    """The customers of group number `index`: a slice of a list that goes round, so that neighbours meet again."""
    if not customers:
        return []
    wanted = round(average * GROUP_SIZES[index % len(GROUP_SIZES)]) if exactly is None else exactly
    start = index * average % len(customers)
    return [*customers[start : start + wanted], *customers[: max(0, start + wanted - len(customers))]][
        : len(customers)
    ]
