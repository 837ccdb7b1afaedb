"""Messages as Slack's Events API tells of them, the moment they are written. Pure.

docs.slack.dev/reference/events/message: an edit comes as `message_changed` with the message as it is now,
a deletion as `message_deleted`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from members.platforms.history import Heard
from members.platforms.slack_messages import Known, number_of, parse_message
from members.platforms.types import Platform

_NOW = frozenset({"message_changed", "message_replied"})
"""The subtypes that bring the whole message as it is now under `message`."""


def parse_heard(payload: Mapping[str, Any], known: Known) -> Heard | None:
    """What an Events API payload says of a channel's messages; None for everything else."""
    event = payload.get("event")
    if not isinstance(event, Mapping) or event.get("type") != "message":
        return None
    channel = event.get("channel")
    if not isinstance(channel, str) or event.get("channel_type") in ("im", "mpim", "app_home"):
        return None
    if event.get("subtype") == "message_deleted":
        number = number_of(event.get("deleted_ts"))
        return None if number is None else Heard(Platform.SLACK, channel, deleted=(number,))
    told = event.get("message") if event.get("subtype") in _NOW else event
    message = parse_message(_as_read(told), known) if isinstance(told, Mapping) else None
    return None if message is None else Heard(Platform.SLACK, channel, message)


def _as_read(told: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only events say: conversations.history tells the same message without it."""
    return {key: value for key, value in told.items() if key not in ("channel", "channel_type", "event_ts")}
