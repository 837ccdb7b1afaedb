"""Slack's JSON as our own types: pure functions over what the Web API and the Events API send.

A missing, null or oddly typed field counts as not told, and an entry without an id is left out:
one strange entry must not hide a whole list. Only an answer that lacks the list itself, or an
account without an id, raises `Refused` (code "bad_answer"). Nothing else is raised.

Sources of the shapes: docs.slack.dev/reference/objects and /reference/methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from members.platforms.errors import Refused
from members.platforms.slack_errors import BAD_ANSWER
from members.platforms.text import group_name, platform_id, storable
from members.platforms.types import Account, GroupKind, Platform, PlatformGroup, PlatformUser, Privacy

SLACKBOT_ID = "USLACKBOT"
"""Slack's own bot: in every workspace, under this id, with `is_bot: false`."""

_MOST_PEOPLE = 2**31 - 1
"""As many as databases count."""
_LATEST = 2**38
"""Seconds since 1970 that still are in a year of four digits."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a token belongs, from auth.test."""

    team_id: str = ""
    enterprise_id: str = ""
    org_wide: bool = False
    """The token spans an Enterprise organization, so listing methods must be told a team_id."""


class EventKind(StrEnum):
    """The Events API types that tell of a channel's life; the value is Slack's `type`."""

    CHANNEL_CREATED = "channel_created"
    CHANNEL_RENAME = "channel_rename"
    GROUP_RENAME = "group_rename"
    CHANNEL_ARCHIVE = "channel_archive"
    GROUP_ARCHIVE = "group_archive"
    CHANNEL_UNARCHIVE = "channel_unarchive"
    GROUP_UNARCHIVE = "group_unarchive"
    CHANNEL_DELETED = "channel_deleted"
    GROUP_DELETED = "group_deleted"
    CHANNEL_LEFT = "channel_left"
    GROUP_LEFT = "group_left"
    CHANNEL_SHARED = "channel_shared"
    CHANNEL_UNSHARED = "channel_unshared"
    MEMBER_JOINED = "member_joined_channel"
    MEMBER_LEFT = "member_left_channel"


@dataclass(frozen=True, slots=True)
class SlackEvent:
    kind: EventKind
    channel_id: str
    name: str | None = None
    """The channel's new name, where the event carries it."""
    user_id: str | None = None
    """Who joined, left, created or archived."""


def parse_account(answer: Mapping[str, Any]) -> Account:
    """auth.test. It tells the handle only, which therefore is the name too."""
    user_id = _id(answer, "user_id")
    if not user_id:
        raise Refused("Slack's answer to auth.test names no user", code=BAD_ANSWER)
    handle = _text(answer, "user")
    return Account(
        platform=Platform.SLACK,
        id=user_id,
        username=handle or None,
        name=handle or user_id,
        workspace_id=_text(answer, "team_id"),
        workspace_name=_text(answer, "team"),
    )


def parse_workspace(answer: Mapping[str, Any]) -> Workspace:
    """auth.test again: the home that tells our people from external ones."""
    return Workspace(
        team_id=_text(answer, "team_id"),
        enterprise_id=_text(answer, "enterprise_id"),
        org_wide=_flag(answer, "is_enterprise_install"),
    )


def parse_next_cursor(answer: Mapping[str, Any]) -> str:
    """The cursor of the next page; "" on the last one (docs.slack.dev/apis/web-api/pagination)."""
    cursor = _text(_object(answer, "response_metadata"), "next_cursor")
    return cursor if cursor.strip() else ""


def parse_channels(answer: Mapping[str, Any]) -> list[PlatformGroup]:
    """conversations.list and users.conversations; direct messages are left out."""
    groups = (parse_channel(entry) for entry in _list(answer, "channels") if isinstance(entry, Mapping))
    return [group for group in groups if group is not None]


def parse_channel(entry: Mapping[str, Any]) -> PlatformGroup | None:
    """One conversation object, or None when it has no id or is a direct message.

    Private channels may have C ids as well as G ids: `is_private` tells. Where `is_member` is not
    told (users.conversations), seeing a private channel is being in it. Only who is in a channel takes
    people out of it or renames it (`not_in_channel` of conversations.kick and .rename); to add people to a
    public one, the account can join first.
    """
    channel_id = _id(entry, "id")
    if not channel_id or _is_direct_message(channel_id, entry):
        return None
    private = _flag(entry, "is_private" if "is_private" in entry else "is_group")
    general = _flag(entry, "is_general")
    inside = private or entry.get("is_member") is not False
    return PlatformGroup(
        platform=Platform.SLACK,
        id=channel_id,
        name=group_name(_text(entry, "name") or _text(entry, "name_normalized") or channel_id),
        kind=GroupKind.CHANNEL,
        privacy=Privacy.PRIVATE if private else Privacy.PUBLIC,
        total_members=_count(entry, "num_members"),
        archived=_flag(entry, "is_archived"),
        shared_externally=_flag(entry, "is_ext_shared" if "is_ext_shared" in entry else "is_shared"),
        joined=private or _flag(entry, "is_member"),
        may_remove=inside and not general,
        may_rename=inside,
        general=general,
        created_at=_time(entry, "created"),
    )


def parse_users(answer: Mapping[str, Any], home: Workspace) -> list[PlatformUser]:
    """users.list: deactivated people and bots included."""
    users = (parse_user(entry, home) for entry in _list(answer, "members") if isinstance(entry, Mapping))
    return [user for user in users if user is not None]


def parse_user_info(answer: Mapping[str, Any], home: Workspace) -> PlatformUser:
    """users.info."""
    user = parse_user(_object(answer, "user"), home)
    if user is None:
        raise Refused("Slack's answer to users.info names no user", code=BAD_ANSWER)
    return user


def parse_user(entry: Mapping[str, Any], home: Workspace) -> PlatformUser | None:
    """One user object, or None when it has no id.

    `display_name` may be "". `email` is only sent to tokens with the scope users:read.email.
    """
    user_id = _id(entry, "id")
    if not user_id:
        return None
    handle = _text(entry, "name")
    profile = _object(entry, "profile")
    names = (_text(profile, "display_name"), _text(profile, "real_name"), _text(entry, "real_name"), handle)
    return PlatformUser(
        platform=Platform.SLACK,
        id=user_id,
        usernames=(handle,) if handle else (),
        name=next(filter(None, names), user_id),
        email=_text(profile, "email") or None,
        active=not _flag(entry, "deleted"),
        is_bot=user_id == SLACKBOT_ID or any(_flag(entry, key) for key in ("is_bot", "is_workflow_bot")),
        external=_is_external(entry, home),
        workspace_id=_workspace_of(entry),
    )


def parse_member_ids(answer: Mapping[str, Any]) -> frozenset[str]:
    """conversations.members."""
    told = (platform_id(entry) for entry in _list(answer, "members") if isinstance(entry, str))
    return frozenset(filter(None, told))


def parse_channel_info(answer: Mapping[str, Any]) -> PlatformGroup:
    """conversations.info: the one channel."""
    channel = parse_channel(_object(answer, "channel"))
    if channel is None:
        raise Refused("Slack's answer to conversations.info holds no channel", code=BAD_ANSWER)
    return channel


def parse_stored_name(answer: Mapping[str, Any]) -> str:
    """conversations.rename: the name as Slack stored it; "" when it does not say."""
    return group_name(_text(_object(answer, "channel"), "name"))


def parse_opened(answer: Mapping[str, Any]) -> str:
    """conversations.open: the id of the direct message."""
    channel_id = _id(_object(answer, "channel"), "id")
    if not channel_id:
        raise Refused("Slack's answer to conversations.open names no conversation", code=BAD_ANSWER)
    return channel_id


def parse_texts(answer: Mapping[str, Any]) -> list[str]:
    """conversations.history: the texts of the messages, as Slack escapes them."""
    messages = answer.get("messages")
    entries = messages if isinstance(messages, list) else []
    return [_text(entry, "text") for entry in entries if isinstance(entry, Mapping)]


def parse_event(payload: Mapping[str, Any]) -> SlackEvent | None:
    """An Events API payload (as Socket Mode delivers it), or None when it does not concern us."""
    event = _object(payload, "event")
    try:
        kind = EventKind(_text(event, "type"))
    except ValueError:
        return None
    channel = _object(event, "channel")  # some kinds carry the channel object, others its id
    channel_id = _text(channel, "id") or _text(event, "channel")
    if not channel_id:
        return None
    return SlackEvent(
        kind=kind,
        channel_id=channel_id,
        name=_text(channel, "name") or None,
        user_id=_text(event, "user") or _text(channel, "creator") or None,
    )


def _is_direct_message(channel_id: str, entry: Mapping[str, Any]) -> bool:
    """Also one whose flags are not told: nobody asks for them, but a server may send them all the same."""
    name = _text(entry, "name")
    unflagged = (channel_id.startswith("D") and not name) or name.startswith("mpdm-")
    return unflagged or _flag(entry, "is_im") or _flag(entry, "is_mpim")


def _is_external(user: Mapping[str, Any], home: Workspace) -> bool:
    """Whether the person's home is elsewhere.

    `is_stranger` alone is not enough: it is false for an external person in a channel that we
    share (docs.slack.dev/reference/objects/user-object). A sibling workspace of our own
    Enterprise organization is home as well.
    """
    if _flag(user, "is_stranger"):
        return True
    team = _workspace_of(user)
    if not team or not home.team_id or team == home.team_id:
        return False
    enterprise = _text(_object(user, "enterprise_user"), "enterprise_id") or _text(user, "enterprise_id")
    return not enterprise or enterprise != home.enterprise_id


def _workspace_of(user: Mapping[str, Any]) -> str:
    return _text(user, "team_id") or _text(_object(user, "profile"), "team")


def _list(answer: Mapping[str, Any], key: str) -> list[Any]:
    value = answer.get(key)
    if not isinstance(value, list):
        raise Refused(f"Slack's answer lacks the list '{key}'", code=BAD_ANSWER)
    return value


def _object(source: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = source.get(key)
    return value if isinstance(value, Mapping) else {}


def _text(source: Mapping[str, Any], key: str) -> str:
    value = source.get(key)
    return storable(value) if isinstance(value, str) else ""


def _id(source: Mapping[str, Any], key: str) -> str:
    return platform_id(_text(source, key))


def _flag(source: Mapping[str, Any], key: str) -> bool:
    return source.get(key) is True


def _count(source: Mapping[str, Any], key: str, *, most: int = _MOST_PEOPLE) -> int | None:
    value = source.get(key)
    return value if type(value) is int and 0 <= value <= most else None


def _time(source: Mapping[str, Any], key: str) -> datetime | None:
    """Unix seconds; 0 is how Slack says that it does not know."""
    seconds = _count(source, key, most=_LATEST)
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
