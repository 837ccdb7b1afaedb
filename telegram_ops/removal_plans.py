"""From what was found of people to a plan that takes them out of groups. Knows no database.

What cannot be done is left out with a `WhyNot`, which later steps of an offboarding go by: the groups with
one of `FOR_THE_OWNER` are those whose owner has to be asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from members.dates import moment_in_words
from members.operations.membership import REMOVE
from members.operations.plan import Plan, PlannedStep, Skipped, Target
from members.platforms.types import GroupKind, Platform, Role
from members.policy import EmployeeStatus
from telegram_ops.sightings import Found, Look, Place

KIND = "remove_user"
BAN, UNBAN = "ban", "unban"

GroupKey = tuple[Platform, str]
"""Platform and the platform's own id."""


class Way(StrEnum):
    """How somebody is taken out."""

    REMOVE = "remove"
    """They may come back."""
    BAN = "ban"
    """Telegram's supergroups alone: they may not."""


class WhyNot(StrEnum):
    """Why somebody stays in a group, for programs."""

    ASK_THE_OWNER = "ask_the_owner"
    """Our account has no right to: somebody with the right has to do it, or grant it."""
    ADMIN_OF_OTHERS = "admin_of_others"
    """They are an admin there whom only the owner, or whoever made them one, may remove."""
    IS_OWNER = "is_owner"
    IS_ADMIN = "is_admin"
    OURSELVES = "ourselves"
    GENERAL = "general"
    NOT_THERE = "not_there"
    NO_SUCH_GROUP = "no_such_group"
    NO_ACCOUNT = "no_account"
    """Nobody knows who they are on a platform."""
    UNREAD = "unread"
    """A platform, or a part of it, could not be read."""


FOR_THE_OWNER = frozenset({WhyNot.ASK_THE_OWNER, WhyNot.ADMIN_OF_OTHERS})


@dataclass(frozen=True, slots=True)
class RemovalSelection:
    """Who is to be taken out, and of what. What is left empty restricts nothing; the rest all has to hold."""

    people: tuple[str, ...]
    """As somebody wrote them down: see `references.sought`."""
    platforms: tuple[Platform, ...] = (Platform.TELEGRAM,)
    way: Way = Way.REMOVE
    include_admins: bool = False
    """Also where they are admins, and our account may remove admins."""
    groups: tuple[GroupKey, ...] = ()
    names: tuple[str, ...] = ()
    """Names or ids of groups."""
    pairs: tuple[tuple[Platform, str, str], ...] = ()
    """(platform, group id, employee's key): exactly these."""

    def as_parameters(self) -> dict[str, Any]:
        """JSON types; what is empty is left out."""
        values = {
            "people": list(self.people),
            "platforms": [str(platform) for platform in self.platforms],
            "way": str(self.way),
            "include_admins": self.include_admins,
            "groups": [list(key) for key in self.groups],
            "names": list(self.names),
            "pairs": [list(pair) for pair in self.pairs],
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The selection that `as_parameters` was made of."""
        return cls(
            people=tuple(parameters.get("people", ())),
            platforms=tuple(Platform(name) for name in parameters.get("platforms", ())),
            way=Way(parameters.get("way", Way.REMOVE)),
            include_admins=parameters.get("include_admins", False),
            groups=tuple(
                (Platform(platform), group_id) for platform, group_id in parameters.get("groups", ())
            ),
            names=tuple(parameters.get("names", ())),
            pairs=tuple(
                (Platform(platform), group_id, key) for platform, group_id, key in parameters.get("pairs", ())
            ),
        )


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """A group that somebody may mean by its name."""

    platform: Platform
    id: str
    name: str

    @property
    def key(self) -> GroupKey:
        return self.platform, self.id


def draw_up(
    selection: RemovalSelection, found: Sequence[Found], known: Iterable[KnownGroup], *, reach: int
) -> Plan:
    """The plan. `known` are all the groups of the selected platforms, for names; `reach` is how many people
    there are at all."""
    draft = _Draft(selection, found, known)
    steps: dict[Target, PlannedStep] = {}
    for person in found:
        for platform in person.sought.unknown_on:
            everywhere = Target(platform, "", "", person.key, person.name)
            draft.skip(everywhere, WhyNot.NO_ACCOUNT, f"No {platform.label} account of them is known.")
        for look in person.looks:
            draft.name_what_was_not_read(person, look)
        for place in person.places:
            if not draft.is_meant(person, place):
                continue
            target = _target(person, place)
            code, reason = _why_not(selection, person, place)
            if code is None:
                steps.setdefault(target, _step(selection, person, place, target))
            else:
                draft.skip(target, code, reason)
        draft.name_where_they_are_not(person)
    return Plan(
        kind=KIND,
        steps=tuple(steps.values()),
        skipped=draft.skipped(),
        parameters=selection.as_parameters(),
        reach=reach,
    )


class _Draft:
    """Which groups are meant, and what is left out."""

    def __init__(
        self, selection: RemovalSelection, found: Sequence[Found], known: Iterable[KnownGroup]
    ) -> None:
        self._skipped: dict[Target, Skipped] = {}
        self._pairs = set(selection.pairs)
        self._groups: dict[GroupKey, str] | None = None
        if selection.groups or selection.names:
            seen = (KnownGroup(p.group.platform, p.group.id, p.group.name) for f in found for p in f.places)
            groups = {group.key: group for group in (*known, *seen)}  # names may have changed
            self._groups = {key: groups[key].name if key in groups else key[1] for key in selection.groups}
            self._groups |= self._named(selection, list(groups.values()))

    def is_meant(self, person: Found, place: Place) -> bool:
        key = place.group.platform, place.group.id
        if self._pairs and (*key, person.key) not in self._pairs:
            return False
        return self._groups is None or key in self._groups

    def skip(self, target: Target, code: WhyNot, reason: str) -> None:
        self._skipped.setdefault(target, Skipped(target, reason, code))

    def skipped(self) -> tuple[Skipped, ...]:
        return tuple(self._skipped.values())

    def name_what_was_not_read(self, person: Found, look: Look) -> None:
        everywhere = Target(
            look.platform, "", "", person.key, person.name, look.user.id if look.user is not None else ""
        )
        if look.as_of is not None:
            since = f"{moment_in_words(look.as_of)}"
            reason = (
                f"{look.trouble} The plan goes by what the audit of {since} saw: later groups are not in it."
            )
            self.skip(everywhere, WhyNot.UNREAD, reason)
        elif look.trouble:
            self.skip(everywhere, WhyNot.UNREAD, look.trouble)

    def name_where_they_are_not(self, person: Found) -> None:
        """Groups that somebody asked for by name or by hand are never left out without a word."""
        there = {(place.group.platform, place.group.id) for place in person.places}
        for (platform, group_id), name in (self._groups or {}).items():
            if (platform, group_id) in there:
                continue
            look = person.look_at(platform)
            user_id = look.user.id if look is not None and look.user is not None else ""
            target = Target(platform, group_id, name, person.key, person.name, user_id)
            self.skip(target, WhyNot.NOT_THERE, "Is not there, as far as we can see.")

    def _named(self, selection: RemovalSelection, groups: Sequence[KnownGroup]) -> dict[GroupKey, str]:
        """The groups that the names lead to. What leads to none, or to several, is left out."""
        by_id, by_name = defaultdict(list), defaultdict(list)
        for group in groups:
            by_id[group.id.casefold()].append(group)
            by_name[group.name.casefold()].append(group)
        chosen = {}
        for word in selection.names:
            found = by_id.get(word.casefold()) or by_name.get(word.casefold(), [])
            if len(found) == 1:
                chosen[found[0].key] = found[0].name
                continue
            reason = "No group that we know is called so: look whether it is spelt so."
            if found:
                ids = ", ".join(f"{group.platform.label} {group.id}" for group in found)
                reason = f"{len(found)} groups are called so: write the id ({ids})."
            self.skip(Target(selection.platforms[0], "", word), WhyNot.NO_SUCH_GROUP, reason)
        return chosen


def names_left_out(plan: Plan) -> tuple[Skipped, ...]:
    """Of the names that were written down: those that lead to no group, or to several."""
    return tuple(line for line in plan.skipped if line.code == WhyNot.NO_SUCH_GROUP)


def _target(person: Found, place: Place) -> Target:
    look = person.look_at(place.group.platform, place.connection)
    user_id = look.user.id if look is not None and look.user is not None else ""
    return Target(place.group.platform, place.group.id, place.group.name, person.key, person.name, user_id)


def _step(selection: RemovalSelection, person: Found, place: Place, target: Target) -> PlannedStep:
    """A basic group, and Slack, know no bans: there somebody is removed, and the step says so."""
    arguments: dict[str, Any] = {}
    verb = REMOVE
    if selection.way is Way.BAN and place.group.platform is Platform.TELEGRAM:
        if place.group.kind is GroupKind.SUPERGROUP:
            verb = BAN
        else:
            arguments["instead_of_a_ban"] = True
    if selection.include_admins:
        arguments["include_admins"] = True
    employee = person.sought.person
    if employee is not None and employee.status is EmployeeStatus.OFFBOARDED:
        arguments["leaver"] = True
    return PlannedStep(verb, target, arguments, connection=place.connection)


def _why_not(selection: RemovalSelection, person: Found, place: Place) -> tuple[WhyNot | None, str]:
    group = place.group
    look = person.look_at(group.platform, place.connection)
    if look is None or look.user is None:
        return (
            WhyNot.NO_ACCOUNT,
            "No account of this person is known there: nobody can be told apart by a name.",
        )
    if look.user.id == look.own_id:
        return WhyNot.OURSELVES, "This is the account that does the work: leave the group by hand."
    if group.general:
        return WhyNot.GENERAL, (
            "Nobody can be taken out of the channel of the whole workspace: deactivate them in Slack."
        )
    if not group.may_remove:
        if group.platform is Platform.SLACK:
            return WhyNot.ASK_THE_OWNER, "Our account is not in this channel: ask somebody who is."
        return WhyNot.ASK_THE_OWNER, "Our account has no right to remove anybody there: ask the owner."
    if place.role is Role.OWNER:
        return (
            WhyNot.IS_OWNER,
            "They own the group, and nobody can remove an owner: have it handed over first.",
        )
    if place.role is Role.ADMIN:
        if not selection.include_admins:
            return WhyNot.IS_ADMIN, "Is an admin there: say that admins are meant too."
        if place.standing is not None and not place.standing.editable:
            return WhyNot.ADMIN_OF_OTHERS, (
                "Is an admin there, whom only the owner, or who made them one, may remove: ask the owner."
            )
    return None, ""
