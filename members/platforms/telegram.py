"""The read side of Telegram: `PlatformReader` over MTProto, with the eyes of one signed-in person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.base import CallMeter
from members.platforms.configs import AccessHashes, TelegramConfig
from members.platforms.errors import NO_GROUP_ACCESS_HASH, Gone, PlatformError, Refused, SignedOut
from members.platforms.telegram_addresses import AddressBook, no_way_to
from members.platforms.telegram_administrators import parse_basic_administrators, read_administrators
from members.platforms.telegram_dialogs import read_dialogs
from members.platforms.telegram_errors import MEMBERS_HIDDEN, NOT_APPLICABLE, cursor_loop
from members.platforms.telegram_parse import (
    parse_account,
    parse_details,
    parse_groups,
    parse_standing,
    parse_user,
    present_user_id,
)
from members.platforms.telegram_people import MEMBERS_A_PAGE, PeopleSearch
from members.platforms.telegram_roster import RosterLine, RosterPage, read_banned, read_roster, search_roster
from members.platforms.telegram_transport import Ear, TelegramTransport
from members.platforms.types import (
    Account,
    Administrator,
    AdminStatus,
    GroupDetails,
    GroupKind,
    MembersPage,
    Platform,
    PlatformGroup,
    PlatformUser,
    Role,
    Standing,
    Wanted,
)

COMMON_CHATS_A_PAGE = 100


class TelegramReader:
    """Reads Telegram as one signed-in person. Use it in an `async with` block, once.

    Entering connects and asks who we are. Calls may overlap: at most `concurrency` requests
    are under way at a time. `known_hashes` are those of earlier connections, by the id of the
    account that they belong to; `learned_hashes()` are worth keeping for the next one.
    """

    platform: Platform = Platform.TELEGRAM

    def __init__(
        self,
        config: TelegramConfig,
        *,
        meter: CallMeter | None = None,
        known_hashes: Mapping[int, AccessHashes] | None = None,
        concurrency: int = 8,
        ear: Ear | None = None,
    ) -> None:
        self.meter = meter or CallMeter()
        self.lookup_failures: Mapping[str, PlatformError] = {}
        self._transport = TelegramTransport(config, meter=self.meter, concurrency=concurrency, ear=ear)
        self._known_hashes = known_hashes or {}
        self._account: Account | None = None
        self._own: PlatformUser | None = None
        self._book = AddressBook(own_id=0)
        self._groups: dict[str, PlatformGroup] = {}
        self._listed: list[PlatformGroup] | None = None
        self._none_being_listed = asyncio.Event()
        self._none_being_listed.set()
        self._found: set[int] = set()

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        try:
            await self._identify()
        except BaseException:
            await self._transport.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    @property
    def account_id(self) -> int | None:
        """The id of the account; None until we have connected."""
        return int(self._account.id) if self._account else None

    @property
    def signed_out(self) -> SignedOut | None:
        """Why the session is dead, once Telegram has said so."""
        return self._transport.signed_out

    async def account(self) -> Account:
        """The account, as it was when we connected."""
        if self._account is None:
            raise RuntimeError("TelegramReader is used outside its 'async with' block")
        return self._account

    async def groups(self) -> AsyncGenerator[Sequence[PlatformGroup], None]:
        """messages.getDialogs: every group that we are in, archived dialogs included.

        Basic groups that became supergroups come along, as `superseded_by`.
        """
        listed: dict[str, PlatformGroup] = {}
        self._none_being_listed.clear()
        try:
            async with aclosing(read_dialogs(self._call)) as pages:
                async for chats in pages:
                    page = {group.id: group for group in parse_groups(chats) if group.id not in listed}
                    listed |= page
                    self._groups |= page
                    yield list(page.values())
            self._listed = list(listed.values())
        finally:
            self._none_being_listed.set()

    async def group(self, group_id: str) -> PlatformGroup:
        """channels.getChannels where an answer has told the way to a supergroup, else messages.getChats.

        A basic group that we left is told as such. Of an id that Telegram does not know among the basic ones
        nothing is proven: Refused.
        """
        number = int(group_id)
        if self._book.knows_channel(number):
            channel = self._book.input_channel(number)
            answer = await self._call(functions.channels.GetChannelsRequest([channel]))
        else:
            try:
                answer = await self._call(functions.messages.GetChatsRequest([number]))
            except Gone:  # no basic group that ever was ours: what it is, nobody has told
                raise no_way_to(number, "group", code=NO_GROUP_ACCESS_HASH) from None
        found = {group.id: group for group in parse_groups(answer.chats)}
        if group_id not in found:
            raise Gone("The account does not see this group any more", code="CHANNEL_PRIVATE")
        self._groups[group_id] = found[group_id]
        return found[group_id]

    async def users(self, wanted: Sequence[Wanted]) -> Sequence[PlatformUser]:
        """The people behind ids and usernames; see `telegram_people` for the ways and their order.

        Whoever a wanted username leads to is returned, even when the wanted id says that it is
        somebody else now. E-mail leads to nobody on Telegram. A person whose lookup was refused
        or limited is in `lookup_failures`, by key, and the others are found all the same; only a
        server that is gone raises TryLater.
        """
        search = PeopleSearch(self._call, self._book, self._groups_to_search, self._own)
        self.lookup_failures = search.failures
        await search.run(wanted)
        self._found |= search.found.keys()
        return list(search.found.values())

    async def groups_of(self, user: PlatformUser) -> AsyncGenerator[Sequence[PlatformGroup], None]:
        """messages.getCommonChats: the groups that we share with `user`; for ourselves, all of ours."""
        pages = self._own_groups() if user.id == (await self.account()).id else self._common_groups(user)
        async with aclosing(pages):
            async for page in pages:
                yield [group for group in page if group.superseded_by is None]

    async def is_member(self, group: PlatformGroup, user: PlatformUser) -> bool:
        """channels.getParticipant; for a basic group its member list."""
        return (await self.standing(group, user)).present

    async def standing(self, group: PlatformGroup, user: PlatformUser) -> Standing:
        """The same calls: what they are in it, and since when. Bans are told to admins only."""
        if group.kind is GroupKind.BASIC:
            return await self._standing_in_basic(group, user)
        request = functions.channels.GetParticipantRequest(
            channel=self._book.input_channel(int(group.id)), participant=self._book.input_user(int(user.id))
        )
        try:
            answer = await self._call(request)
        except Refused as error:
            if error.code == "USER_NOT_PARTICIPANT":
                return Standing(Role.ABSENT)
            raise
        return parse_standing(answer.participant)

    async def members(self, group: PlatformGroup) -> AsyncGenerator[MembersPage, None]:
        """channels.getParticipants; for a basic group messages.getFullChat.

        Telegram may show fewer than `expected`: compare. Raises Refused where members are hidden.
        """
        if group.kind is GroupKind.BASIC:
            yield await self._basic_members(group)
            return
        channel = self._book.input_channel(int(group.id))
        seen: set[int] = set()
        offset = 0
        while True:
            answer = await self._transport.call(  # not self._call: nobody writes to all of these people
                functions.channels.GetParticipantsRequest(
                    channel, tl.ChannelParticipantsRecent(), offset=offset, limit=MEMBERS_A_PAGE, hash=0
                )
            )
            lines = getattr(answer, "participants", ())
            if not lines:
                return
            page = {number for line in lines if (number := present_user_id(line)) is not None}
            yield MembersPage(frozenset(map(str, page - seen)), expected=answer.count)
            offset += len(lines)
            if offset >= answer.count:
                return
            if page and page <= seen:
                raise cursor_loop("the member list")
            seen |= page

    def roster(self, group: PlatformGroup) -> AsyncGenerator[RosterPage, None]:
        """Everybody in a supergroup, with names and roles; from then on we know the way to each of them.

        Telegram may show fewer than `expected`: compare. Raises Refused where members are hidden.
        """
        return read_roster(self._call, self._book.input_channel(int(group.id)))

    async def administrators(self, group: PlatformGroup) -> Sequence[Administrator]:
        """Who runs the group, the owner first, in one call; from then on we know the way to each of them.

        Who is anonymous is shown to admins alone. Raises Refused where a basic group hides its members.
        """
        if group.kind is GroupKind.BASIC:
            found = parse_basic_administrators(await self._full_chat(group))
        else:
            found = await read_administrators(self._call, self._book.input_channel(int(group.id)))
        self._found |= {int(each.user.id) for each in found}
        return found

    async def banned_from(self, group: PlatformGroup) -> frozenset[str]:
        """The ids of those who were thrown out of a supergroup and are kept out. Only admins are told."""
        banned = await read_banned(self._call, self._book.input_channel(int(group.id)))
        return frozenset(map(str, banned))

    async def search_members(self, group: PlatformGroup, text: str) -> Sequence[RosterLine]:
        """The members of a supergroup whom its search shows for `text`; we know the way to them then."""
        return await search_roster(self._call, self._book.input_channel(int(group.id)), text)

    async def details(self, group: PlatformGroup) -> GroupDetails:
        """channels.getFullChannel. Raises Refused for a basic group: it hides no history."""
        if group.kind is GroupKind.BASIC:
            raise Refused("A basic Telegram group has no such settings", code=NOT_APPLICABLE)
        channel = self._book.input_channel(int(group.id))
        answer = await self._call(functions.channels.GetFullChannelRequest(channel))
        return parse_details(answer.full_chat)

    def learned_hashes(self) -> AccessHashes:
        """The access hashes of the people found, and of our supergroups."""
        channels = (int(group.id) for group in self._groups.values() if group.kind is GroupKind.SUPERGROUP)
        return self._book.hashes_of(self._found, channels)

    async def _identify(self) -> None:
        users = await self._transport.call(functions.users.GetUsersRequest([tl.InputUserSelf()]))
        if not users or not isinstance(users[0], tl.User):
            self._transport.signed_out = SignedOut(
                "The Telegram account is signed out: sign in again", code="signed_out"
            )
            raise self._transport.signed_out
        self._account, self._own = parse_account(users[0]), parse_user(users[0])
        self._book = AddressBook(users[0].id, self._known_hashes.get(users[0].id))

    async def _groups_to_search(self) -> Sequence[PlatformGroup]:
        """All that we know of; a list under way is waited for."""
        await self._none_being_listed.wait()
        return list(self._groups.values())

    async def _call(self, request: Any) -> Any:
        answer = await self._transport.call(request)
        self._book.learn(answer)
        return answer

    async def _own_groups(self) -> AsyncGenerator[Sequence[PlatformGroup], None]:
        await self._none_being_listed.wait()
        if self._listed is not None:
            yield self._listed
            return
        async with aclosing(self.groups()) as pages:
            async for page in pages:
                yield page

    async def _common_groups(self, user: PlatformUser) -> AsyncGenerator[Sequence[PlatformGroup], None]:
        """`max_id` is the id of the last chat of the previous page, which need not be the smallest."""
        person = self._book.input_user(int(user.id))
        seen: set[int] = set()
        max_id = total = 0
        while True:
            answer = await self._call(
                functions.messages.GetCommonChatsRequest(person, max_id, COMMON_CHATS_A_PAGE)
            )
            ids = {chat.id for chat in answer.chats}
            if not ids or ids == {max_id}:
                return
            if ids <= seen:
                if len(seen) >= total > 0:
                    return
                raise cursor_loop("the groups in common")
            page = parse_groups(chat for chat in answer.chats if chat.id not in seen)
            self._groups |= {group.id: group for group in page}
            yield page
            seen |= ids
            if isinstance(answer, tl.messages.ChatsSlice):
                total = max(total, answer.count)
                complete = len(seen) >= total > 0 and len(answer.chats) < COMMON_CHATS_A_PAGE
            else:
                complete = len(answer.chats) < COMMON_CHATS_A_PAGE
            if complete:
                return
            max_id = answer.chats[-1].id

    async def _basic_members(self, group: PlatformGroup) -> MembersPage:
        lines = await self._basic_lines(group)
        numbers = {number for line in lines if (number := present_user_id(line)) is not None}
        return MembersPage(frozenset(map(str, numbers)), expected=len(lines))

    async def _standing_in_basic(self, group: PlatformGroup, user: PlatformUser) -> Standing:
        for line in await self._basic_lines(group):
            if line.user_id == int(user.id):
                # Only the owner removes the admins of a basic group.
                return replace(parse_standing(line), editable=group.admin_status is AdminStatus.OWNER)
        return Standing(Role.ABSENT)

    async def _basic_lines(self, group: PlatformGroup) -> Sequence[Any]:
        lines: Sequence[Any] = (await self._full_chat(group)).full_chat.participants.participants
        return lines

    async def _full_chat(self, group: PlatformGroup) -> tl.messages.ChatFull:
        answer = await self._call(functions.messages.GetFullChatRequest(int(group.id)))
        if isinstance(answer.full_chat.participants, tl.ChatParticipantsForbidden):
            raise Refused("Telegram hides this group's members from the account", code=MEMBERS_HIDDEN)
        return answer
