"""Whom an audit looks for on a platform, and what looking them up tells. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from audits.observation import PersonSeen
from members.identity import Resolved, Unresolved
from members.platforms.errors import PlatformError
from members.platforms.types import Platform, Wanted
from members.policy import EmployeeStatus, Handle, Person, Policy, concerns

CUT_SHORT = "The run was cut short before this list was read."


@dataclass(frozen=True, slots=True)
class Roster:
    """The people of one platform."""

    concerned: tuple[Person, ...]
    """Those whose groups matter."""
    strangers: tuple[Person, ...]
    """Colleagues whom nothing asks for, and whose account is not known: nobody could add them anywhere."""

    @classmethod
    def of(cls, policy: Policy, platform: Platform) -> Roster:
        concerned = tuple(person for person in policy.people if concerns(person, platform, policy))
        strangers = (
            person
            for person in policy.people
            if is_counted(person) and person.handles.get(platform, Handle()).id is None
        )
        return cls(concerned, tuple(person for person in strangers if person not in concerned))


def is_counted(person: Person) -> bool:
    """Whether anybody counts on the person: nobody does on those who left or are under review."""
    return person.status in (EmployeeStatus.ACTIVE, EmployeeStatus.OPTIONAL)


def wanted(person: Person, platform: Platform) -> Wanted:
    """What the policy knows about the person there."""
    handle = person.handles.get(platform, Handle())
    email = person.email if platform is Platform.SLACK else None  # Telegram knows nobody's e-mail
    return Wanted(person.key, person.name, handle.id, handle.username, email)


def first_sight(
    person: Person, want: Wanted, resolution: Resolved | Unresolved, failure: PlatformError | None
) -> PersonSeen:
    """The person as far as the lookup tells; `failure` is why it could not be made, if so."""
    if isinstance(resolution, Resolved):
        user = resolution.user
        return PersonSeen(person.key, user, user.id, changed_from=resolution.changed_from, unread=CUT_SHORT)
    if person.status is EmployeeStatus.OFFBOARDED and resolution.code == "deactivated":
        return PersonSeen(person.key, resolution.user, want.id)  # in no group any more
    if failure is not None:
        return PersonSeen(person.key, id=want.id, unread=str(failure))
    return PersonSeen(person.key, id=want.id, unresolved=resolution.reason)
