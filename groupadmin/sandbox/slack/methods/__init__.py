"""The table of the methods that the sandbox offers: function, rate limit, JSON bodies, what is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.limits import AUTH_TEST, POST_MESSAGE, TIER_2, TIER_3, TIER_4, Rate
from groupadmin.sandbox.slack.methods import (
    channels,
    direct,
    files,
    membership,
    messages,
    naming,
    team,
    uploads,
    users,
)


@dataclass(frozen=True)
class Method:
    run: Callable[[Call], dict[str, Any]]
    """Returns the body without `ok`, or raises Failure."""
    rate: Rate
    json_input: bool = False
    """Where Slack does not read JSON bodies, their arguments count as not given."""
    subjects: Callable[[Call], list[str]] | None = None
    """For a method that writes: who or what is put somewhere or taken away."""


def _people(call: Call) -> list[str]:
    return call.ids("users")


def _person(call: Call) -> list[str]:
    return [call.text("user")]


def _caller(call: Call) -> list[str]:
    return [call.caller.id]


def _name(call: Call) -> list[str]:
    return [call.text("name")]


def _text(call: Call) -> list[str]:
    return [call.text("text")]


METHODS = {
    "auth.test": Method(team.auth_test, AUTH_TEST, json_input=True),
    "team.info": Method(team.team_info, TIER_3, json_input=True),
    "users.list": Method(users.users_list, TIER_2),
    "users.info": Method(users.users_info, TIER_4),
    "users.conversations": Method(channels.users_conversations, TIER_3),
    "conversations.list": Method(channels.conversations_list, TIER_2),
    "conversations.info": Method(channels.conversations_info, TIER_3),
    "conversations.members": Method(channels.conversations_members, TIER_4),
    "conversations.invite": Method(
        membership.conversations_invite, TIER_3, json_input=True, subjects=_people
    ),
    "conversations.kick": Method(membership.conversations_kick, TIER_3, json_input=True, subjects=_person),
    "conversations.join": Method(membership.conversations_join, TIER_3, json_input=True, subjects=_caller),
    "conversations.rename": Method(naming.conversations_rename, TIER_2, json_input=True, subjects=_name),
    "conversations.open": Method(direct.conversations_open, TIER_3, json_input=True, subjects=_people),
    "conversations.history": Method(messages.conversations_history, TIER_3, json_input=True),
    "conversations.replies": Method(messages.conversations_replies, TIER_3),
    "files.info": Method(files.files_info, TIER_4),
    "files.getUploadURLExternal": Method(uploads.get_upload_url, TIER_4),
    "files.completeUploadExternal": Method(
        uploads.complete_upload, TIER_4, json_input=True, subjects=uploads.as_subjects
    ),
    "chat.postMessage": Method(messages.chat_post_message, POST_MESSAGE, json_input=True, subjects=_text),
}
