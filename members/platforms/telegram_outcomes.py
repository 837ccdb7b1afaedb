"""Telegram's refusals of a write as outcomes, with one line for a person. Pure: no network.

The words are those listed under "Possible errors" of each method at core.telegram.org/method/….
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from members.platforms.errors import NO_ACCESS_HASH, NO_GROUP_ACCESS_HASH, Refused
from members.platforms.outcomes import Outcome, Reply

if TYPE_CHECKING:
    from telethon.tl import types as tl

_GROUP_UNKNOWN = Reply(
    Outcome.GROUP_NOT_FOUND,
    "Telegram does not know this group, or not from this account: run an audit, then plan again",
)
_NOT_IN_GROUP = Reply(
    Outcome.NOT_IN_GROUP,
    "The account is not in this group any more: ask an admin there to add it",
)
_NO_RIGHT = Reply(
    Outcome.ADMIN_RIGHTS_NEEDED,
    "The account lacks the admin right for this: ask the group's owner to grant it",
)
_NO_SUCH_PERSON = Reply(
    Outcome.PERSON_NOT_FOUND,
    "Telegram does not know this person, or not from this account: run an audit, which looks them up again",
)
_PRIVACY = Reply(
    Outcome.PRIVACY_RESTRICTED,
    "The person's privacy settings do not let this account add them: send them an invite link",
)
_PREMIUM_ONLY = Reply(
    Outcome.PRIVACY_RESTRICTED,
    "The person lets only Telegram Premium accounts add them: send them an invite link",
)
_OUT_OF_REACH = Reply(
    Outcome.PRIVACY_RESTRICTED,
    "The person's privacy settings let this account neither add them nor write to them: "
    "have a colleague give them an invite link",
)
_BLOCKED = Reply(
    Outcome.REFUSED,
    "The person and this account have blocked one another: unblock in Telegram, or ask a colleague to do it",
)

_ABOUT_THE_GROUP = {
    NO_GROUP_ACCESS_HASH: _GROUP_UNKNOWN,
    "CHANNEL_INVALID": _GROUP_UNKNOWN,
    "CHANNEL_PRIVATE": _NOT_IN_GROUP,
    "CHANNEL_PUBLIC_GROUP_NA": _GROUP_UNKNOWN,
    "CHAT_ADMIN_INVITE_REQUIRED": _NO_RIGHT,
    "CHAT_ADMIN_REQUIRED": _NO_RIGHT,
    "CHAT_FORBIDDEN": _NOT_IN_GROUP,
    "CHAT_ID_INVALID": _GROUP_UNKNOWN,
    "CHAT_INVALID": _GROUP_UNKNOWN,
    "CHAT_NOT_MODIFIED": Reply(Outcome.ALREADY_THERE, "The group has this name already"),
    "CHAT_SEND_PLAIN_FORBIDDEN": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED, "The group lets nobody send text: ask an admin there to allow it"
    ),
    "CHAT_TITLE_EMPTY": Reply(Outcome.REFUSED, "A group cannot be without a name: choose one"),
    "CHAT_WRITE_FORBIDDEN": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED,
        "The group lets this account neither write nor add people: ask an admin there to allow it",
    ),
    "PEER_ID_INVALID": Reply(
        Outcome.GROUP_NOT_FOUND,
        "The group is gone, or it became a supergroup: run an audit, then plan again",
    ),
    "USER_BANNED_IN_CHANNEL": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED,
        "The account is restricted in this group: ask an admin there to lift that; "
        "if it happens in every group, ask @SpamBot in Telegram",
    ),
}

_ABOUT_THE_PERSON = {
    NO_ACCESS_HASH: _NO_SUCH_PERSON,
    "ALLOW_PAYMENT_REQUIRED": Reply(
        Outcome.PRIVACY_RESTRICTED, "The person takes messages for payment only: reach them another way"
    ),
    "BOTS_TOO_MUCH": Reply(
        Outcome.REFUSED, "The group has as many bots as Telegram allows: remove one first"
    ),
    "BOT_GROUPS_BLOCKED": Reply(
        Outcome.USER_RESTRICTED, "The bot may not join groups: its owner can change that with @BotFather"
    ),
    "CHAT_MEMBER_ADD_FAILED": Reply(
        Outcome.REFUSED,
        "Telegram could not add the person and does not say why: send them an invite link",
    ),
    "INPUT_USER_DEACTIVATED": Reply(
        Outcome.PERSON_NOT_FOUND,
        "The person's Telegram account was deleted: correct their identity, or mark them as offboarded",
    ),
    "MESSAGE_EMPTY": Reply(Outcome.REFUSED, "An empty message cannot be sent: write something"),
    "MESSAGE_TOO_LONG": Reply(Outcome.REFUSED, "The message is too long for Telegram: shorten it"),
    "PARTICIPANT_ID_INVALID": _NO_SUCH_PERSON,
    "PRIVACY_PREMIUM_REQUIRED": Reply(
        Outcome.PRIVACY_RESTRICTED,
        "The person takes messages from Telegram Premium accounts only: reach them another way",
    ),
    "USERS_TOO_MUCH": Reply(
        Outcome.REFUSED, "The group is full: remove somebody, or turn a basic group into a supergroup"
    ),
    "USER_ADMIN_INVALID": Reply(
        Outcome.ADMIN_RIGHTS_NEEDED,
        "The person owns the group, or is an admin whom this account may not remove: ask the group's owner",
    ),
    "USER_ALREADY_PARTICIPANT": Reply(Outcome.ALREADY_THERE),
    "USER_BLOCKED": _BLOCKED,
    "USER_BOT": Reply(
        Outcome.USER_RESTRICTED, "A bot can join this one as an admin only: make it one in the Telegram app"
    ),
    "USER_CHANNELS_TOO_MUCH": Reply(
        Outcome.TOO_MANY_CHANNELS,
        "The person is in as many groups and channels as Telegram allows: they have to leave some first",
    ),
    "USER_ID_INVALID": _NO_SUCH_PERSON,
    "USER_IS_BLOCKED": _BLOCKED,
    "USER_KICKED": Reply(
        Outcome.KICKED_BEFORE,
        "The person was removed from this group and is still banned: an admin there has to lift the ban",
    ),
    "USER_NOT_MUTUAL_CONTACT": Reply(
        Outcome.NOT_MUTUAL_CONTACT,
        "Only a mutual contact may add this person: save each other as contacts, or send them an invite link",
    ),
    "USER_NOT_PARTICIPANT": Reply(Outcome.ALREADY_GONE),
    "USER_PRIVACY_RESTRICTED": _PRIVACY,
    "YOU_BLOCKED_USER": _BLOCKED,
}

_REPLIES = _ABOUT_THE_GROUP | _ABOUT_THE_PERSON


def reply_to(error: Refused, *, private: bool = False) -> Reply:
    """How a write that was refused ended; `private`: one between the account and a person.

    An unheard-of word becomes REFUSED and is passed on.
    """
    if private and error.code == "PEER_ID_INVALID":
        return _NO_SUCH_PERSON
    return _REPLIES.get(error.code) or Reply(Outcome.REFUSED, str(error))


def concerns_everybody(error: Refused) -> bool:
    """Whether the refusal is about the group, so that it would hold for any other person as well."""
    return error.code in _ABOUT_THE_GROUP


def reply_to_missing(invitee: tl.MissingInvitee) -> Reply:
    """Why somebody was not added by a call that succeeded: core.telegram.org/constructor/missingInvitee"""
    if invitee.premium_required_for_pm:
        return _OUT_OF_REACH
    if invitee.premium_would_allow_invite:
        return _PREMIUM_ONLY
    return _PRIVACY
