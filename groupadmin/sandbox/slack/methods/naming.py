"""conversations.rename, and what Slack makes of a channel's name."""

from __future__ import annotations

import re
from typing import Any

from groupadmin.sandbox.slack import events
from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.scopes import RENAME
from groupadmin.sandbox.slack.serialise import channel_object

LONGEST_NAME = 80


def conversations_rename(call: Call) -> dict[str, Any]:
    channel = call.channel(RENAME)
    if not call.is_member(channel):
        raise Failure("not_in_channel")
    if channel.is_archived:
        raise Failure("is_archived")
    may_rename = call.caller.is_admin or call.caller.id in {channel.creator, *channel.managers}
    if not may_rename:
        raise Failure("not_authorized")
    name = channel_name(call.text("name"))
    if any(each.name == name for each in call.world.channels.values() if each is not channel):
        raise Failure("name_taken")
    if name != channel.name:
        channel.previous_names.append(channel.name)
        channel.name = name
        call.changed.add(call.text("name"))
        call.events.append(events.renamed(channel))
    answer = channel_object(channel) | {"is_member": True, "num_members": len(channel.members)}
    return {"channel": answer}


def channel_name(wish: str) -> str:
    """The name that Slack stores for `wish`: lower case, spaces as hyphens.

    Letters of any script, digits, hyphens and underscores may stay. Raises `invalid_name_*`.
    """
    name = re.sub(r"\s+", "-", wish.strip().lower())
    if not name:
        raise Failure("invalid_name_required")
    if len(name) > LONGEST_NAME:
        raise Failure("invalid_name_maxlength")
    if not any(letter.isalnum() for letter in name):
        raise Failure("invalid_name_punctuation")
    if not re.fullmatch(r"[\w-]+", name):
        raise Failure("invalid_name_specials")
    return name
