"""Who is behind an id or a username on Telegram: the cheapest way that can find them, first.

1. An id whose access hash is known: users.getUsers, a hundred at a time.
2. A username: contacts.resolveUsername. Telegram grants an account a few dozen of these a day.
   Our own needs none.
3. An id without either (or whose username now belongs to somebody else), and a username that
   could not be resolved for now: the member lists of a few small groups, each one call for all such
   people; then a few searches by name. The id or the username proves who it is; a name proves nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.errors import AccountTrouble, PlatformError, Refused, Unreachable
from members.platforms.telegram_addresses import AddressBook
from members.platforms.telegram_parse import parse_user
from members.platforms.telegram_transport import together
from members.platforms.types import FEWEST_TO_HIDE, GroupKind, PlatformGroup, PlatformUser, Wanted

USERS_A_CALL = 100
MEMBERS_A_PAGE = 200
LISTS_READ = 3
LARGEST_SEARCHED = 3
SPREAD_SEARCHED = 3

_NOBODY = frozenset({"USERNAME_NOT_OCCUPIED", "USERNAME_INVALID"})


class PeopleSearch:
    """One round of looking people up.

    Afterwards `found` holds users by id, and `failures` says, by the key of the person, why
    somebody could not be looked up: that is no proof that they do not exist.
    """

    def __init__(
        self,
        call: Callable[[Any], Awaitable[Any]],
        book: AddressBook,
        groups: Callable[[], Awaitable[Sequence[PlatformGroup]]],
        own: PlatformUser | None = None,
    ) -> None:
        self.found: dict[int, PlatformUser] = {}
        self.failures: dict[str, PlatformError] = {}
        self._call = call
        self._book = book
        self._groups = groups
        self._own = own
        self._closed_groups: set[str] = set()

    async def run(self, wanted: Sequence[Wanted]) -> None:
        """Raises AccountTrouble, and TryLater when the server is gone; all else goes to `failures`."""
        if self._own is not None and any(_is(person, self._own) for person in wanted):
            self.found[int(self._own.id)] = self._own
        await self._by_id([person for person in wanted if self._book.knows_user(_number(person))])
        open_handles: dict[str, list[Wanted]] = {}
        for person in wanted:
            if person.username and not self._has(person):
                open_handles.setdefault(_handle(person.username), []).append(person)
        await together(self._by_username(handle, people) for handle, people in open_handles.items())
        if self._unfound(wanted):
            groups = await self._groups()
            await self._by_member_list(wanted, groups)
            searched = search_order([group for group in groups if group.id not in self._closed_groups])
            await together(self._by_name(person, searched) for person in self._unfound(wanted))
        for person in wanted:
            if self._has(person):
                self.failures.pop(person.key, None)

    async def _by_id(self, people: Sequence[Wanted]) -> None:
        chunks = (people[start : start + USERS_A_CALL] for start in range(0, len(people), USERS_A_CALL))
        await together(self._by_address(chunk) for chunk in chunks)

    async def _by_address(self, people: Sequence[Wanted]) -> None:
        numbers = list({_number(person) for person in people})
        try:
            users = await self._call(
                functions.users.GetUsersRequest(list(map(self._book.input_user, numbers)))
            )
        except PlatformError as error:
            self._failed(people, error)
            return
        for user in users:
            self._keep(user)
        for number in numbers:
            if number not in self.found:  # a UserEmpty: the access hash is no longer good
                self._book.forget_user(number)

    async def _by_username(self, handle: str, people: Sequence[Wanted]) -> None:
        try:
            answer = await self._call(functions.contacts.ResolveUsernameRequest(handle))
        except Refused as error:
            if error.code not in _NOBODY:
                self._failed(people, error)
        except PlatformError as error:
            self._failed(people, error)
        else:
            if isinstance(answer.peer, tl.PeerUser):  # otherwise a group or channel has this name
                for user in answer.users:
                    if user.id == answer.peer.user_id:
                        self._keep(user)

    async def _by_member_list(self, wanted: Sequence[Wanted], groups: Sequence[PlatformGroup]) -> None:
        for group in listing_order(groups):
            unfound = self._unfound(wanted)
            if not unfound:
                return
            try:
                users = await self._members(group, tl.ChannelParticipantsRecent())
            except PlatformError as error:
                self._failed(unfound, error)
                return
            self._closed_groups.add(group.id)  # to searches: it has told all
            self._keep_those_of(unfound, users)

    async def _by_name(self, person: Wanted, groups: Sequence[PlatformGroup]) -> None:
        try:
            for group in groups:
                if group.id in self._closed_groups:
                    continue
                self._keep_those_of([person], await self._search(group, person.name))
                if self._has(person):
                    return
        except PlatformError as error:
            self._failed([person], error)

    async def _search(self, group: PlatformGroup, name: str) -> Sequence[Any]:
        """Members of `group` with the first word of `name`: surnames are often left out on Telegram."""
        words = name.split()
        return await self._members(group, tl.ChannelParticipantsSearch(words[0])) if words else ()

    async def _members(self, group: PlatformGroup, which: Any) -> Sequence[Any]:
        """The first page of those members of `group`."""
        try:
            channel = self._book.input_channel(int(group.id))
            answer = await self._call(
                functions.channels.GetParticipantsRequest(
                    channel, which, offset=0, limit=MEMBERS_A_PAGE, hash=0
                )
            )
        except Refused:  # hidden members, a group that vanished, or one whose address nobody told
            self._closed_groups.add(group.id)
            return ()
        return getattr(answer, "users", ())

    def _keep(self, user: Any) -> None:
        if isinstance(user, tl.User) and not user.min:
            self.found[user.id] = parse_user(user)

    def _keep_those_of(self, people: Sequence[Wanted], users: Sequence[Any]) -> None:
        for user in users:
            if isinstance(user, tl.User) and any(_is(person, parse_user(user)) for person in people):
                self._keep(user)

    def _unfound(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Whom there is another way to: not those whose username is nobody's."""
        return [
            person
            for person in wanted
            if (_number(person) or person.key in self.failures) and not self._has(person)
        ]

    def _has(self, person: Wanted) -> bool:
        if _number(person):
            return _number(person) in self.found
        return any(_is(person, user) for user in self.found.values())

    def _failed(self, people: Sequence[Wanted], error: PlatformError) -> None:
        if isinstance(error, AccountTrouble | Unreachable):
            raise error
        self.failures |= {person.key: error for person in people}


def listing_order(groups: Sequence[PlatformGroup]) -> list[PlatformGroup]:
    """The few supergroups whose members to list: the largest of those that cannot hide them."""
    small = [
        group
        for group in groups
        if group.kind is GroupKind.SUPERGROUP and 0 < (group.total_members or 0) < FEWEST_TO_HIDE
    ]
    return sorted(small, key=lambda group: group.total_members or 0, reverse=True)[:LISTS_READ]


def search_order(groups: Sequence[PlatformGroup]) -> list[PlatformGroup]:
    """The few supergroups to search for somebody, in this order.

    The largest first, then some from the rest, spread over all sizes: a colleague who keeps
    out of the large communities is still in most of the ordinary groups.
    """
    by_size = sorted(
        (group for group in groups if group.kind is GroupKind.SUPERGROUP),
        key=lambda group: group.total_members or 0,
        reverse=True,
    )
    rest = by_size[LARGEST_SEARCHED:]
    step = max(1, len(rest) // SPREAD_SEARCHED)
    return by_size[:LARGEST_SEARCHED] + rest[::step][:SPREAD_SEARCHED]


def _handle(username: str) -> str:
    return username.strip().lstrip("@").casefold()


def _is(person: Wanted, user: PlatformUser) -> bool:
    """Whether `user` has the id of `person`; or their username, where no id is known."""
    if _number(person):
        return int(user.id) == _number(person)
    return bool(person.username) and _handle(str(person.username)) in map(_handle, user.usernames)


def _number(person: Wanted) -> int:
    """The id as Telegram writes it; 0, which nobody has, when there is none."""
    return int(person.id) if person.id and person.id.isdecimal() else 0
