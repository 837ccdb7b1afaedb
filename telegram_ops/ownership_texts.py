"""What is written to people who run groups that should be ours. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LONGEST_MESSAGE = 4096
"""Characters of one message (`message_length_max` of https://core.telegram.org/constructor/config)."""
LONGEST_TEMPLATE = 2000
"""Of what is left, the groups of one person find room in one message."""

GROUPS = "groups"
PLACEHOLDERS: Final[Mapping[str, str]] = {
    "owner": "their name",
    "groups": "the groups, a line each",
    "account": "our account, like @ada",
    "sender": "who asks",
    "rights": "the admin rights ticked below",
}
"""Each with what stands in its place."""

RIGHTS: Final[Mapping[str, str]] = {
    "change_info": "Change Group Info",
    "delete_messages": "Delete Messages",
    "ban_users": "Ban Users",
    "invite_users": "Add Members",
    "pin_messages": "Pin Messages",
    "add_admins": "Add New Admins",
}
"""The rights of an admin, as Telegram's app calls them: https://core.telegram.org/constructor/chatAdminRights"""

ONLY_AN_ADMIN = "you are an admin there, and we could not reach the owner: please make {account} an admin too"
"""Stands behind a group whose owner is somebody else."""

_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with places to be filled in, and what is known of them before anybody is written to."""

    key: str
    name: str
    text: str
    sender: str = ""
    rights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedGroup:
    """A group as a message names it."""

    name: str
    theirs: bool
    """Whether the person who reads it owns it, or is an admin there."""


def filled(
    template: Template, *, owner: str, groups: Iterable[NamedGroup], account: str, account_name: str
) -> str:
    """The message. What is filled in is never looked at again: a group may be called "{owner}"."""
    values = {
        "owner": owner,
        "groups": "\n".join(_line(group, account) for group in groups),
        "account": account,
        "sender": template.sender or account_name,
        "rights": ", ".join(RIGHTS[right] for right in template.rights if right in RIGHTS),
    }
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), template.text).strip()


def fits(text: str) -> bool:
    """Whether Telegram takes it as one message: in UTF-16 it is never shorter than as Telegram counts."""
    return len(text.encode("utf-16-le")) // 2 <= LONGEST_MESSAGE


def problems_of(text: str) -> list[str]:
    """What is wrong with a template's text, a sentence each; nothing when it can be used."""
    named = _PLACE.findall(text)
    unknown = dict.fromkeys(name for name in named if name not in PLACEHOLDERS)
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    problems = [f"Nothing is known that {{{name}}} could stand for. There are: {known}." for name in unknown]
    if GROUPS not in named:
        problems.append("Say with {groups} where the groups shall stand: else nobody knows what is asked.")
    return problems


def explained_placeholders() -> str:
    """The places that a template may have, for people."""
    return "; ".join(f"{{{name}}}: {meaning}" for name, meaning in PLACEHOLDERS.items()) + "."


def _line(group: NamedGroup, account: str) -> str:
    line = f"• {group.name}"
    return line if group.theirs else f"{line} ({ONLY_AN_ADMIN.replace('{account}', account)})"


REQUEST, ADMIN, REMINDER = "transfer", "admin", "reminder"
"""Keys of the templates that are there from the beginning."""

BUILT_IN: Final[Sequence[Template]] = (
    Template(
        REQUEST,
        "Transfer the ownership",
        """Hello {owner},

this is {sender}. You own these Telegram groups that we look after:

{groups}

Could you transfer their ownership to {account}? It is done in the Telegram app: open the group, \
Manage group → Administrators, make {account} an admin with all rights, tap on it again and choose \
Transfer group ownership.

If you want to stay the owner, making {account} an admin helps us too.

Thank you!
{sender}""",
    ),
    Template(
        ADMIN,
        "Make us an admin",
        """Hello {owner},

this is {sender}. You run these Telegram groups that we look after:

{groups}

Could you make {account} an admin there? It is done in the Telegram app: open the group, \
Manage group → Administrators → Add Admin, and allow: {rights}.

Thank you!
{sender}""",
        rights=("change_info", "ban_users", "invite_users"),
    ),
    Template(
        REMINDER,
        "Reminder",
        """Hello {owner},

a kind reminder: could you transfer the ownership of these Telegram groups to {account}, \
or make it an admin there?

{groups}

In the Telegram app: open the group, Manage group → Administrators.

Thank you!
{sender}""",
    ),
)
