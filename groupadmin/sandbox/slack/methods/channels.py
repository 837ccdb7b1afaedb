"""Reading channels: users.conversations, and conversations.list, .info and .members."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.paging import Page, page_limit, paginate
from groupadmin.sandbox.slack.scopes import READ, TYPE_SCOPES
from groupadmin.sandbox.slack.serialise import channel_object
from groupadmin.sandbox.slack.world import SlackChannel


def conversations_list(call: Call) -> dict[str, Any]:
    page = _page_of_channels(call, wanted=lambda channel: True)
    channels = [
        channel_object(channel) | {"is_member": call.is_member(channel), "num_members": len(channel.members)}
        for channel in page.items
    ]
    return {"channels": channels, **page.metadata}


def users_conversations(call: Call) -> dict[str, Any]:
    """The channels of the caller, or those of `user` that the caller can see."""
    person = call.user() if call.text("user") else call.caller
    page = _page_of_channels(call, wanted=lambda channel: person.id in channel.members)
    return {"channels": [channel_object(channel) for channel in page.items], **page.metadata}


def conversations_info(call: Call) -> dict[str, Any]:
    channel = call.channel(READ)
    answer = channel_object(channel) | {"is_member": call.is_member(channel)}
    if call.flag("include_num_members"):
        answer["num_members"] = len(channel.members)
    if call.flag("include_locale"):
        answer["locale"] = "en-US"
    return {"channel": answer}


def conversations_members(call: Call) -> dict[str, Any]:
    channel = call.channel(READ)
    limit = page_limit(call, default=100, maximum=1000)
    page = paginate(call, sorted(channel.members), limit=limit, identity=str)
    return {"members": page.items, **page.metadata}


def _page_of_channels(call: Call, *, wanted: Callable[[SlackChannel], bool]) -> Page[SlackChannel]:
    """A page of the visible channels of the asked types; archived ones leave after paging, as on Slack."""
    types = _types(call)
    limit = page_limit(call, default=100, maximum=999)
    channels = sorted(
        (
            channel
            for channel in call.world.channels.values()
            if _type(channel) in types and wanted(channel) and call.sees(channel)
        ),
        key=attrgetter("id"),
    )
    page = paginate(call, channels, limit=limit, identity=attrgetter("id"))
    if call.flag("exclude_archived"):
        return Page([channel for channel in page.items if not channel.is_archived], page.next_cursor)
    return page


def _type(channel: SlackChannel) -> str:
    if channel.is_im:
        return "im"
    return "private_channel" if channel.is_private else "public_channel"


def _types(call: Call) -> list[str]:
    types = [each.strip() for each in (call.text("types") or "public_channel").split(",")]
    if not set(types) <= TYPE_SCOPES.keys():
        raise Failure("invalid_types")
    missing = [TYPE_SCOPES[each] for each in types if TYPE_SCOPES[each] not in call.token.scopes]
    if missing:
        call.miss(*missing)
    return types
