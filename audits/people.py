"""Whom an audit looks for on a platform, and what looking them up tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from audits.observation import PersonSeen
from members.identity import Reason, Resolved, Unresolved
from members.platforms.errors import PlatformError
from members.platforms.types import Platform, PlatformUser, Wanted
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


def policy_through(connection: str, platform: Platform, policy: Policy) -> Policy:
    """The same policy, of people as they are known in a further connection of `platform`.

    Where no account of theirs is known there, their e-mail address alone leads to it: in another workspace a
    namesake may well have the username that is theirs at home.
    """

    def there(person: Person) -> Person:
        return replace(person, handles={**person.handles, platform: person.handle_on(platform, connection)})

    return replace(policy, people=tuple(map(there, policy.people)))


def who_may_be_meant(wants: Iterable[Wanted], users: Iterable[PlatformUser]) -> list[PlatformUser]:
    """Of those whom a further workspace shows: its own people, and whose id is known.

    Who is external there has an account elsewhere, perhaps in another workspace of ours with which it shares
    channels: that one is not their account here.
    """
    known = {want.id for want in wants}
    return [user for user in users if not user.external or user.id in known]


def was_never_there(
    person: Person, want: Wanted, resolution: Resolved | Unresolved, users: Iterable[PlatformUser]
) -> bool:
    """Whether somebody who left the company had no account in a further workspace either.

    Its whole directory was read, with e-mail addresses, and theirs is not among them.
    """
    return (
        person.status is EmployeeStatus.OFFBOARDED
        and isinstance(resolution, Unresolved)
        and resolution.code is Reason.NO_SUCH_USER
        and want.email is not None
        and any(user.email for user in users)
    )
