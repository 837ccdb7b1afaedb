"""What was found of one person: where they are, as what, and what could not be read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from members.platforms.types import (
    AdminStatus,
    GroupKind,
    Platform,
    PlatformGroup,
    PlatformUser,
    Role,
    Standing,
)
from members.policy import Level
from telegram_ops.references import Sought


@dataclass(frozen=True, slots=True)
class Sighting:
    """A group that the person is in. `standing` is None where nobody asked, or nobody was told."""

    group: PlatformGroup
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What one connection to a platform tells of one person."""

    platform: Platform
    user: PlatformUser | None = None
    """Their account there; None while nobody is found."""
    sightings: tuple[Sighting, ...] = ()
    trouble: str = ""
    """Why the list may lack something: one sentence; "" when it is whole."""
    account_trouble: bool = False
    """Whether somebody has to see to our own account first."""
    as_of: datetime | None = None
    """When an audit saw it so; None when it was read just now."""
    own_id: str = ""
    """The user id of our own account there."""
    connection: str = ""
    """Through which further workspace or account we looked; empty for the usual one."""
    label: str = ""
    """What people call that."""

    @property
    def name(self) -> str:
        """What was looked at: "Slack", or "Slack (Partner)"."""
        return f"{self.platform.label} ({self.label})" if self.label else self.platform.label


@dataclass(frozen=True, slots=True)
class Place:
    """A group with the person in it, and what our rules say of that."""

    group: PlatformGroup
    standing: Standing | None
    level: Level | None
    connection: str = ""
    """Through which connection they were seen there."""

    @property
    def role(self) -> Role | None:
        return self.standing.role if self.standing is not None else None

    @property
    def since(self) -> datetime | None:
        return self.standing.since if self.standing is not None else None

    @property
    def required(self) -> bool:
        return self.level is Level.REQUIRED


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody, wherever we can see them."""

    sought: Sought
    looks: tuple[Look, ...]
    places: tuple[Place, ...]
    """By platform, name and id."""
    notes: tuple[str, ...] = field(default=())
    """What the reader has to know, one sentence each."""
    doubt: str = ""
    """Why it may be somebody else than who was meant: nothing may be done to them then."""

    @property
    def key(self) -> str:
        """The employee's key, or the platform's id of somebody who is none."""
        if self.sought.person is not None:
            return self.sought.person.key
        return next((look.user.id for look in self.looks if look.user is not None), self.sought.text)

    @property
    def name(self) -> str:
        if self.sought.person is not None:
            return self.sought.person.name
        named = (look.user.name for look in self.looks if look.user is not None)
        return next(filter(None, named), self.sought.text)

    @property
    def somewhere(self) -> bool:
        """Whether any account of theirs was found."""
        return any(look.user is not None for look in self.looks)

    @property
    def whole(self) -> bool:
        """Whether everything was read, and just now."""
        return not any(look.trouble or look.as_of for look in self.looks)

    def look_at(self, platform: Platform, connection: str = "") -> Look | None:
        looks = (look for look in self.looks if look.platform is platform)
        return next((look for look in looks if look.connection == connection), None)


def in_order(places: Iterable[Place]) -> tuple[Place, ...]:
    """By platform, name and id."""
    order = list(Platform)
    return tuple(
        sorted(
            places,
            key=lambda place: (
                order.index(place.group.platform),
                place.group.name.casefold(),
                place.group.id,
            ),
        )
    )


def own_standing(group: PlatformGroup) -> Standing | None:
    """What we ourselves are in `group`, by the list that told of it."""
    match group.admin_status:
        case AdminStatus.OWNER:
            return Standing(Role.OWNER)
        case AdminStatus.ADMIN | AdminStatus.ADMIN_CAN_RENAME:
            return Standing(Role.ADMIN)
        case AdminStatus.MEMBER:
            return Standing(Role.MEMBER)
        case _:
            return None


def doubtful(
    groups: Sequence[PlatformGroup], seen: Iterable[str], user: PlatformUser, hides: dict[str, bool]
) -> list[PlatformGroup]:
    """Those of our `groups` that the person's own list does not show, although they may be in them.

    Telegram lists no common groups for bots, and may leave out those that hide their members. `hides` is
    what is known of that, by group id.
    """
    listed = set(seen)
    rest = [group for group in groups if group.id not in listed and group.superseded_by is None]
    if user.is_bot:
        return rest
    return [group for group in rest if hides.get(group.id, group.may_hide_members) and _hidden_from_us(group)]


def _hidden_from_us(group: PlatformGroup) -> bool:
    return group.kind is GroupKind.SUPERGROUP and group.admin_status in (
        AdminStatus.MEMBER,
        AdminStatus.UNKNOWN,
    )


def with_own_rights(group: PlatformGroup, joined: Iterable[str]) -> PlatformGroup:
    """A Slack channel as we may act in it: only who is in a channel takes others out of it, or renames it."""
    inside = group.id in set(joined)
    return replace(group, joined=inside, may_remove=inside and not group.general, may_rename=inside)
