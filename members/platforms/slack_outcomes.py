"""Slack's refusals of a write as outcomes, with one line for a person. Pure: no HTTP and no slack_sdk.

The words are those listed under "Errors" of each method at docs.slack.dev/reference/methods. Those
that stop the whole account are errors, not outcomes: `slack_errors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from members.platforms.outcomes import Outcome, Reply
from members.platforms.slack_errors import one_line

DONE = Reply(Outcome.DONE)

_BAD_NAME = "letters, digits, hyphens and underscores, at most 80: choose another name"

_ABOUT_THE_CHANNEL = {
    "channel_is_limited_access": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED,
        "The channel belongs to a Salesforce record that this account may not see: ask its owner for access",
    ),
    "channel_not_found": Reply(
        Outcome.GROUP_NOT_FOUND,
        "There is no such channel, or this account cannot see it: run an audit, then plan again",
    ),
    "external_channel_migrating": Reply(
        Outcome.REFUSED, "Slack is moving this shared channel to another organization: try again tomorrow"
    ),
    "is_archived": Reply(Outcome.ARCHIVED, "The channel is archived: unarchive it in Slack first"),
    "method_not_supported_for_channel_type": Reply(
        Outcome.REFUSED, "Slack does not offer this for this kind of conversation: do it by hand in Slack"
    ),
    "not_authorized": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED,
        "Only the channel's creator, its managers and workspace admins may rename it: ask one of them",
    ),
    "not_in_channel": Reply(
        Outcome.NOT_IN_GROUP, "The account is not in this channel: ask somebody in it to invite the account"
    ),
    "restricted_action": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED,
        "The workspace's settings keep this account from doing this: ask a workspace admin to allow it",
    ),
    "restricted_action_read_only_channel": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED, "The channel is read-only: ask somebody who may post in it"
    ),
    "restricted_action_thread_only_channel": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED, "The channel takes replies only: ask somebody who may post in it"
    ),
    "too_many_members": Reply(
        Outcome.REFUSED, "The channel has as many members as Slack allows: somebody has to leave it first"
    ),
    # names
    "invalid_name": Reply(Outcome.REFUSED, f"Slack does not take this name ({_BAD_NAME})"),
    "invalid_name_maxlength": Reply(Outcome.REFUSED, f"The name is too long for Slack ({_BAD_NAME})"),
    "invalid_name_punctuation": Reply(Outcome.REFUSED, f"The name is punctuation only ({_BAD_NAME})"),
    "invalid_name_required": Reply(Outcome.REFUSED, f"The name is empty for Slack ({_BAD_NAME})"),
    "invalid_name_specials": Reply(
        Outcome.REFUSED, f"The name has characters that Slack does not take ({_BAD_NAME})"
    ),
    "name_taken": Reply(
        Outcome.REFUSED, "Another channel, maybe an archived one, has this name already: choose another name"
    ),
}

_ABOUT_THE_PERSON = {
    "already_in_channel": Reply(Outcome.ALREADY_THERE),
    "app_cannot_join_channel": Reply(
        Outcome.USER_RESTRICTED, "This app cannot be in this channel: take it off the list"
    ),
    "cannot_dm_bot": Reply(Outcome.USER_RESTRICTED, "This is a bot, and bots get no direct messages"),
    "cant_invite": Reply(
        Outcome.USER_RESTRICTED,
        "Slack does not let this person in, because they are deactivated, or of a workspace that "
        "does not share the channel: correct their identity, or mark them as offboarded",
    ),
    "cant_invite_self": Reply(
        Outcome.CANNOT_INVITE_SELF, "An account cannot invite itself: ask somebody in the channel to do it"
    ),
    "invitee_cant_see_channel": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED,
        "The channel is not shared with any workspace of this person: ask an organization admin to share it",
    ),
    "no_external_invite_permission": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED,
        "This account may not invite people of other companies: ask a workspace admin to do it",
    ),
    "no_permission": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED, "This account may not invite this person: ask a workspace admin to do it"
    ),
    "org_user_not_in_team": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED,
        "The person is in the organization and not in this workspace: ask an admin to add them to it first",
    ),
    "ura_max_channels": Reply(
        Outcome.TOO_MANY_CHANNELS,
        "The person is a single-channel guest and has their channel: "
        "ask a workspace admin to make them a multi-channel guest",
    ),
    "user_disabled": Reply(
        Outcome.PERSON_NOT_FOUND,
        "The person's account is deactivated: correct their identity, or mark them as offboarded",
    ),
    "user_is_restricted": Reply(
        Outcome.USER_RESTRICTED, "The person is a guest: ask a workspace admin to add them to this channel"
    ),
    "user_is_ultra_restricted": Reply(
        Outcome.USER_RESTRICTED,
        "The person is a single-channel guest: ask a workspace admin to make them a multi-channel guest",
    ),
    "user_not_found": Reply(
        Outcome.PERSON_NOT_FOUND,
        "Slack does not know this person: run an audit, which looks them up again",
    ),
    "user_not_visible": Reply(
        Outcome.PERSON_NOT_FOUND, "This account cannot see this person: ask a workspace admin"
    ),
    # removals
    "cant_kick_from_general": Reply(
        Outcome.REFUSED, "Nobody can be removed from the workspace's general channel: deactivate them instead"
    ),
    "cant_kick_from_last_channel": Reply(
        Outcome.REFUSED, "It is the only channel of this guest: ask a workspace admin to deactivate them"
    ),
    "cant_kick_self": Reply(
        Outcome.REFUSED, "This is the account that we work with: leave the channel by hand in Slack"
    ),
    "not_supported": Reply(
        Outcome.REFUSED, "Slack does not offer this for this channel and person: do it by hand in Slack"
    ),
    # messages
    "message_limit_exceeded": Reply(
        Outcome.REFUSED, "The workspace has sent as many messages as its plan allows: try again later"
    ),
    "msg_too_long": Reply(Outcome.REFUSED, "The message is too long for Slack: shorten it"),
    "no_text": Reply(Outcome.REFUSED, "An empty message cannot be sent: write something"),
}

_REPLIES = _ABOUT_THE_CHANNEL | _ABOUT_THE_PERSON


def reply_to(word: str) -> Reply:
    """How a write that Slack refused with `word` ended. An unheard-of word is REFUSED and passed on."""
    return _REPLIES.get(word) or Reply(Outcome.REFUSED, f"Slack refused it: {word}")


def concerns_everybody(word: str) -> bool:
    """Whether the refusal is about the channel, so that it would hold for any other person as well."""
    return word in _ABOUT_THE_CHANNEL


def refusal(answer: Mapping[str, Any]) -> str:
    """The word of an answer with `ok: false`; "" when it is done."""
    return "" if answer.get("ok") is True else _word(answer)


def refusals(answer: Mapping[str, Any]) -> dict[str, str]:
    """Each person's own word, by id, from `errors` of conversations.invite."""
    entries = answer.get("errors")
    named = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    return {
        user: _word(entry)
        for entry in named
        if entry.get("ok") is not True and isinstance(user := entry.get("user"), str)
    }


def replies(answer: Mapping[str, Any], ids: Sequence[str]) -> dict[str, Reply]:
    """How an invitation of `ids` ended for everybody of whom Slack's answer tells it.

    A refusal tells it of those in `errors`, of somebody who was alone, and of everybody when it is
    about the channel. The others may have been invited all the same, or not.
    """
    own = refusals(answer)
    word = refusal(answer)
    told = {user: reply_to(own[user]) for user in ids if user in own}
    if not word:
        return dict.fromkeys(ids, DONE) | told
    if len(ids) == 1 or concerns_everybody(word):
        return dict.fromkeys(ids, reply_to(word)) | told
    return told


def _word(source: Mapping[str, Any]) -> str:
    return one_line(source.get("error")) or "unknown_error"
