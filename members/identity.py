"""Handle → stable id: which user of a platform is which employee. Pure.

A person is matched once by what staff typed (username, then e-mail); from then on the id is
the identity. A wrong match is worse than none: it would count a stranger as a colleague, so
whatever is doubtful stays unresolved, with a sentence that helps a human to decide.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from members.platforms.types import PlatformUser, Wanted
from members.policy import bare_username

_HINTS = 3
"""How many people a hint names at most."""


class Reason(StrEnum):
    """Why a person could not be resolved."""

    NO_HANDLE = "no_handle"
    NO_SUCH_USER = "no_such_user"
    ID_UNKNOWN = "id_unknown"
    DEACTIVATED = "deactivated"
    AMBIGUOUS = "ambiguous"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Resolved:
    """The person's account is known."""

    user: PlatformUser
    changed_from: str | None = None
    """The username we had, when it is none of the user's usernames any more."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Nobody, or nobody for sure. `reason` is one sentence or two for a human."""

    code: Reason
    reason: str
    user: PlatformUser | None = None
    """The account, where there is one that is not in use (deactivated)."""


Resolution: TypeAlias = Resolved | Unresolved


class Directory:
    """The users of one platform, indexed once: 1,000 look-ups in 100,000 users stay linear."""

    def __init__(self, users: Iterable[PlatformUser]) -> None:
        self._by_id = {user.id: user for user in users}
        self._by_username: defaultdict[str, list[PlatformUser]] = defaultdict(list)
        self._by_email: defaultdict[str, list[PlatformUser]] = defaultdict(list)
        self._by_name: defaultdict[frozenset[str], list[PlatformUser]] = defaultdict(list)
        for user in self._by_id.values():
            if user.is_bot:
                continue
            if user.email:
                self._by_email[_fold(user.email)].append(user)
            # Usernames are unique within one workspace only: a customer's "ada" is not ours.
            if not user.external:
                for username in {_fold(username) for username in user.usernames}:
                    self._by_username[username].append(user)
                if words := _words(user.name):
                    self._by_name[words].append(user)

    def resolve(self, wanted: Wanted) -> Resolution:
        """The one user who is this person, or why there is none."""
        if wanted.id:
            return self._by_known_id(wanted, wanted.id)
        if not wanted.username and not wanted.email:
            return Unresolved(
                Reason.NO_HANDLE, f"No username, id or e-mail of {wanted.name} is known here. Enter one."
            )
        by_username = self._called(wanted.username)
        by_email = self._by_email.get(_fold(wanted.email), []) if wanted.email else []
        for found in (by_username, by_email):
            active = [user for user in found if user.active]
            if len(active) > 1:
                active = [user for user in active if user in by_email] or active
            if len(active) > 1:
                active = [user for user in active if not user.external] or active
            if len(active) > 1:
                return _ambiguous(wanted, active)
            if active:
                return _resolved(wanted, active[0])
        if by_username or by_email:
            return _deactivated(wanted, (by_username or by_email)[0])
        return self._nobody(wanted)

    def _by_known_id(self, wanted: Wanted, known_id: str) -> Resolution:
        """The id alone decides: a username that moved to somebody else must never win."""
        user = self._by_id.get(known_id)
        if user is None:
            namesakes = self._called(wanted.username)
            now = f" @{wanted.username} now belongs to {_people(namesakes)}." if namesakes else ""
            return Unresolved(
                Reason.ID_UNKNOWN,
                f"No user with the id {known_id} was found.{now} Correct the id of {wanted.name}, "
                "or clear it to match by username again.",
            )
        return _resolved(wanted, user) if user.active else _deactivated(wanted, user)

    def _called(self, username: str | None) -> list[PlatformUser]:
        return self._by_username.get(_fold(username), []) if username else []

    def _nobody(self, wanted: Wanted) -> Unresolved:
        handles = [f"the username @{wanted.username}"] if wanted.username else []
        handles += [f"the e-mail {wanted.email}"] if wanted.email else []
        alike = self._by_name.get(_words(wanted.name), [])
        hint = f"Perhaps {_people(alike)}?" if alike else "Correct it, or enter the id."
        return Unresolved(Reason.NO_SUCH_USER, f"No user has {' or '.join(handles)}. {hint}")


def resolve(wanted: Wanted, candidates: Iterable[PlatformUser]) -> Resolution:
    """Who of `candidates` is the wanted person. For many people use `resolve_all`."""
    return Directory(candidates).resolve(wanted)


def resolve_all(wanted: Sequence[Wanted], candidates: Iterable[PlatformUser]) -> tuple[Resolution, ...]:
    """One resolution for each of `wanted`, in the same order; no user stands for two people.

    Where two people lead to one account, it belongs to the one whose known id it is; when
    neither id is known, to nobody.
    """
    directory = Directory(candidates)
    resolutions = [directory.resolve(want) for want in wanted]
    claims: defaultdict[str, list[Wanted]] = defaultdict(list)
    for want, resolution in zip(wanted, resolutions, strict=True):
        if isinstance(resolution, Resolved):
            claims[resolution.user.id].append(want)
    return tuple(
        _taken(want, resolution.user, claims[resolution.user.id])
        if isinstance(resolution, Resolved)
        and len(claims[resolution.user.id]) > 1
        and want.id != resolution.user.id
        else resolution
        for want, resolution in zip(wanted, resolutions, strict=True)
    )


def _resolved(wanted: Wanted, user: PlatformUser) -> Resolved:
    known = wanted.username or ""
    current = {_fold(username) for username in user.usernames}
    return Resolved(user, changed_from=known if known and _fold(known) not in current else None)


def _deactivated(wanted: Wanted, user: PlatformUser) -> Unresolved:
    return Unresolved(
        Reason.DEACTIVATED,
        f"The account of {wanted.name}, {_people([user])}, is deactivated. "
        "Mark the employee as offboarded, or enter the account now in use.",
        user,
    )


def _ambiguous(wanted: Wanted, users: Sequence[PlatformUser]) -> Unresolved:
    return Unresolved(
        Reason.AMBIGUOUS, f"{wanted.name} may be {_people(users, ' or ')}. Enter the id of the right one."
    )


def _taken(wanted: Wanted, user: PlatformUser, claims: Sequence[Wanted]) -> Unresolved:
    others = " and ".join(claim.name for claim in claims if claim is not wanted)
    return Unresolved(
        Reason.TAKEN,
        f"{wanted.name} leads to {_people([user])}, and so does {others}. Correct one of the usernames.",
    )


def _people(users: Sequence[PlatformUser], join: str = ", ") -> str:
    """ "Ada Example (@ada, U1)" for each, the first few of them."""
    named = [
        f"{user.name or 'a user'} ({f'@{user.username}, ' if user.username else ''}{user.id})"
        for user in users[:_HINTS]
    ]
    return join.join(named) + (f" and {len(users) - _HINTS} more" if len(users) > _HINTS else "")


def _fold(handle: str) -> str:
    return bare_username(handle).casefold()


def _words(name: str) -> frozenset[str]:
    """Names look alike when they are the same words in any order: "Example, Ada" is "Ada Example"."""
    return frozenset(re.findall(r"\w+", name.casefold()))
