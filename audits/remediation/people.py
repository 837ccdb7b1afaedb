"""Plan to add people, or teams, to all the groups in scope, or to some of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from audits.remediation import obstacles
from audits.remediation.draft import Draft
from audits.remediation.facts import Facts, Place, Standing
from audits.remediation.obstacles import MISSING_KINDS
from audits.remediation.reading import read_facts
from audits.remediation.selections import PeopleSelection, platforms_or_all
from members.models import Employee, EmployeeAccount
from members.operations.plan import Plan, Skipped, Target
from members.platforms.types import Platform
from members.policy import bare_username

KIND = "add_people"


class UnknownPerson(Exception):
    """No employee, or more than one, is meant: one line."""


def plan_people(selection: PeopleSelection) -> Plan:
    """The additions that bring the people into the groups, in a constant number of queries.

    The groups are those in scope as of the latest recorded audit of each platform. Whom it saw there
    is skipped; of whom it did not look for, the operation itself finds out. `skipped` is as in
    `plan_missing`; a name that nothing or more than one group answers to stands in its `group_name`.
    """
    return draw_up(selection, read_facts(platforms_or_all(selection.platforms)))


def draw_up(selection: PeopleSelection, facts: Facts) -> Plan:
    """`plan_people` without the database."""
    draft, rules = Draft(facts), facts.policy.rules
    platforms = platforms_or_all(selection.platforms)
    keys = _keys(selection, facts)
    places = _selected(selection, facts, draft)
    for key in keys:
        for platform in platforms:
            draft.unable(key, platform)
    people = facts.people()
    for place in places:
        if draft.obstructed(place):
            continue
        for key in keys:
            person = people.get(key)
            not_there = obstacles.of_where(person, place, selection.where, rules) if person else ""
            if person and not_there and key not in place.present:
                draft.skip(obstacles.target_in(place, person), not_there)
            else:
                draft.add(key, place, excluded_by=MISSING_KINDS)
    reach = len(keys) * len(places)
    return draft.plan(KIND, parameters=selection.as_parameters(), reach=reach)


def names_left_out(plan: Plan) -> tuple[Skipped, ...]:
    """Of the names that were written down: those that lead to no group, or to several."""
    return tuple(skipped for skipped in plan.skipped if skipped.target.only_a_name)


def employees_named(words: Iterable[str]) -> tuple[str, ...]:
    """The keys of the employees whom people mean, in their order, each once.

    A word is a key, a username on either platform (with or without "@"), an e-mail address or a
    platform's id. Raises UnknownPerson.
    """
    meant: dict[str, set[str]] = defaultdict(set)
    keys = set()
    for row in Employee.objects.all():
        keys.add(row.key)
        for word in (row.email, row.slack_username, row.telegram_username):
            meant[word.casefold()].add(row.key)
        for user_id in (row.slack_user_id, row.telegram_user_id):
            meant[str(user_id or "").casefold()].add(row.key)
    for key, user_id in EmployeeAccount.objects.values_list("employee__key", "user_id"):
        meant[user_id.casefold()].add(key)
    found: list[str] = []
    for word in words:
        wanted = bare_username(word)
        candidates = {wanted} & keys or (meant.get(wanted.casefold(), set()) if wanted else set())
        if not candidates:
            raise UnknownPerson(f"No employee is called {word!r}: write the key, the username or the e-mail.")
        if len(candidates) > 1:
            raise UnknownPerson(f"{word!r} may be {' or '.join(sorted(candidates))}: write the key.")
        found += candidates
    return tuple(dict.fromkeys(found))


def _keys(selection: PeopleSelection, facts: Facts) -> list[str]:
    """The selected employees, then the members of the selected teams."""
    teams = set(selection.teams)
    members = (person.key for person in facts.policy.people if teams & person.teams)
    return list(dict.fromkeys([*selection.employees, *members]))


def _selected(selection: PeopleSelection, facts: Facts, draft: Draft) -> list[Place]:
    """The groups to add to. What was named and is none of them is skipped."""
    chosen = [
        place
        for place in facts.places.values()
        if not selection.category or place.category.key == selection.category
    ]
    if not selection.groups and not selection.names:
        return [place for place in chosen if place.standing is not Standing.OUT_OF_SCOPE]
    named = [*selection.groups, *_named(selection, chosen, draft)]
    by_key = {place.key: place for place in chosen}
    for platform, group_id in named:
        if (platform, group_id) not in by_key:
            draft.skip(Target(platform, group_id, group_id), _NOT_AMONG_THEM)
    return [by_key[key] for key in dict.fromkeys(named) if key in by_key]


def _named(
    selection: PeopleSelection, places: Sequence[Place], draft: Draft
) -> Iterable[tuple[Platform, str]]:
    """The groups that the names lead to. What leads to none, or to several, is skipped, never guessed."""
    called = _by_word(places)
    for word in selection.names:
        found = called.get(word.casefold(), ())
        if len(found) == 1:
            yield found[0].key
            continue
        reason = _UNKNOWN
        if found:
            ids = ", ".join(f"{place.platform.label} {place.id}" for place in found)
            reason = f"{len(found)} groups are called so: write the id ({ids})."
        platform = found[0].platform if found else platforms_or_all(selection.platforms)[0]
        draft.skip(Target(platform, "", word), reason)


def _by_word(places: Iterable[Place]) -> Mapping[str, Sequence[Place]]:
    """The groups by id, and by name where that is no group's id."""
    by_id, by_name = defaultdict(list), defaultdict(list)
    for place in places:
        by_id[place.id.casefold()].append(place)
        by_name[place.name.casefold()].append(place)
    return by_name | by_id


_UNKNOWN = "No group in scope is called so: look whether it is spelt so, and whether an audit has seen it."
_NOT_AMONG_THEM = "It is not among the groups in scope of the latest audit."
