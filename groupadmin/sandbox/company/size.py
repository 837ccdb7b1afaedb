"""How big the invented company is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Size:
    """Counts of people and groups; the defaults are the company of the demo."""

    slack_in_scope: int = 118
    """Channels an audit must list: in scope, visible to the token's user, not archived."""
    slack_other: int = 140
    """All other channels: out of scope, archived, or out of sight."""
    slack_users: int = 900
    telegram_shared: int = 410
    """Groups an audit must list: shared with the anchor employee and not excluded."""
    telegram_other: int = 60
    """Groups of the account that the anchor is not in."""
    telegram_users: int = 2_400
    members_per_group: int = 12
    """Customers in a group on average; staff come on top."""
    full_teams: float = 0.75
    """The share of groups in which nobody who is required is missing, 0–1."""

    @classmethod
    def of(cls, groups: int, members_per_group: int = 12) -> Self:
        """A company with `groups` groups in scope, split between the platforms as in the demo."""
        slack = round(groups * cls.slack_in_scope / (cls.slack_in_scope + cls.telegram_shared))
        telegram = groups - slack
        return cls(
            slack_in_scope=slack,
            slack_other=round(slack * cls.slack_other / cls.slack_in_scope),
            slack_users=max(cls.slack_users, 2 * members_per_group),
            telegram_shared=telegram,
            telegram_other=round(telegram * cls.telegram_other / cls.telegram_shared),
            telegram_users=max(cls.telegram_users, 2 * members_per_group),
            members_per_group=members_per_group,
        )
