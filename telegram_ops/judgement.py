"""Whether who was found is who was meant, and what our rules say of where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from members import policy
from members.dates import day_in_words
from members.models import EmployeeHandle, Group
from members.patterns import PatternTrouble
from members.platforms.types import Platform, PlatformGroup, PlatformUser
from members.policy import Level, Person, Policy
from telegram_ops.references import Sought
from telegram_ops.sightings import Found, Look, Place, in_order

GroupKey = tuple[Platform, str]
"""Platform and the platform's own id."""


def judged(person: Sought, looks: Sequence[Look], rules: Policy, groups: Mapping[GroupKey, Group]) -> Found:
    """The looks at one person as what was found of them."""
    places: dict[tuple[Platform, str, str], Place] = {}
    for look in looks:
        for sighting in look.sightings:
            group, level = sighting.group, _level(person.person, sighting.group, rules, groups)
            place = Place(group, sighting.standing, level, look.connection)
            # One account seen by two of ours counts once, where we may do more.
            key = group.platform, group.id, look.user.id if look.user is not None else ""
            if key not in places or (group.may_remove and not places[key].group.may_remove):
                places[key] = place
    doubt = _doubt(person, looks)
    notes = [doubt] if doubt else []
    notes += [no_account(person, platform) for platform in person.unknown_on]
    if person.person is None and Platform.TELEGRAM in person.handles:
        notes.append("Not an employee we know: looked for on Telegram alone.")
    return Found(person, tuple(looks), in_order(places.values()), tuple(notes), doubt)


def no_account(person: Sought, platform: Platform) -> str:
    """Why nobody looked there."""
    return f"No {platform.label} account of {person.name} is known: enter the username with the employee."


def _level(
    person: Person | None, group: PlatformGroup, rules: Policy, groups: Mapping[GroupKey, Group]
) -> Level | None:
    """How much our rules want them there; None where nothing does."""
    if person is None:
        return None
    stored = groups.get((group.platform, group.id))
    if stored is not None:
        in_scope, category = stored.in_scope, stored.category.key if stored.category is not None else ""
    else:
        in_scope = _is_in_scope(group, person, rules)
        category = policy.category_of(group.name, None, rules.categories).key
    if not in_scope or _is_excluded(person, group, rules):
        return None
    return policy.level_of(person, group.platform, category, rules.rules)


def _is_in_scope(group: PlatformGroup, person: Person, rules: Policy) -> bool:
    """No group that audits do not know counts while a scope line takes too long: audits tell of that."""
    try:
        return policy.in_scope(group.platform, group.name, {person.key}, rules.scope)
    except PatternTrouble:
        return False


def _is_excluded(person: Person, group: PlatformGroup, rules: Policy) -> bool:
    today = datetime.now(UTC).date()
    return any(
        exclusion.employee == person.key and exclusion.kind is None and exclusion.holds_on(today)
        for exclusion in rules.exclusions
        if (exclusion.platform, exclusion.group_id) == (group.platform, group.id)
    )


def _doubt(person: Sought, looks: Sequence[Look]) -> str:
    """Why the typed username may mean somebody else than was found: names move on, ids do not."""
    name = person.typed_username.casefold()
    if not name:
        return ""
    users = [look.user for look in looks if look.user is not None and look.as_of is None]
    if person.person is not None:
        if name in _names_of(person.person, person, users):
            return ""
        return (
            f"@{person.typed_username} is no username of {person.name} any more, and may be somebody else's: "
            f"write the key ({person.key}) or the id."
        )
    former = EmployeeHandle.objects.filter(
        platform__in=person.handles, username__iexact=person.typed_username
    ).select_related("employee")
    if not users or (handle := former.first()) is None:
        return ""
    (user,) = {user.id: user for user in users}.values()
    return (
        f"@{person.typed_username} was {handle.employee.name}'s until {day_in_words(handle.last_seen_at)}; "
        f"it is {user.name or 'somebody else'}'s now: write the id {user.id} to mean them, or the key "
        f"{handle.employee.key}."
    )


def _names_of(employee: Person, person: Sought, users: Sequence[PlatformUser]) -> set[str]:
    """What may be typed for an employee, casefolded: the usernames they have now, as far as that was read.

    Their key, name and e-mail as well, but for "@" and links, which stand before usernames alone.
    """
    known = {username for user in users for username in user.usernames}
    read = {user.platform for user in users}
    known |= {handle.username or "" for platform, handle in person.handles.items() if platform not in read}
    if person.text.casefold() == person.typed_username.casefold():
        known |= {employee.key, employee.name, employee.email or ""}
    return set(map(str.casefold, known))


def stored_groups() -> dict[GroupKey, Group]:
    """Every group that audits have seen, with its category; one query."""
    return {
        (Platform(group.platform), group.external_id): group
        for group in Group.objects.select_related("category")
    }
