"""Who is in a channel: conversations.invite, .kick and .join."""

from __future__ import annotations

from typing import Any

from groupadmin.sandbox.slack import events
from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.scopes import INVITE, JOIN, KICK
from groupadmin.sandbox.slack.serialise import channel_object
from groupadmin.sandbox.slack.world import SlackChannel, SlackUser

MOST_INVITED_AT_ONCE = 100


def conversations_invite(call: Call) -> dict[str, Any]:
    """Invite `users`, all or none, unless `force` says to take those who can be invited.

    Deactivated people are the documented exception: they fail, and everybody else is invited.
    """
    channel = call.channel(INVITE)
    if not call.is_member(channel):
        raise Failure("not_in_channel")
    if channel.is_archived:
        raise Failure("is_archived")
    wanted = call.ids("users")
    if not wanted:
        raise Failure("no_user")
    if len(wanted) > MOST_INVITED_AT_ONCE:
        # The reference names the limit and no error; this is the word of Slack's older OpenAPI description.
        raise Failure("too_many_users")

    refusals = {user_id: error for user_id in wanted if (error := _refusal(call, channel, user_id))}
    errors = [{"user": user_id, "ok": False, "error": error} for user_id, error in refusals.items()]
    only_deactivated = all(_is_deactivated(call, user_id) for user_id in refusals)
    invited = [user_id for user_id in wanted if user_id not in refusals]
    if invited and (call.flag("force") or only_deactivated):
        channel.members.update(dict.fromkeys(invited))
        call.changed.update(invited)
        call.events.extend(
            events.joined(channel, call.world.users[user_id], call.caller.id) for user_id in invited
        )
    if errors and not (invited and call.flag("force")):
        raise Failure(str(errors[0]["error"]), errors=errors)
    answer: dict[str, Any] = {"channel": channel_object(channel) | {"is_member": True}}
    return answer | ({"errors": errors} if errors else {})


def _is_deactivated(call: Call, user_id: str) -> bool:
    user = call.world.users.get(user_id)
    return user is not None and user.deleted


def _refusal(call: Call, channel: SlackChannel, user_id: str) -> str | None:
    """Why this one user cannot be invited."""
    user = call.world.users.get(user_id)
    if user is None:
        return "user_not_found"
    if user.id == call.caller.id:
        return "cant_invite_self"
    if user.id in channel.members:
        return "already_in_channel"
    if user.deleted or (user.team_id != call.world.team_id and not channel.is_ext_shared):
        return "cant_invite"
    return _refusal_of_guest(call, user)


def _refusal_of_guest(call: Call, user: SlackUser) -> str | None:
    """Single-channel guests have one channel for life; by Slack's default only admins add guests."""
    if user.is_ultra_restricted and any(user.id in each.members for each in call.world.channels.values()):
        return "ura_max_channels"
    if user.is_guest and not call.caller.is_admin:
        return "user_is_restricted"
    return None


def conversations_kick(call: Call) -> dict[str, Any]:
    channel = call.channel(KICK)
    user = call.user()
    if user.id == call.caller.id:
        raise Failure("cant_kick_self")
    if not call.is_member(channel) or user.id not in channel.members:
        raise Failure("not_in_channel")
    if channel.is_general:
        raise Failure("cant_kick_from_general")
    if channel.is_archived:
        raise Failure("not_supported")
    if call.caller.is_guest or (call.world.only_admins_kick and not call.caller.is_admin):
        raise Failure("restricted_action")
    call.events.append(events.left(channel, user))
    del channel.members[user.id]
    call.changed.add(user.id)
    return {"errors": {}}


def conversations_join(call: Call) -> dict[str, Any]:
    channel = call.channel(JOIN)
    if channel.is_archived:
        raise Failure("is_archived")
    if channel.is_private:
        raise Failure("method_not_supported_for_channel_type")
    answer: dict[str, Any] = {"channel": channel_object(channel) | {"is_member": True}}
    if call.is_member(channel):
        warning = "already_in_channel"
        return answer | {"warning": warning, "response_metadata": {"warnings": [warning]}}
    channel.members[call.caller.id] = None
    call.changed.add(call.caller.id)
    call.events.append(events.joined(channel, call.caller))
    return answer
