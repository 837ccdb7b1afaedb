"""Telegram's objects as our dataclasses. Pure: no network.

Field meanings: core.telegram.org/constructor/{user,chat,channel,channelFull}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from telethon.tl import types as tl

from members.platforms.text import group_name, storable
from members.platforms.types import (
    Account,
    AdminStatus,
    GroupDetails,
    GroupKind,
    History,
    Platform,
    PlatformGroup,
    PlatformUser,
    Privacy,
    Role,
    Standing,
)


def parse_account(user: tl.User) -> Account:
    person = parse_user(user)
    return Account(Platform.TELEGRAM, id=person.id, username=person.username, name=person.name)


def parse_user(user: tl.User) -> PlatformUser:
    """A complete user; not one in `min` form, whose fields may be missing."""
    return PlatformUser(
        platform=Platform.TELEGRAM,
        id=str(user.id),
        usernames=tuple(_active_usernames(user)),
        name=storable(" ".join(part for part in (user.first_name, user.last_name) if part)),
        active=not user.deleted,
        is_bot=bool(user.bot),
    )


def parse_group(chat: Any) -> PlatformGroup | None:
    """The basic group or supergroup that `chat` is and that we are in; None for everything else.

    Everything else: broadcast channels, their direct messages (monoforums), communities, and
    groups that we left or were removed from. A basic group that became a supergroup lives on
    as a dialog with nothing to do in it: it is `superseded_by` the supergroup.
    """
    match chat:
        case tl.Channel() if (chat.megagroup or chat.gigagroup) and not (chat.left or chat.monoforum):
            return _supergroup(chat)
        case tl.Chat() if chat.migrated_to or not (chat.left or chat.deactivated):
            return _basic_group(chat)
    return None


def parse_groups(chats: Iterable[Any]) -> list[PlatformGroup]:
    return [group for chat in chats if (group := parse_group(chat)) is not None]


def parse_details(full: tl.ChannelFull) -> GroupDetails:
    migrated_from = full.migrated_from_chat_id
    return GroupDetails(
        history=History.HIDDEN if full.hidden_prehistory else History.VISIBLE,
        members_hidden=bool(full.participants_hidden),
        total_members=full.participants_count or None,
        migrated_from=str(migrated_from) if migrated_from else None,
    )


def present_user_id(participant: Any) -> int | None:
    """The id of the user whom a line of a member list says to be in the group; None when it says not.

    A ChannelParticipantBanned who did not leave is restricted, and still there.
    """
    match participant:
        case tl.ChannelParticipantLeft():
            return None
        case tl.ChannelParticipantBanned():
            is_user = isinstance(participant.peer, tl.PeerUser)
            return participant.peer.user_id if is_user and not participant.left else None
    user_id: int | None = getattr(participant, "user_id", None)
    return user_id


def parse_standing(participant: Any) -> Standing:
    """A line of a member list. A ChannelParticipantAdmin's date is that of the promotion.

    `can_edit` says whether we may take the admin's rights away: without it Telegram answers a removal
    with USER_ADMIN_INVALID. core.telegram.org/constructor/channelParticipantAdmin
    """
    since = getattr(participant, "date", None)
    match participant:
        case tl.ChannelParticipantCreator() | tl.ChatParticipantCreator():
            return Standing(Role.OWNER)
        case tl.ChannelParticipantAdmin():
            return Standing(Role.ADMIN, since, editable=bool(participant.can_edit))
        case tl.ChatParticipantAdmin():
            return Standing(Role.ADMIN, since)
        case tl.ChannelParticipantBanned():
            return Standing(Role.BANNED) if participant.left else Standing(Role.MEMBER)
        case tl.ChannelParticipantLeft():
            return Standing(Role.ABSENT)
    return Standing(Role.MEMBER, since)


def _supergroup(channel: tl.Channel) -> PlatformGroup:
    return PlatformGroup(
        platform=Platform.TELEGRAM,
        id=str(channel.id),
        name=group_name(channel.title),
        kind=GroupKind.SUPERGROUP,
        privacy=Privacy.PUBLIC if any(_active_usernames(channel)) else Privacy.PRIVATE,
        admin_status=_admin_status(channel),
        history=History.UNKNOWN,
        total_members=channel.participants_count or None,
        may_invite=_may_invite(channel),
        may_remove=_may_remove(channel),
        may_rename=_may_rename(channel),
        # No created_at: a channel's `date` is the day on which we joined it.
    )


def _basic_group(chat: tl.Chat) -> PlatformGroup:
    return PlatformGroup(
        platform=Platform.TELEGRAM,
        id=str(chat.id),
        name=group_name(chat.title),
        kind=GroupKind.BASIC,
        privacy=Privacy.PRIVATE,
        admin_status=_admin_status(chat),
        history=History.NOT_APPLICABLE,
        total_members=chat.participants_count or None,
        may_invite=_may_invite(chat),
        may_remove=_may_remove(chat),
        may_rename=_may_rename(chat),
        created_at=chat.date,
        superseded_by=_superseded_by(chat),
    )


def _superseded_by(chat: tl.Chat) -> str | None:
    channel_id = getattr(chat.migrated_to, "channel_id", None)
    return str(channel_id) if channel_id else None


def _admin_status(chat: tl.Channel | tl.Chat) -> AdminStatus:
    if isinstance(chat, tl.Channel) and chat.min:  # title and kind are good, rights are not told: …/api/min
        return AdminStatus.UNKNOWN
    if chat.creator:
        return AdminStatus.OWNER
    if chat.admin_rights is None:
        return AdminStatus.MEMBER
    return AdminStatus.ADMIN_CAN_RENAME if chat.admin_rights.change_info else AdminStatus.ADMIN


def _may_invite(chat: tl.Channel | tl.Chat) -> bool:
    """By the account's admin right, else unless members in general or the account itself may not.

    core.telegram.org/api/rights; without a word about it, it is worth a try.
    """
    if chat.creator or (chat.admin_rights is not None and chat.admin_rights.invite_users):
        return True
    banned = (chat.default_banned_rights, getattr(chat, "banned_rights", None))
    return not any(rights is not None and rights.invite_users for rights in banned)


def _may_remove(chat: tl.Channel | tl.Chat) -> bool:
    """Whether plain members can be taken out: core.telegram.org/api/rights (`ban_users`)."""
    if isinstance(chat, tl.Channel) and chat.min:
        return True  # rights are not told: worth a try
    return bool(chat.creator or (chat.admin_rights is not None and chat.admin_rights.ban_users))


def _may_rename(chat: tl.Channel | tl.Chat) -> bool:
    """By the account's admin right, else where the group says that its members in general may.

    core.telegram.org/api/rights (`change_info`); a restriction of the account's own comes first.
    """
    if isinstance(chat, tl.Channel) and chat.min:
        return True  # rights are not told: worth a try
    if chat.creator or (chat.admin_rights is not None and chat.admin_rights.change_info):
        return True
    own = getattr(chat, "banned_rights", None)
    if chat.default_banned_rights is None or (own is not None and own.change_info):
        return False
    return not chat.default_banned_rights.change_info


def _active_usernames(peer: tl.User | tl.Channel) -> Iterator[str]:
    """The main username first. `usernames` is set instead of `username` where somebody collects them."""
    seen: set[str] = set()
    extra = (entry.username for entry in peer.usernames or () if entry.active)
    for username in (peer.username, *extra):
        if username and username.casefold() not in seen:
            seen.add(username.casefold())
            yield storable(username)
