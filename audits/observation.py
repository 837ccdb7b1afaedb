"""What one audit saw on the platforms, with what it could not see: plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from members.platforms.types import (
    Account,
    CallCount,
    GroupDetails,
    History,
    Platform,
    PlatformGroup,
    PlatformUser,
)


@dataclass(frozen=True, slots=True)
class BlindSpot:
    """Something the audit could not see, and why; it never counts as "nothing wrong there"."""

    platform: Platform
    subject: str
    reason: str
    group_id: str = ""
    employee: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The error that ended the observation of a platform before it was whole."""

    code: str
    message: str
    account: bool = False
    """True when the account itself is the problem: not configured, signed out, a scope missing."""
    sign_in: bool = False
    """True when a sign-in would help: nobody is signed in, or the session is dead."""


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """What earlier runs stored about a group."""

    platform: Platform
    id: str
    name: str
    in_scope: bool = False
    archived: bool = False
    history: History = History.UNKNOWN
    history_read_at: datetime | None = None
    members_hidden: bool = False
    connection: str = ""
    """Through which connection it was reached."""


@dataclass(frozen=True, slots=True)
class PersonSeen:
    """One employee on one platform: who they are there, and the groups they were seen in."""

    key: str
    user: PlatformUser | None = None
    id: str | None = None
    """The platform's id, also where it is known without the user being reachable."""
    unresolved: str = ""
    """Why there is no user: one sentence; empty when there is one or nobody could look."""
    unread: str = ""
    """Why the list of groups is not whole: one sentence; empty when it is."""
    changed_from: str | None = None
    """The handle we knew, when the person carries another one now."""
    nowhere: bool = False
    """Whether nobody there is this person, and nobody ever was as far as we know: they are in no group."""
    group_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PlatformObservation:
    """Everything seen on one platform in one run, through one connection (`audits.merge` joins several)."""

    platform: Platform
    connection: str = ""
    """Which of our workspaces or accounts looked; empty for the usual one."""
    label: str = ""
    """What people call it; empty for the usual one."""
    account: Account | None = None
    account_employee: str | None = None
    """The key of the employee whose account looked: present wherever the account is."""
    groups: Mapping[str, PlatformGroup] = field(default_factory=dict)
    groups_complete: bool = False
    """False when the listing was cut short: a group that is not in it may still exist."""
    superseded: Mapping[str, str] = field(default_factory=dict)
    """Basic group id → the supergroup it became."""
    vanished: Mapping[str, PlatformGroup] = field(default_factory=dict)
    """Groups that were listed and then could not be read any more."""
    people: Mapping[str, PersonSeen] = field(default_factory=dict)
    met: Mapping[str, PlatformUser] = field(default_factory=dict)
    """Employee key → account, of people whom nothing asks for, and whose account was not known yet."""
    asked: Mapping[tuple[str, str], bool | None] = field(default_factory=dict)
    """(group id, employee key) → membership as the group itself told it (None: it would not say),
    for the pairs of which the person's own list is no proof."""
    details: Mapping[str, GroupDetails] = field(default_factory=dict)
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Deep runs: group id → ids of the employees in it, for the lists that were read to the end."""
    member_counts: Mapping[str, int] = field(default_factory=dict)
    """Deep runs: group id → length of the list that was read."""
    blind_spots: tuple[BlindSpot, ...] = ()
    cost: CallCount = field(default_factory=CallCount)
    trouble: Trouble | None = None

    @property
    def whole(self) -> bool:
        """Whether everything that can be seen was seen (blind spots by nature do not count)."""
        return (
            self.trouble is None
            and self.groups_complete
            and not any(person.unread for person in self.people.values())
        )

    @property
    def learnt_something(self) -> bool:
        return bool(self.groups) or self.groups_complete

    def presence(self, group_id: str, key: str) -> bool | None:
        """Whether the employee is in the group; None when that could not be seen.

        What the group itself said beats what the person's list said: it is the later and the
        direct answer.
        """
        if (group_id, key) in self.asked:
            return self.asked[group_id, key]
        person = self.people.get(key)
        if key == self.account_employee:
            group = self.groups.get(group_id) or self.vanished.get(group_id)
            if group is None:
                return None
            if group.joined or person is None or person.user is None:
                return group.joined
        if person is None:
            return None
        members = self.members.get(group_id)
        if members is not None and person.id is not None:
            return person.id in members
        if group_id in person.group_ids:
            return True
        if person.nowhere:
            return False
        return None if person.user is None or person.unread else False

    def is_unread(self, group_id: str, key: str) -> bool:
        """Of an employee whose presence there could not be seen: whether that is a passing fault of the run,
        and not that nobody knows who they are."""
        person = self.people.get(key)
        return person is None or not person.unresolved

    def was_looked_for(self, key: str) -> bool:
        """Whether it is known now who the employee is there, or that nobody can tell."""
        person = self.people.get(key)
        return person is not None and (person.user is not None or bool(person.unresolved) or person.nowhere)

    @property
    def by_connection(self) -> tuple[PlatformObservation, ...]:
        """The same, each connection's for itself."""
        return (self,)

    def way_to(self, group_id: str) -> str:
        """The connection through which this group is reached best."""
        return self.connection

    def groups_of(self, key: str) -> frozenset[str]:
        """The ids of the groups in which some source saw the employee."""
        person = self.people.get(key, PersonSeen(key))
        hinted = set(person.group_ids)
        hinted.update(group_id for group_id, asked in self.asked if asked == key)
        if person.id is not None:
            hinted.update(group_id for group_id, ids in self.members.items() if person.id in ids)
        if key == self.account_employee:
            hinted.update(self.groups)
        return frozenset(group_id for group_id in hinted if self.presence(group_id, key))


@dataclass(frozen=True, slots=True)
class Observation:
    """What one run saw on all the platforms it was asked to look at."""

    platforms: tuple[PlatformObservation, ...]
    deep: bool = False
