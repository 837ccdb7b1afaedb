"""Whom somebody means by what they typed: an employee, or an account named by username, link or id. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from members.platforms.types import Platform, Wanted
from members.policy import Handle, Person, bare_username

_TELEGRAM_LINK = re.compile(
    r"(?:https?://)?(?:www\.)?(?:t\.me|telegram\.me|telegram\.dog)/(?:s/)?(?P<name>[^/?#\s]+)(?P<rest>.*)",
    re.IGNORECASE,
)
_TELEGRAM_DEEP_LINK = re.compile(
    r"tg://(?:resolve\?domain=(?P<name>\w+)|user\?id=(?P<id>\d+)).*", re.IGNORECASE
)
"""core.telegram.org/api/links"""
_TELEGRAM_NAME = re.compile(r"[A-Za-z]\w{3,31}", re.ASCII)
_SLACK_ID = re.compile(r"(?:<@)?(?P<id>[UW][A-Z0-9]{6,})(?:\|[^>]*)?>?")
"""Also as a mention in a message: docs.slack.dev/messaging/formatting-message-text"""
_TELEGRAM_ID = re.compile(r"[1-9][0-9]{0,18}")


class PersonUnclear(Exception):
    """Nobody, or more than one, is meant: one line that says what to write instead."""

    def __init__(self, message: str, *, account_trouble: bool = False) -> None:
        """`account_trouble` says that nobody could look before somebody has seen to our own account."""
        super().__init__(message)
        self.account_trouble = account_trouble


@dataclass(frozen=True, slots=True)
class Sought:
    """Somebody to look for."""

    text: str
    """What was typed."""
    person: Person | None = None
    """The employee, where it is one."""
    handles: Mapping[Platform, Handle] = field(default_factory=dict)
    """How to find them, on the platforms on which to look."""
    typed_username: str = ""
    """The username by which they were named, if it was one; without "@"."""
    unknown_on: tuple[Platform, ...] = ()
    """Where to look as well, if only an account of this employee were known there."""

    @property
    def key(self) -> str:
        return self.person.key if self.person is not None else self.text

    @property
    def name(self) -> str:
        return self.person.name if self.person is not None else self.text

    def wanted(self, platform: Platform) -> Wanted:
        """The same for a reader of `platform`, which is one of `handles`."""
        handle = self.handles[platform]
        email = self.person.email if self.person is not None and platform is Platform.SLACK else None
        return Wanted(self.key, self.name, handle.id, handle.username, email)


def sought(text: str, people: Sequence[Person], platforms: Collection[Platform]) -> Sought:
    """Who is meant by `text`: a key, name, username, e-mail, t.me link, or a platform's id.

    An employee is looked for by what is known of them; ids decide. Whoever is none is looked for on
    Telegram, or on Slack when that is the only one of `platforms`: equal usernames on both are not one
    person. Raises PersonUnclear.
    """
    typed = text.strip()
    if not typed:
        raise PersonUnclear("Say whom to look for: a username, a t.me link, an id, or an employee.")
    if (named := _account_named(typed)) is not None:
        platform, handle = named
        employee = _only_one(typed, _owners(people, platform, handle))
    else:
        platform, handle = None, None
        employee = _only_one(typed, _called(people, typed, platforms))
    username = _username_in(typed)
    if employee is not None:
        return _everywhere(typed, employee, platforms, username)
    if platform is None or handle is None:
        platform, handle = _stranger(typed, username, platforms)
    if platform not in platforms:
        raise PersonUnclear(f"{typed} is an account on {platform.label}: look there.")
    return Sought(typed, None, {platform: handle}, username)


def _everywhere(typed: str, employee: Person, platforms: Collection[Platform], username: str) -> Sought:
    """The employee, on those of `platforms` where something leads to an account of theirs."""
    handles: dict[Platform, Handle] = {}
    for platform in platforms:
        known = employee.handles.get(platform, Handle())
        if known.id or known.username or (platform is Platform.SLACK and employee.email):
            handles[platform] = known
    unknown = tuple(platform for platform in platforms if platform not in handles)
    return Sought(typed, employee, handles, username, unknown)


def _account_named(typed: str) -> tuple[Platform, Handle] | None:
    """The account that `typed` can only be: by a link or an id."""
    if match := _TELEGRAM_DEEP_LINK.fullmatch(typed):
        return Platform.TELEGRAM, Handle(match["id"], match["name"])
    if match := _TELEGRAM_LINK.fullmatch(typed):
        name = match["name"]
        if name.startswith("+") or name.casefold() in ("joinchat", "c", "addlist") or not _is_name(name):
            raise PersonUnclear(
                f"{typed} leads to no person: write the link of a profile, like t.me/username."
            )
        return Platform.TELEGRAM, Handle(None, name)
    if _TELEGRAM_ID.fullmatch(typed):
        return Platform.TELEGRAM, Handle(typed)
    if match := _SLACK_ID.fullmatch(typed):
        return Platform.SLACK, Handle(match["id"])
    return None


def _owners(people: Iterable[Person], platform: Platform, handle: Handle) -> list[Person]:
    """The employees whose account it is: by the id, or by the username that is known of them."""
    wanted = (handle.username or "").casefold()
    return [
        person
        for person in people
        if handle.id in person.ids_on(platform)
        or (wanted and (person.handle_on(platform).username or "").casefold() == wanted)
    ]


def _called(people: Sequence[Person], typed: str, platforms: Collection[Platform]) -> list[Person]:
    """The employees who are called so: one whose key it is before anybody else."""
    wanted = bare_username(typed)
    meant: dict[str, list[Person]] = defaultdict(list)
    for person in people:
        if person.key == wanted:
            return [person]
        usernames = (person.handles.get(each, Handle()).username or "" for each in platforms)
        words = {person.name.casefold(), (person.email or "").casefold(), *map(str.casefold, usernames)}
        for word in words:
            meant[word].append(person)
    return meant.get(wanted.casefold(), []) if wanted else []


def _only_one(typed: str, found: Sequence[Person]) -> Person | None:
    if len(found) > 1:
        keys = " or ".join(sorted(person.key for person in found))
        raise PersonUnclear(f"{typed!r} may be {keys}: write the key.")
    return found[0] if found else None


def _stranger(typed: str, username: str, platforms: Collection[Platform]) -> tuple[Platform, Handle]:
    if set(platforms) == {Platform.SLACK} and username:
        return Platform.SLACK, Handle(None, username)
    if username and _is_name(username):
        return Platform.TELEGRAM, Handle(None, username)
    raise PersonUnclear(f"No employee is called {typed!r}: write a username, a t.me link, an id, or a key.")


def _username_in(typed: str) -> str:
    """The username that was typed, as itself or as a link; "" where it was none."""
    for pattern in (_TELEGRAM_DEEP_LINK, _TELEGRAM_LINK):
        if match := pattern.fullmatch(typed):
            return match["name"] or ""
    if _TELEGRAM_ID.fullmatch(typed) or _SLACK_ID.fullmatch(typed):
        return ""
    bare = bare_username(typed)
    return bare if re.fullmatch(r"[\w.-]+", bare) else ""


def _is_name(text: str) -> bool:
    """Whether it may be a username on Telegram: core.telegram.org/method/account.checkUsername"""
    return _TELEGRAM_NAME.fullmatch(text) is not None
