"""Why somebody is not to be added to a group, by our own rules: one sentence, or nothing. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from audits.remediation.facts import Place, Standing
from audits.remediation.selections import Where
from members.dates import day_in_words
from members.operations.plan import Target
from members.platforms.types import Platform
from members.policy import (
    Category,
    EmployeeStatus,
    Exclusion,
    FindingKind,
    Level,
    Person,
    Rule,
    level_of,
)

MISSING_KINDS = frozenset({FindingKind.MISSING_REQUIRED, FindingKind.MISSING_OPTIONAL})


_OF_STANDING = {
    Standing.AUDITED: "",
    Standing.ARCHIVED: "The group is archived: somebody has to bring it back first.",
    Standing.OUT_OF_SIGHT: "Our account does not see the group: it has to be let in first.",
    Standing.OUT_OF_SCOPE: "The group is out of scope.",
    Standing.UNLISTED: "The latest audit did not list the group: run a new one.",
}


def of_standing(standing: Standing) -> str:
    """Why nobody can be added to a group that stands so."""
    return _OF_STANDING[standing]


def of_place(place: Place) -> str:
    """Why nobody can be added there."""
    if reason := of_standing(place.standing):
        return reason
    return "" if place.may_invite else "Our account may not add people there: it needs an admin's right to."


def of_person(person: Person | None, platform: Platform) -> str:
    """Why this person can be added nowhere on `platform`."""
    if person is None:
        return "Is not an employee any more."
    if person.status is EmployeeStatus.OFFBOARDED:
        return f"{person.name} is offboarded."
    if person.status is EmployeeStatus.UNDER_REVIEW:
        return f"{person.name} is under review."
    if not person.has_any_account(platform):
        return (
            f"No {platform.label} account of {person.name} is known: enter the right username, or the id, "
            f"and run an audit."
        )
    return ""


def of_category(category: Category) -> str:
    """Why nobody is missing in groups of this category."""
    return "" if category.full_team else f"Exempt: groups of the category {category.name} need no full team."


def of_rules(person: Person, platform: Platform, category: Category, rules: Iterable[Rule]) -> str:
    """Why this person is not missing in groups of this category."""
    match level_of(person, platform, category.key, rules):
        case Level.REQUIRED:
            return ""
        case Level.OPTIONAL:
            return f"{person.name} is optional there."
        case _:
            return f"No rule asks for {person.name} there any more."


def of_where(person: Person, place: Place, where: Where, rules: Iterable[Rule]) -> str:
    """Why this person is not to be added there, when they are only wanted where the rules say so."""
    if where is Where.ALL:
        return ""
    level = level_of(person, place.platform, place.category.key, rules)
    if level is None:
        return f"No rule asks for {person.name} there."
    if where is Where.OPTIONAL or (level is Level.REQUIRED and place.category.full_team):
        return ""
    return of_category(place.category) or f"{person.name} is optional there."


def of_exclusion(exclusion: Exclusion | None) -> str:
    """Why an accepted exception keeps somebody out, with its own reason and its end."""
    if exclusion is None:
        return ""
    end = f"until {day_in_words(exclusion.expires)}" if exclusion.expires else "without an end"
    return f"Excluded {end}: {exclusion.reason}"


def exclusion_of(
    key: str, exclusions: Iterable[Exclusion], kinds: Collection[FindingKind]
) -> Exclusion | None:
    """The first of a group's exclusions that says this employee need not, or shall not, be added."""
    for exclusion in exclusions:
        everything = exclusion.kind is None and exclusion.employee == key
        if everything or (exclusion.kind in kinds and exclusion.employee in (None, key)):
            return exclusion
    return None


def of_account(person: Person, place: Place) -> str:
    """Why this person can be added to no group of the further workspace that `place` is in."""
    if user_id_of(person, place.platform, place.connection):
        return ""
    return (
        f"No account of {person.name} is known in that {place.platform.label} workspace: have them invited "
        f"to it, or enter their id on their page, and run an audit."
    )


def user_id_of(person: Person, platform: Platform, connection: str = "") -> str:
    """The person's id on `platform`, or in a further workspace there; "" when none is known."""
    return person.handle_on(platform, connection).id or ""


def target_in(place: Place, person: Person) -> Target:
    """The pair of the two."""
    return Target(
        platform=place.platform,
        group_id=place.id,
        group_name=place.name,
        subject=person.key,
        subject_name=person.name,
        user_id=user_id_of(person, place.platform, place.connection),
    )


def whole_place(place: Place) -> Target:
    """The group, whoever the person."""
    return Target(place.platform, place.id, place.name)


def whole_platform(platform: Platform) -> Target:
    """Every group of the platform."""
    return Target(platform, "", "")


def whole_person(platform: Platform, key: str, person: Person | None) -> Target:
    """The person, whichever the group of `platform`."""
    return Target(platform, "", "", subject=key, subject_name=person.name if person else key)
