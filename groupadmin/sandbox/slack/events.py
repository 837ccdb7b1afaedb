"""What the Events API tells of a change, and who may hear it: docs.slack.dev/reference/events.

An app hears with the eyes of the user who installed it: of public channels that exist, are renamed or
archived, and of everything else where that user is a member.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from groupadmin.sandbox.slack.serialise import channel_object
from groupadmin.sandbox.slack.world import TEAM_ID, SlackAppToken, SlackChannel, SlackUser

_OPEN = frozenset({"channel_created", "channel_rename", "channel_archive", "channel_unarchive"})
"""What is told of public channels to apps whose user is not in them, too."""


@dataclass(frozen=True)
class SlackEvent:
    """One change of one channel, and the `event` object that tells of it."""

    channel: SlackChannel
    event: Mapping[str, Any]

    def is_heard_by(self, app: SlackAppToken, scopes: frozenset[str]) -> bool:
        kind = str(self.event["type"])
        family = "groups" if self.channel.is_private else "channels"
        if f"{family}:{'history' if kind == 'message' else 'read'}" not in scopes:
            return False
        inside = app.user_id in self.channel.members or self.event.get("user") == app.user_id
        return inside or (kind in _OPEN and not self.channel.is_private)


def payload(event: SlackEvent, app: SlackAppToken) -> dict[str, Any]:
    """What surrounds an event, new with every one: its `event_id` tells it apart."""
    return {
        "token": "sandbox-verification-token",
        "team_id": TEAM_ID,
        "api_app_id": app.app_id,
        "event": dict(event.event),
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(6).upper()}",
        "event_time": int(time.time()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM_ID,
                "user_id": app.user_id,
                "is_bot": False,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": event.channel.is_ext_shared,
        "event_context": f"4-{secrets.token_hex(8)}",
    }


def joined(channel: SlackChannel, user: SlackUser, inviter: str | None = None) -> SlackEvent:
    event = _moved("member_joined_channel", channel, user)
    return SlackEvent(channel, event | ({"inviter": inviter} if inviter else {}))


def left(channel: SlackChannel, user: SlackUser) -> SlackEvent:
    return SlackEvent(channel, _moved("member_left_channel", channel, user))


def created(channel: SlackChannel) -> SlackEvent:
    return SlackEvent(channel, {"type": "channel_created", "channel": channel_object(channel)} | _now())


def renamed(channel: SlackChannel) -> SlackEvent:
    kind = "group_rename" if channel.is_private else "channel_rename"
    told = {
        "id": channel.id,
        "is_channel": True,
        "is_mpim": False,
        "name": channel.name,
        "name_normalized": channel.name,
        "created": channel.created,
    }
    return SlackEvent(channel, {"type": kind, "channel": told} | _now())


def archived(channel: SlackChannel, user: str) -> SlackEvent:
    family = "group" if channel.is_private else "channel"
    kind = f"{family}_archive" if channel.is_archived else f"{family}_unarchive"
    return SlackEvent(channel, {"type": kind, "channel": channel.id, "user": user} | _now())


def said(channel: SlackChannel, message: Mapping[str, Any]) -> SlackEvent:
    """message.channels and message.groups."""
    place = {"channel": channel.id, "channel_type": "group" if channel.is_private else "channel"}
    return SlackEvent(channel, {**message, **place, "event_ts": message["ts"]})


def _moved(kind: str, channel: SlackChannel, user: SlackUser) -> dict[str, Any]:
    letter = "G" if channel.id.startswith("G") else "C"
    who = {"user": user.id, "channel": channel.id, "channel_type": letter, "team": user.team_id}
    return {"type": kind} | who | _now()


def _now() -> dict[str, Any]:
    return {"event_ts": f"{time.time():.6f}"}
