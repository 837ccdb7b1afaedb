"""Where a person's own list of groups is no proof of absence. Pure."""

from __future__ import annotations

from audits.observation import KnownGroup
from members.platforms.types import (
    FEWEST_TO_HIDE,
    AdminStatus,
    GroupDetails,
    GroupKind,
    PlatformGroup,
    PlatformUser,
)


def may_hide_members(group: PlatformGroup) -> bool:
    """Whether the group could hide its members from us, as far as the lists tell."""
    return (
        group.kind is GroupKind.SUPERGROUP
        and group.admin_status is AdminStatus.MEMBER
        and (group.total_members is None or group.total_members >= FEWEST_TO_HIDE)
    )


def hides_members(details: GroupDetails | None, before: KnownGroup | None) -> bool | None:
    """Whether it does, by this run's reading (`details`) or an earlier one; None without any."""
    if details is not None:
        return details.members_hidden
    return before.members_hidden if before is not None and before.history_read_at else None


def is_doubtful(group: PlatformGroup, user: PlatformUser, *, hides: bool | None) -> bool:
    """Whether `user` may be in `group` although their own list lacks it.

    Telegram may leave groups with hidden members out of the common chats, and how Slack Connect
    people behave as `user=` is not documented.
    """
    if user.external:
        return group.shared_externally
    return may_hide_members(group) if hides is None else hides
