"""Direct messages: conversations.open."""

from __future__ import annotations

from typing import Any

from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.world import SlackChannel


def conversations_open(call: Call) -> dict[str, Any]:
    """The direct message between the caller and the one user in `users`; groups are not offered here."""
    call.need("im:write")
    ids = call.ids("users")
    if not ids:
        raise Failure("users_list_not_supplied")
    if len(ids) > 1:
        raise Failure("too_many_users")
    user = call.world.users.get(ids[0])
    if user is None:
        raise Failure("user_not_found")
    if user.deleted:
        raise Failure("user_disabled")
    both = {call.caller.id, user.id}
    for channel in call.world.channels.values():
        if channel.is_im and channel.members.keys() == both:
            return {"channel": {"id": channel.id}, "no_op": True, "already_open": True}
    number = sum(channel.is_im for channel in call.world.channels.values()) + 1
    channel = SlackChannel(
        f"D{number:09}", "", call.caller.id, dict.fromkeys(both), is_private=True, is_im=True
    )
    call.world.add_channel(channel)
    call.changed.add(user.id)
    return {"channel": {"id": channel.id}}
