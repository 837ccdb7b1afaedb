"""The write side of Telegram: `PlatformWriter` over MTProto, in the name of one signed-in person."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from telethon.tl import functions
from telethon.tl import types as tl

from members.dates import moment_in_words
from members.platforms.errors import AccountTrouble, Gone, PlatformError, Refused
from members.platforms.outcomes import Outcome, Reply
from members.platforms.telegram import TelegramReader
from members.platforms.telegram_errors import cursor_loop
from members.platforms.telegram_outcomes import concerns_everybody, reply_to, reply_to_missing
from members.platforms.telegram_parse import parse_groups
from members.platforms.telegram_transport import together
from members.platforms.text import group_name, storable
from members.platforms.types import GroupKind, PlatformGroup, PlatformUser, Wanted
from members.platforms.writing import InDoubt

MESSAGES_SHOWN_TO_NEWCOMERS = 100
"""Of a basic group, which hides what is older. As many as Telegram Desktop shows them."""

KICK_PAUSE = 0.5
"""Seconds between a ban and its end; Telethon's `kick_participant` waits as long."""

KICK_LASTS = timedelta(hours=1)
"""When a kick's ban ends by itself: whoever dies before lifting it locks nobody out.

Telegram takes less than 30 seconds for ever, so this has to outweigh a clock that is wrong.
https://core.telegram.org/constructor/chatBannedRights
"""

LINK_LIFETIME = timedelta(days=7)

HISTORY_PAGE = 100
"""Messages that one call tells at most: https://core.telegram.org/api/offsets"""

_DONE = Reply(Outcome.DONE)
_CANNOT_INVITE_SELF = Reply(
    Outcome.CANNOT_INVITE_SELF, "An account cannot add itself: ask somebody in the group to do it"
)
_OURSELVES = Reply(
    Outcome.REFUSED, "This is the account that does the work: leave the group by hand in the Telegram app"
)
_NO_BANS = Reply(
    Outcome.REFUSED, "A basic group knows no bans: remove the person, or turn it into a supergroup first"
)

_BANNED = tl.ChatBannedRights(until_date=None, view_messages=True)
"""Out, and for ever. https://core.telegram.org/constructor/chatBannedRights"""
_FREE = tl.ChatBannedRights(until_date=None)


class TelegramWriter(TelegramReader):
    """A reader that changes groups as well.

    Besides its replies every method may raise AccountTrouble (with the code "peer_flood" when
    Telegram wants the account to reach nobody for a while), TryLater, and InDoubt. Whatever ended in
    doubt is not sent again: the caller reads the group first.
    """

    largest_invitation: int = 20
    """More are not added to a supergroup at once by TDLib, Telegram's own library.

    https://core.telegram.org/tdlib/docs/classtd_1_1td__api_1_1add_chat_members.html
    """

    async def people(self, wanted: Sequence[Wanted]) -> Sequence[PlatformUser]:
        """One call for a hundred, where their access hashes are known."""
        return await self.users(wanted)

    async def invite(self, group: PlatformGroup, users: Sequence[PlatformUser]) -> Mapping[str, Reply]:
        """Add people: channels.inviteToChannel; in a basic group messages.addChatUser, one by one.

        A supergroup is asked about each person first (channels.getParticipant): the invitation, one
        call for all, would say of somebody who has just joined by themselves that they were added.
        When it is refused because of a person, Telegram does not say because of whom, and they are
        added one by one: that repeats nothing, since to add somebody who is there already changes
        nothing. A refusal because of the group is everybody's reply.
        """
        if len(users) > self.largest_invitation:
            raise ValueError(f"at most {self.largest_invitation} people at once")
        replies = {user.id: _CANNOT_INVITE_SELF for user in users if await self._is_own(user)}
        people = {user.id: user for user in users}.values()
        at_once = self.largest_invitation if group.kind is GroupKind.SUPERGROUP else 1
        try:
            if group.kind is GroupKind.SUPERGROUP:
                replies = await self._who_is_there(group, list(people)) | replies
            while waiting := [user for user in people if user.id not in replies]:
                batch = waiting[:at_once]
                try:
                    replies |= await self._add(group, batch)
                except Refused as error:
                    if concerns_everybody(error):
                        replies |= {user.id: reply_to(error) for user in waiting}
                    elif len(batch) == 1:
                        replies[batch[0].id] = reply_to(error)
                    else:
                        at_once = 1
        except PlatformError as error:
            error.settled = replies
            raise
        return replies

    async def remove(self, group: PlatformGroup, user: PlatformUser) -> Reply:
        """Take `user` out, if they are there; they may come back."""
        if group.kind is GroupKind.SUPERGROUP:
            try:
                if not await self.is_member(group, user):  # a ban would hit those who are gone as well
                    return Reply(Outcome.ALREADY_GONE)
            except Refused as error:
                return reply_to(error)
        return await self.kick(group, user)

    async def kick(self, group: PlatformGroup, user: PlatformUser, *, not_after: float = math.inf) -> Reply:
        """`remove` for somebody who was just seen there. In a supergroup: a ban, a moment, and `unban`.

        The ban goes out until `not_after`, by the event loop's clock, else TryLater is raised. An error
        between the two, which has the reply in `settled`, leaves a ban for `KICK_LASTS`.
        """
        if group.kind is GroupKind.BASIC:
            return await self._delete_chat_user(group, user)
        ends = datetime.now(UTC) + KICK_LASTS
        rights = tl.ChatBannedRights(ends, view_messages=True)
        banned = await self._edit_banned(group, user, rights, not_after=not_after)
        if not banned.success:
            return banned
        await asyncio.sleep(KICK_PAUSE)
        try:
            freed = await self.unban(group, user)
        except PlatformError as error:
            error.settled = {user.id: _locked_out(ends, str(error))}
            raise
        return _DONE if freed.success else _locked_out(ends, freed.message)

    async def ban(self, group: PlatformGroup, user: PlatformUser) -> Reply:
        """channels.editBanned: out of the supergroup, in it or not, with no way back."""
        return await self._edit_banned(group, user, _BANNED)

    async def unban(self, group: PlatformGroup, user: PlatformUser) -> Reply:
        """channels.editBanned: lift every ban and restriction. Nobody comes back by that alone."""
        return await self._edit_banned(group, user, _FREE)

    async def group_now(self, group: PlatformGroup) -> PlatformGroup:
        """channels.getChannels, or messages.getChats for a basic group."""
        if group.kind is GroupKind.BASIC:
            answer = await self._call(functions.messages.GetChatsRequest([int(group.id)]))
        else:
            answer = await self._call(functions.channels.GetChannelsRequest([self._channel(group)]))
        groups = {found.id: found for found in parse_groups(answer.chats)}
        if group.id not in groups:
            raise Gone("The account does not see this group any more", code="CHANNEL_PRIVATE")
        return groups[group.id]

    async def rename(self, group: PlatformGroup, name: str) -> tuple[Reply, str]:
        """channels.editTitle or messages.editChatTitle; with the name that the group has now."""
        try:
            answer = await self._write(self._edit_title(group, storable(name)))
        except Refused as error:
            reply = reply_to(error)
            return reply, name if reply.success else group.name
        titles = {str(chat.id): chat.title for chat in getattr(answer, "chats", ())}
        return _DONE, group_name(titles.get(group.id, name))

    async def send(self, target: PlatformUser | PlatformGroup, text: str, *, once: str = "") -> Reply:
        """messages.sendMessage: plain text to a person, or into a group.

        The number that `once` makes is for Telegram to tell a repetition, of which it delivers none.
        """
        number = number_of(once) if once else None
        try:
            await self._write(
                functions.messages.SendMessageRequest(self._peer(target), storable(text), random_id=number)
            )
        except Refused as error:
            return reply_to(error, private=isinstance(target, PlatformUser))
        except InDoubt as error:
            if error.code == "RANDOM_ID_DUPLICATE":
                return Reply(Outcome.DONE, "Telegram had taken this message before, and sent it once")
            raise
        return _DONE

    async def sent_to(self, user: PlatformUser, *, since: datetime) -> Sequence[str]:
        """messages.getHistory, page by page, newest first."""
        texts: list[str] = []
        before = 0
        while True:
            answer = await self._call(
                functions.messages.GetHistoryRequest(
                    self._peer(user), before, None, 0, HISTORY_PAGE, max_id=0, min_id=0, hash=0
                )
            )
            page = [message for message in answer.messages if not isinstance(message, tl.MessageEmpty)]
            recent = [message for message in page if message.date >= since]
            texts += [each.message for each in recent if each.out and isinstance(each, tl.Message)]
            if not page or len(recent) < len(page):
                return texts
            if before and page[-1].id >= before:
                raise cursor_loop("the conversation")
            before = page[-1].id

    async def invite_link(self, group: PlatformGroup) -> tuple[Reply, str]:
        """messages.exportChatInvite: a new link, for one person and `LINK_LIFETIME`; "" when refused.

        For somebody whose privacy settings keep us from adding them.
        """
        ends = datetime.now(UTC) + LINK_LIFETIME
        try:
            answer = await self._write(
                functions.messages.ExportChatInviteRequest(self._peer(group), expire_date=ends, usage_limit=1)
            )
        except Refused as error:
            return reply_to(error), ""
        return _DONE, answer.link

    async def revoke_link(self, group: PlatformGroup, link: str) -> Reply:
        """messages.editExportedChatInvite: nobody joins by it any more."""
        return await self._reply(
            lambda: functions.messages.EditExportedChatInviteRequest(self._peer(group), link, revoked=True)
        )

    async def _who_is_there(self, group: PlatformGroup, users: Sequence[PlatformUser]) -> dict[str, Reply]:
        """The replies for those of `users` who need not be invited any more."""
        present = await together(self._is_seen(group, user) for user in users)
        return {
            user.id: Reply(Outcome.ALREADY_THERE) for user, seen in zip(users, present, strict=True) if seen
        }

    async def _is_seen(self, group: PlatformGroup, user: PlatformUser) -> bool:
        """Whether `user` is in `group`. Where that is refused, the invitation itself tells why."""
        try:
            return await self.is_member(group, user)
        except Refused:
            return False

    async def _add(self, group: PlatformGroup, users: Sequence[PlatformUser]) -> dict[str, Reply]:
        """The replies of one call, which a refusal ends as a whole."""
        people = [self._person(user) for user in users]
        if group.kind is GroupKind.BASIC:
            (person,) = people
            answer = await self._write(
                functions.messages.AddChatUserRequest(
                    int(group.id), person, fwd_limit=MESSAGES_SHOWN_TO_NEWCOMERS
                )
            )
        else:
            answer = await self._write(
                functions.channels.InviteToChannelRequest(self._channel(group), people)
            )
        missing = {str(invitee.user_id): reply_to_missing(invitee) for invitee in answer.missing_invitees}
        return {user.id: missing.get(user.id, _DONE) for user in users}

    async def _delete_chat_user(self, group: PlatformGroup, user: PlatformUser) -> Reply:
        if await self._is_own(user):
            return _OURSELVES
        return await self._reply(
            lambda: functions.messages.DeleteChatUserRequest(int(group.id), self._person(user))
        )

    async def _edit_banned(
        self,
        group: PlatformGroup,
        user: PlatformUser,
        rights: tl.ChatBannedRights,
        *,
        not_after: float = math.inf,
    ) -> Reply:
        if group.kind is GroupKind.BASIC:
            return _NO_BANS
        if await self._is_own(user):
            return _OURSELVES
        return await self._reply(
            lambda: functions.channels.EditBannedRequest(self._channel(group), self._person(user), rights),
            not_after=not_after,
        )

    def _edit_title(self, group: PlatformGroup, name: str) -> Any:
        if group.kind is GroupKind.BASIC:
            return functions.messages.EditChatTitleRequest(int(group.id), name)
        return functions.channels.EditTitleRequest(self._channel(group), name)

    async def _reply(self, request: Callable[[], Any], *, not_after: float = math.inf) -> Reply:
        """How `request` ended. Making it may be refused as well, for want of an access hash."""
        try:
            await self._write(request(), not_after=not_after)
        except Refused as error:
            return reply_to(error)
        return _DONE

    async def _write(self, request: Any, *, not_after: float = math.inf) -> Any:
        try:
            return await self._transport.write(request, not_after=not_after)
        except AccountTrouble as error:
            if error.code == "PEER_FLOOD":
                error.code = Outcome.PEER_FLOOD
            raise

    async def _is_own(self, user: PlatformUser) -> bool:
        return user.id == (await self.account()).id

    def _peer(self, target: PlatformUser | PlatformGroup) -> Any:
        if isinstance(target, PlatformUser):
            return self._person(target)
        if target.kind is GroupKind.BASIC:
            return tl.InputPeerChat(int(target.id))
        return self._channel(target)

    def _channel(self, group: PlatformGroup) -> Any:
        return self._book.input_channel(int(group.id))

    def _person(self, user: PlatformUser) -> Any:
        return self._book.input_user(int(user.id))


def number_of(name: str) -> int:
    """A `random_id` (64 bits, signed) that is always the same for the same name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _locked_out(until: datetime, why: str) -> Reply:
    return Reply(
        Outcome.DONE,
        f"Removed, but a ban keeps them from coming back until {moment_in_words(until)}. {why}",
    )
