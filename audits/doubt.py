"""Where a person's own list of groups is no proof of absence. Pure."""

from __future__ import annotations

from audits.observation import KnownGroup
from members.platforms.types import GroupDetails, PlatformGroup, PlatformUser


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
    return group.may_hide_members if hides is None else hides
