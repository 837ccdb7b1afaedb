"""What the platforms tell us, as plain frozen data.

No type of slack_sdk or telethon appears here, and nothing here knows Django:
everything above the adapters can be tested with these values alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

FEWEST_TO_HIDE = 100
"""From how many members on Telegram lets a supergroup hide them (`hidden_members_group_size_min` of
core.telegram.org/method/channels.toggleParticipantsHidden; only admins still see them)."""


class Platform(StrEnum):
    SLACK = "slack"
    TELEGRAM = "telegram"

    @property
    def label(self) -> str:
        return self.value.capitalize()


class Privacy(StrEnum):
    """Slack: the channel's `is_private`. Telegram: public when the group has a public username."""

    PRIVATE = "private"
    PUBLIC = "public"


class History(StrEnum):
    """Whether a new member sees what was written before joining (Telegram supergroups only)."""

    VISIBLE = "visible"
    HIDDEN = "hidden"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "n/a"


class AdminStatus(StrEnum):
    """What the auditing account may do in the group (Telegram only)."""

    OWNER = "owner"
    ADMIN_CAN_RENAME = "admin_can_rename"
    ADMIN = "admin"
    MEMBER = "member"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "n/a"


class Role(StrEnum):
    """What one person is in one group (Telegram only; Slack channels know members alone)."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    BANNED = "banned"
    """Thrown out, and kept out. Only admins are told."""
    ABSENT = "absent"


class GroupKind(StrEnum):
    CHANNEL = "channel"  # Slack
    BASIC = "basic"  # Telegram basic group
    SUPERGROUP = "supergroup"  # Telegram supergroup


@dataclass(frozen=True, slots=True)
class Account:
    """The identity behind a connection: whose eyes we see with."""

    platform: Platform
    id: str
    username: str | None
    name: str
    workspace_id: str = ""
    """Slack's team id; empty on Telegram."""
    workspace_name: str = ""


@dataclass(frozen=True, slots=True)
class PlatformUser:
    """One person (or bot) as a platform knows them. `id` is the identity; names only describe."""

    platform: Platform
    id: str
    usernames: tuple[str, ...] = ()
    """Every handle that leads to this person now, the main one first, without "@"."""
    name: str = ""
    email: str | None = None
    active: bool = True
    """False when the account was deactivated (Slack) or deleted (Telegram)."""
    is_bot: bool = False
    external: bool = False
    """True when the person's home is another Slack workspace (Slack Connect)."""
    workspace_id: str = ""
    """Slack's team id of that home; empty on Telegram, and where Slack does not say."""

    @property
    def username(self) -> str | None:
        return self.usernames[0] if self.usernames else None


@dataclass(frozen=True, slots=True)
class PlatformGroup:
    """One Slack channel or Telegram group, from the cheap listing calls."""

    platform: Platform
    id: str
    """Slack's channel id, or Telegram's bare id (no sign, no -100)."""
    name: str
    kind: GroupKind
    privacy: Privacy
    admin_status: AdminStatus = AdminStatus.NOT_APPLICABLE
    history: History = History.NOT_APPLICABLE
    total_members: int | None = None
    """None when no cheap call told it."""
    archived: bool = False
    shared_externally: bool = False
    joined: bool = True
    """Whether the auditing account is a member (a public Slack channel is visible without)."""
    may_invite: bool = True
    """False where the account is known to lack the right to add people."""
    may_remove: bool = True
    """False where the account is known to lack the right to take people out."""
    may_rename: bool = True
    """False where the account is known to lack the right to change the name."""
    general: bool = False
    """Slack's channel of the whole workspace, which nobody can be taken out of."""
    created_at: datetime | None = None
    superseded_by: str | None = None
    """Telegram: the supergroup that this basic group became; such a group is no group any more."""

    @property
    def may_hide_members(self) -> bool:
        """Whether the group could hide its members from us, as far as the lists tell."""
        return (
            self.kind is GroupKind.SUPERGROUP
            and self.admin_status is AdminStatus.MEMBER
            and (self.total_members is None or self.total_members >= FEWEST_TO_HIDE)
        )


@dataclass(frozen=True, slots=True)
class GroupDetails:
    """What only one call per group tells (Telegram's channels.getFullChannel)."""

    history: History
    members_hidden: bool
    total_members: int | None = None
    migrated_from: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How one person stands in one group, by the group's own word."""

    role: Role
    since: datetime | None = None
    """When they joined, or an admin was made one; None where Telegram does not say."""
    editable: bool = False
    """Of an admin: whether the account may take their right away, and hence remove them."""

    @property
    def present(self) -> bool:
        return self.role not in (Role.ABSENT, Role.BANNED)


@dataclass(frozen=True, slots=True)
class Administrator:
    """Somebody who runs a group (Telegram only)."""

    user: PlatformUser
    role: Role
    """Owner or admin."""
    since: datetime | None = None
    """When an admin was made one; None where Telegram does not say."""
    may_add_admins: bool = False
    anonymous: bool = False
    """Hidden from whoever is no admin there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A person we look for: what the policy knows about them on one platform."""

    key: str
    name: str
    id: str | None = None
    username: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class MembersPage:
    """One page of a group's member list; `expected` is the platform's own count, if it told one."""

    ids: frozenset[str]
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class CallCount:
    """How many API calls of each method were made, and how long we were told to wait."""

    calls: dict[str, int] = field(default_factory=dict)
    waited_seconds: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.calls.values())
