"""What Slack's Events API tells, the moment it happens, as our own. Pure.

Shapes: docs.slack.dev/reference/events. Of messages an edit comes as `message_changed` with the message as
it is now, a deletion as `message_deleted`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from members.platforms.history import Heard
from members.platforms.live import GroupEvent, Happening, Item
from members.platforms.slack_messages import Known, number_of, parse_message
from members.platforms.slack_parse import EventKind, parse_event
from members.platforms.text import group_name
from members.platforms.types import Platform

_CHANNEL = re.compile(r"[CG][A-Z0-9]{1,30}\Z", re.ASCII)
_USER = re.compile(r"[A-Z0-9]{1,30}\Z", re.ASCII)

_HAPPENINGS = {
    EventKind.CHANNEL_CREATED: Happening.CREATED,
    EventKind.CHANNEL_RENAME: Happening.RENAMED,
    EventKind.GROUP_RENAME: Happening.RENAMED,
    EventKind.CHANNEL_ARCHIVE: Happening.ARCHIVED,
    EventKind.GROUP_ARCHIVE: Happening.ARCHIVED,
    EventKind.CHANNEL_UNARCHIVE: Happening.REOPENED,
    EventKind.GROUP_UNARCHIVE: Happening.REOPENED,
    EventKind.CHANNEL_DELETED: Happening.GONE,
    EventKind.GROUP_DELETED: Happening.GONE,
    EventKind.CHANNEL_LEFT: Happening.GONE,
    EventKind.GROUP_LEFT: Happening.GONE,
    EventKind.CHANNEL_SHARED: Happening.CHANGED,
    EventKind.CHANNEL_UNSHARED: Happening.CHANGED,
    EventKind.MEMBER_JOINED: Happening.JOINED,
    EventKind.MEMBER_LEFT: Happening.LEFT,
}

_NOW = frozenset({"message_changed", "message_replied"})
"""The subtypes that bring the whole message as it is now under `message`."""


def parse_items(payload: Mapping[str, Any], known: Known) -> Iterator[Item]:
    """What an Events API payload tells of channels; nothing of direct messages and of everything else."""
    if (happened := parse_happening(payload)) is not None:
        yield happened
    elif (heard := parse_heard(payload, known)) is not None:
        yield heard


def parse_happening(payload: Mapping[str, Any]) -> GroupEvent | None:
    """What happened to a channel; None where the payload tells of nothing of the kind."""
    event = parse_event(payload)
    if event is None or not _CHANNEL.match(event.channel_id):
        return None
    what = _HAPPENINGS[event.kind]
    moved = what in (Happening.JOINED, Happening.LEFT)
    people = (event.user_id,) if moved and event.user_id and _USER.match(event.user_id) else ()
    event_id = payload.get("event_id")
    return GroupEvent(
        platform=Platform.SLACK,
        group_id=event.channel_id,
        what=what,
        name=group_name(event.name or ""),
        people=people,
        once=event_id if isinstance(event_id, str) else "",
    )


def parse_heard(payload: Mapping[str, Any], known: Known) -> Heard | None:
    """What a payload says of a channel's messages; None for everything else."""
    event = payload.get("event")
    if not isinstance(event, Mapping) or event.get("type") != "message":
        return None
    channel = event.get("channel")
    if not isinstance(channel, str) or not _CHANNEL.match(channel):
        return None
    if event.get("channel_type") in ("im", "mpim", "app_home"):
        return None
    subtype = event.get("subtype")
    if subtype == "message_deleted":
        number = number_of(event.get("deleted_ts"))
        return None if number is None else Heard(Platform.SLACK, channel, deleted=(number,))
    told = event.get("message") if isinstance(subtype, str) and subtype in _NOW else event
    message = parse_message(_as_read(told), known) if isinstance(told, Mapping) else None
    return None if message is None else Heard(Platform.SLACK, channel, message)


def _as_read(told: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only events say: conversations.history tells the same message without it."""
    return {key: value for key, value in told.items() if key not in ("channel", "channel_type", "event_ts")}
