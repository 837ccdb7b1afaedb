"""The parts of an audit: one for each connection that it looks through."""

from __future__ import annotations

from collections.abc import Collection

from audits.connections import Way, ways_of
from members.platforms.types import Platform
from members.workspaces import services as workspaces
from telegram_ops import gateway


def parts_of(platforms: Collection[Platform]) -> tuple[Way, ...]:
    """(platform, connection) of each part, the platforms in their own order."""
    return tuple(
        (platform, connection)
        for platform in Platform
        if platform in platforms
        for connection in ways_of(platform)
    )


def name_of(platform: Platform, connection: str) -> str:
    """What people call a part: its platform, and which of several connections it is."""
    label = (workspaces if platform is Platform.SLACK else gateway).label_of(connection)
    return f"{platform.label} ({label})" if label else platform.label
