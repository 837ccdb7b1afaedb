"""Who sits in a group: which of the staff, and how many customers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random
from typing import TypeVar

from groupadmin.sandbox.company.staff import Staff

Id = TypeVar("Id")

ABSENCES = {1: 3, 2: 2, 3: 1}
"""How many required people are absent where somebody is, and how often one beside the other."""
GROUP_SIZES = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6)
"""Times the average number of customers, in turn."""


def required_keys(staff: Sequence[Staff], teams: Collection[str]) -> set[str]:
    """The people who should be everywhere because they are in one of `teams`."""
    return {member.key for member in staff if member.status == "active" and set(teams) & set(member.teams)}


def draw_staff(
    random: Random,
    staff: Sequence[Staff],
    *,
    required: Collection[str],
    always: Collection[str],
    full_teams: float,
) -> list[Staff]:
    """Who of `staff` is in one group: all of the required people in the share `full_teams` of groups,
    all but one to three in the others."""
    candidates = [member for member in staff if member.key in required and member.key not in always]
    absences = random.choices(tuple(ABSENCES), weights=tuple(ABSENCES.values()))[0]
    wanted = 0 if random.random() < full_teams else absences
    absent = {member.key for member in random.sample(candidates, min(wanted, len(candidates)))}
    return [
        member
        for member in staff
        if member.key in always
        or (member.key in required and member.key not in absent)
        or (member.key not in required and random.random() < member.attendance)
    ]


def draw_customers(
    customers: Sequence[Id], index: int, average: int, *, exactly: int | None = None
) -> list[Id]:
    """The customers of group number `index`: a slice of a list that goes round, so neighbours meet again."""
    total = len(customers)
    wanted = round(average * GROUP_SIZES[index % len(GROUP_SIZES)]) if exactly is None else exactly
    wanted = min(wanted, total)
    start = index * average % max(1, total)
    drawn = list(customers[start : start + wanted])
    return drawn + list(customers[: wanted - len(drawn)])
